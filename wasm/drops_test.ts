import assert from "node:assert/strict";
import fc from "fast-check";
import { type SessionSpec, WasmDatapath } from "./mod.ts";
import { arrive, concat, hex, run } from "./testing_kernel.ts";
import { addresses, drainFrames, ethernet, makeEnd, moved, refusal } from "./testing_ends.ts";

Deno.test("what is malformed or not ours is counted, once each", () => {
  const cases: [string, Partial<SessionSpec>, string, Record<string, number>][] = [
    ["00", {}, "short-header", {}],
    ["0003 0000 0000", {}, "short-header", {}],
    ["0001 0000 0000000b", {}, "bad-version", {}],
    ["c801 000c 00000000 00000000", {}, "bad-version", {}],
    ["c803 000c 00000000", {}, "short-header", {}],
    ["0003 0000 000000ff", {}, "unknown-session", {}],
    ["0003 0000 00000000", {}, "unknown-session", {}],
    ["0002 0001 000b", {}, "unknown-tunnel", {}],
    ["0003 0000 0000000b 0011", { peerCookie: hex("00112233") }, "truncated", {
      "rx-errors": 1,
      "rx-invalid": 1,
    }],
    [
      "0003 0000 0000000b 00112234",
      { peerCookie: hex("00112233") },
      "cookie-mismatch",
      { "rx-errors": 1, "rx-cookie-discards": 1 },
    ],
    ["0003 0000 0000000b 4000", { l2spec: "default" }, "truncated", {
      "rx-errors": 1,
      "rx-invalid": 1,
    }],
    ["0003 0000 0000000b ffffffffffff", {}, "runt-frame", { "rx-errors": 1, "rx-invalid": 1 }],
  ];
  for (const [bytes, spec, reason, counters] of cases) {
    using end = makeEnd("udp4", 0, spec);
    arrive(end.datapath, end.socket, "udp4", [hex(bytes)], { from: addresses("udp4")[1] });
    run(end.datapath);
    assert.deepEqual(moved(end.datapath.drops()), { [reason]: 1 }, bytes);
    assert.deepEqual(moved(end.datapath.sessionCounters(end.session)), counters, bytes);
  }
});

Deno.test("a datagram that the kernel cut is dropped", () => {
  using end = makeEnd("udp4", 0);
  const [, from] = addresses("udp4");
  for (const flags of [0x20, 0x08]) {
    arrive(end.datapath, end.socket, "udp4", [hex("0003 0000 0000000b")], { from, flags });
    run(end.datapath);
  }
  assert.deepEqual(moved(end.datapath.drops()), { truncated: 2 });
});

Deno.test("sourceCheck refuses what does not come from the peer", () => {
  const data = concat(hex("0003 0000 0000000b"), ethernet(60));
  const stranger = hex("0a4d0009");
  for (
    const [sourceCheck, sameAddress, otherAddress] of [
      ["none", 1, 1],
      ["address", 1, 0],
      ["endpoint", 0, 0],
    ] as const
  ) {
    using end = makeEnd("udp4", 0, {}, { sourceCheck });
    const { datapath, socket } = end;
    arrive(datapath, socket, "udp4", [data], { from: addresses("udp4")[1], port: 9 });
    run(datapath);
    assert.equal(drainFrames(end).length, sameAddress, sourceCheck);
    arrive(datapath, socket, "udp4", [data], { from: stranger });
    run(datapath);
    assert.equal(drainFrames(end).length, otherAddress, sourceCheck);
    assert.equal(datapath.drops()["wrong-source"], 2 - sameAddress - otherAddress);
  }
});

