import assert from "node:assert/strict";
import { sessionCounters, type TunnelIx, type TunnelSpec, WasmDatapath } from "./mod.ts";
import { arrive, concat, hex, run } from "./testing_kernel.ts";
import {
  addresses,
  cross,
  drainFrames,
  ethernet,
  makeEnd,
  moved,
  refusal,
  sessionSpec,
  tunnelSpec,
} from "./testing_ends.ts";

Deno.test("changeSession() changes what is given and nothing else", () => {
  using a = makeEnd("udp4", 0, { l2spec: "default", sendSeq: true, cookie: hex("01020304") });
  a.datapath.changeSession(a.session, { cookie: hex("05060708") });
  a.datapath.inject(a.host, ethernet(14), 0);
  const header = run(a.datapath).sent[0]!.datagrams[0]!.slice(0, 16).toHex();
  assert.equal(header, "00030000" + "0000000c" + "05060708" + "40000000");
  assert.throws(
    () => a.datapath.changeSession(a.session, { cookie: hex("0506") }),
    refusal("invalid"),
  );
});

Deno.test("changeTunnel() sends to another peer and leaves ids alone", () => {
  using end = makeEnd("udp4", 0);
  const spec = tunnelSpec("udp4", end.socket, 0, {
    remote: { address: hex("0a4d0009"), port: 1702 },
  });
  end.datapath.changeTunnel(end.tunnel, spec);
  end.datapath.inject(end.host, ethernet(14), 0);
  assert.equal(run(end.datapath).sent[0]!.name.toHex().slice(0, 16), "020006a6" + "0a4d0009");
  assert.throws(
    () => end.datapath.changeTunnel(end.tunnel, { ...spec, tunnelId: 5 }),
    refusal("invalid"),
  );
});

Deno.test("what cannot be is refused and changes nothing", () => {
  using end = makeEnd("udp4", 0);
  const { datapath, socket, tunnel, session, host } = end;
  const refused = (code: string, call: () => unknown) => assert.throws(call, refusal(code), code);
  refused("tunnel-exists", () => datapath.addTunnel(tunnelSpec("udp4", socket, 0)));
  refused("session-exists", () => datapath.addSession(tunnel, sessionSpec()));
  refused("tunnel-busy", () => datapath.removeTunnel(tunnel));
  refused("socket-busy", () => datapath.removeSocket(socket));
  refused("port-joined", () => datapath.crossConnect(session, host));
  const other = (spec: Partial<TunnelSpec>) => () =>
    datapath.addTunnel(tunnelSpec("udp4", socket, 0, { tunnelId: 9, ...spec }));
  refused("invalid", other({ encap: "ip" }));
  refused("invalid", other({ tunnelId: 0 }));
  refused("invalid", other({ version: 2, tunnelId: 0x10000 }));
  refused("invalid", other({ tunnelId: 2 ** 32 + 9 }));
  refused("invalid", other({ remote: { address: hex("00"), port: 1 } }));
  refused("invalid", other({ remote: { address: addresses("udp6")[0], port: 1 } }));
  refused(
    "invalid",
    () => datapath.addSession(tunnel, sessionSpec({ sessionId: 5, cookie: hex("00") })),
  );
  const ppp = datapath.addHostPort("ppp");
  refused("invalid", () => datapath.crossConnect(ppp, ppp));
  datapath.disconnect(session);
  refused("frame-type-mismatch", () => datapath.crossConnect(session, ppp));
  refused("no-such-port", () => datapath.inject(session, ethernet(14), 0));
  refused("no-such-port", () => datapath.receiveFrames(session, 0, 0));
  refused("invalid", () => datapath.receiveDatagrams(socket, 65, 0));
  assert.deepEqual(moved(datapath.drops()), {});
});

Deno.test("stale handles are refused", () => {
  using end = makeEnd("udp4", 0);
  const { datapath, socket, tunnel, session, host } = end;
  datapath.removePort(session);
  datapath.removePort(host);
  datapath.removeTunnel(tunnel);
  datapath.removeSocket(socket);
  const again = datapath.addSocket(1, "udp4");
  assert.notEqual(again, socket);
  const newTunnel = datapath.addTunnel(tunnelSpec("udp4", again, 0));
  const newSession = datapath.addSession(newTunnel, sessionSpec());
  assert.throws(() => datapath.removePort(session), refusal("no-such-port"));
  assert.throws(() => datapath.sessionCounters(session), refusal("no-such-port"));
  assert.throws(() => datapath.crossConnect(newSession, host), refusal("no-such-port"));
  assert.throws(() => datapath.addSession(tunnel, sessionSpec()), refusal("no-such-tunnel"));
  assert.throws(() => datapath.receiveDatagrams(socket, 1, 0), refusal("no-such-socket"));
  assert.throws(
    () => datapath.removeTunnel(newSession as number as TunnelIx),
    refusal("no-such-tunnel"),
  );
});

Deno.test("limits are kept", () => {
  const datapath = new WasmDatapath({ maxSessions: 2 });
  const socket = datapath.addSocket(1, "udp4");
  const tunnel = datapath.addTunnel(tunnelSpec("udp4", socket, 0));
  for (const sessionId of [1, 2]) datapath.addSession(tunnel, sessionSpec({ sessionId }));
  assert.throws(() => datapath.addSession(tunnel, sessionSpec({ sessionId: 3 })), refusal("limit"));
  datapath.free();
});