Deno.test("messageDropped() and writeDropped() count by reason and take back what was counted", () => {
  using end = makeEnd("udp4", 0);
  const { datapath, session, host, socket } = end;
  const reasons = ["socket-full", "no-route", "too-long", "transmit-failed"];
  for (const reason of reasons) {
    datapath.inject(host, ethernet(60), 0);
    run(datapath, () => reason);
    assert.equal(datapath.drops()[reason], 1);
  }
  assert.deepEqual(moved(datapath.sessionCounters(session)), { "tx-errors": 4 });
  assert.deepEqual(moved(datapath.io()), { injected: 4 });

  const device = datapath.addDevice(99, "ethernet");
  datapath.disconnect(session);
  datapath.crossConnect(session, device);
  for (const reason of ["device-down", "device-gone", "device-full", "device-refused"]) {
    const data = concat(hex("0003 0000 0000000b"), ethernet(60));
    arrive(datapath, socket, "udp4", [data], { from: addresses("udp4")[1] });
    assert.equal(datapath.pump(), 1);
    assert.throws(() => datapath.writeDropped(0, "no-such-reason"), refusal("invalid"));
    datapath.writeDropped(0, reason);
    assert.equal(datapath.pump(), 0);
    assert.equal(datapath.drops()[reason], 1);
  }
  assert.equal(datapath.io()["tx-frames"], 0);
});

Deno.test("a frame with no forwarder is dropped as such", () => {
  using end = makeEnd("udp4", 0);
  end.datapath.disconnect(end.session);
  end.datapath.inject(end.host, ethernet(60), 0);
  arrive(end.datapath, end.socket, "udp4", [concat(hex("0003 0000 0000000b"), ethernet(60))], {
    from: addresses("udp4")[1],
  });
  run(end.datapath);
  assert.deepEqual(moved(end.datapath.drops()), { "no-forwarder": 2 });
});

Deno.test("queues to and from TypeScript are bounded, and full ones counted", () => {
  const datapath = new WasmDatapath({ puntBytes: 10_000 });
  const [a, b] = [datapath.addHostPort("ethernet"), datapath.addHostPort("ethernet")];
  datapath.crossConnect(a, b);
  let injected = 0;
  while (datapath.inject(a, ethernet(1000), 0)) injected++;
  assert(injected > 100 && injected < 2000);
  run(datapath);
  const drained = datapath.drainPunts(() => {});
  assert(drained > 2 && drained < 10);
  assert.equal(datapath.drops()["host-queue-full"], 1 + injected - drained);

  const socket = datapath.addSocket(1, "udp4");
  let sent = 0;
  while (
    datapath.sendControl(socket, { address: hex("0a000001"), port: 1 }, undefined, ethernet(1000))
  ) sent++;
  assert.equal(run(datapath).sent.length, sent);
  assert.equal(datapath.drops()["control-queue-full"], 1);
  datapath.free();
});

Deno.test("any bytes at all are counted and break nothing", () => {
  using end = makeEnd("udp4", 0, {
    peerCookie: hex("01020304"),
    l2spec: "default",
    reorderTimeoutMs: 5,
  });
  const { datapath, socket } = end;
  const [, from] = addresses("udp4");
  const valid = concat(hex("0003 0000 0000000b 01020304 40000000"), ethernet(60));
  const mutated = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 3 }).map(
    (changes) => {
      const bytes = valid.slice();
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    },
  );
  const datagram = fc.oneof(mutated, fc.uint8Array({ maxLength: 80 }));
  const options = fc.record({
    gro: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
  }, { requiredKeys: [] });
  let given = 0;
  fc.assert(fc.property(fc.array(datagram, { maxLength: 64 }), options, (datagrams, { gro }) => {
    const total = datagrams.reduce((sum, bytes) => sum + bytes.length, 0);
    given += gro === undefined ? datagrams.length : Math.max(1, Math.ceil(total / gro));
    arrive(datapath, socket, "udp4", datagrams, { from, ...(gro === undefined ? {} : { gro }) });
    run(datapath);
    datapath.drainPunts(() => {});
    datapath.age(1e6);
    run(datapath);
    datapath.drainPunts(() => {});
    const dropped = Object.values(datapath.drops()).reduce((sum, count) => sum + count);
    const { "rx-datagrams": received, "punted-control": control, "punted-frames": frames } =
      datapath.io();
    assert.equal(received, given);
    assert.equal(given, dropped + control! + frames!);
  }));
});