Deno.test("nextDeadline() and age() release what waits", () => {
  using end = makeEnd("udp4", 0, { l2spec: "default", reorderTimeoutMs: 20 });
  const { datapath, socket } = end;
  const [, from] = addresses("udp4");
  const numbered = (ns: number) =>
    concat(hex("0003 0000 0000000b"), Uint8Array.of(0x40, 0, 0, ns), ethernet(14, ns));
  assert.equal(datapath.nextDeadline(), undefined);
  arrive(datapath, socket, "udp4", [numbered(0), numbered(2)], { from }, 100.5);
  run(datapath);
  assert.equal(drainFrames(end).length, 1);
  assert.equal(datapath.nextDeadline(), 120.5);
  datapath.age(120.4);
  run(datapath);
  assert.equal(drainFrames(end).length, 0);
  datapath.age(120.5);
  run(datapath);
  assert.deepEqual(drainFrames(end), [ethernet(14, 2)]);
  assert.equal(datapath.nextDeadline(), undefined);
});

Deno.test("counters() has what is asked for and is there, in that order", () => {
  using a = makeEnd("udp4", 0);
  using b = makeEnd("udp4", 1);
  const { datapath, session, tunnel } = a;
  assert.deepEqual(datapath.lastHeard(Float64Array.of(tunnel, 5)), Float64Array.of(NaN, NaN));
  cross(b, a, [ethernet(60)]);
  const counted = Object.values(datapath.sessionCounters(session));
  assert.deepEqual(Object.keys(datapath.sessionCounters(session)), [...sessionCounters]);
  assert.deepEqual(datapath.counters([tunnel, 5 as TunnelIx, a.host, session]), {
    handles: Float64Array.of(tunnel, session),
    values: Float64Array.from([...counted, ...counted]),
  });
  assert.deepEqual(datapath.lastHeard(Float64Array.of(session, tunnel)), Float64Array.of(NaN, 0));
  datapath.removePort(session);
  assert.deepEqual(datapath.counters([session, tunnel]), {
    handles: Float64Array.of(tunnel),
    values: Float64Array.from(counted),
  }, "what removed sessions had counted stays");
});

Deno.test("sessionSlice() and tunnelSlice() have everything once, a few at a time", () => {
  using a = makeEnd("udp4", 0);
  const { datapath, tunnel } = a;
  const sessions = Array.from(
    { length: 20 },
    (_, i) => datapath.addSession(tunnel, sessionSpec({ sessionId: 100 + i })),
  );
  for (const gone of sessions.splice(3, 9)) datapath.removePort(gone);
  sessions.unshift(a.session);
  const found: number[] = [];
  let slices = 0;
  for (let from: number | undefined = 0; from !== undefined; slices++) {
    const { handles, values, next } = datapath.sessionSlice(from, 4);
    assert.ok(handles.length <= 4);
    assert.equal(values.length, handles.length * sessionCounters.length);
    found.push(...handles);
    from = next;
  }
  assert.deepEqual([slices, found], [6, sessions]);
  const { handles, next } = datapath.tunnelSlice(0, 1);
  assert.deepEqual([[...handles], next], [[tunnel], undefined]);
  assert.deepEqual([...datapath.sessionSlice(2 ** 32 - 1, 5).handles], []);
});

Deno.test("setBase() moves every pointer", () => {
  using end = makeEnd("udp4", 0);
  const { datapath } = end;
  const base = 0x7f12_3456_0000n;
  datapath.setBase(base);
  datapath.inject(end.host, ethernet(60), 0);
  assert.equal(datapath.pump(), 1);
  const view = new DataView(datapath.memory.buffer);
  const { rxMessages, rxSlots, txMessages, txIovecs } = datapath.layout;
  for (const message of [rxMessages, rxMessages + 63 * 64, txMessages]) {
    for (const field of [0, 16, 32]) {
      const pointer = view.getBigUint64(message + field, true);
      assert(pointer > base && pointer < base + BigInt(datapath.memory.buffer.byteLength));
    }
  }
  assert.equal(view.getBigUint64(txMessages + 16, true), base + BigInt(txIovecs));
  const slot = view.getBigUint64(
    Number(view.getBigUint64(rxMessages + 64 + 16, true) - base),
    true,
  );
  assert.equal(slot, base + BigInt(rxSlots[1]!));
});

Deno.test("every worker has a memory of its own", async () => {
  const source = `
    import { WasmDatapath } from ${JSON.stringify(new URL("./mod.ts", import.meta.url).href)};
    const datapath = new WasmDatapath();
    self.onmessage = ({ data }) => {
      const bytes = new Uint8Array(datapath.memory.buffer);
      if (typeof data === "number") bytes[datapath.layout.scratch] = data;
      self.postMessage(bytes[datapath.layout.scratch]);
    };`;
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  const workers = [1, 2].map(() => new Worker(url, { type: "module" }));
  const ask = (worker: Worker, value?: number) =>
    new Promise<number>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = reject;
      worker.postMessage(value);
    });
  try {
    assert.equal(await ask(workers[0]!, 77), 77);
    assert.equal(await ask(workers[1]!), 0);
    assert.equal(await ask(workers[0]!), 77);
  } finally {
    for (const worker of workers) worker.terminate();
  }
});
