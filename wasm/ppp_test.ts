import assert from "node:assert/strict";
import { familyCounters, type ForwarderIx, type MemberOptions, type PortIx } from "./mod.ts";
import {
  addresses,
  drainFrames,
  type End,
  makeEnd,
  moved,
  refusal,
  sessionSpec,
  tunnelSpec,
} from "./testing_ends.ts";
import { arrive, concat, hex, run } from "./testing_kernel.ts";

/** UDP from 10.9.0.7 to 198.51.100.1, and the way back; 4 octets of data. */
const up = hex("45000020 00010000 4011 48ce 0a090007 c6336401 0035 0035 000c 0000 01020304");
const down = hex("45000020 00010000 4011 48ce c6336401 0a090007 0035 0035 000c 0000 01020304");

const plain: MemberOptions = { addresses: ["10.9.0.7"], mru: 1500 };

interface Member extends End {
  readonly tun: PortIx;
  readonly termination: ForwarderIx;
  change(options: MemberOptions): void;
}

/** An end of an L2TPv3 tunnel whose PPP session is in a termination, with a receiver. */
function member(options: MemberOptions = plain): Member {
  const end = makeEnd("udp4", 1, { frameType: "ppp" });
  const { datapath, session, host } = end;
  datapath.disconnect(session);
  datapath.setReceiver(session, host);
  const tun = datapath.addDevice(9, "ip");
  const { ppp } = datapath.forwarders;
  const termination = ppp.add([tun], {});
  ppp.join(termination, session, options);
  const change = (changed: MemberOptions) => ppp.changeMember(termination, session, changed);
  return { ...end, tun, termination, change };
}

/** What leaves when a frame comes from the session's peer. */
function fromPeer({ datapath, kind, socket }: End, frame: Uint8Array) {
  const [from, to] = addresses(kind);
  arrive(datapath, socket, kind, [concat(hex("00030000 0000000c"), frame)], { from, to });
  return run(datapath);
}

function fromTun({ datapath, tun }: Member, packet: Uint8Array, now = 0) {
  const { memory, layout } = datapath;
  new Uint8Array(memory.buffer).set(packet, layout.rxSlots[0]!);
  new Int32Array(memory.buffer, layout.rxLengths, 1)[0] = packet.length;
  datapath.receiveFrames(tun, 1, now);
  return run(datapath).sent.flatMap(({ datagrams }) => datagrams.map((each) => each.slice(8)));
}

Deno.test("packets pass between a TUN and a PPP session, counted by family", () => {
  using end = member();
  for (const header of ["ff030021", "ff0321", "0021", "21"]) {
    assert.deepEqual(fromPeer(end, concat(hex(header), up)).written, [{ fd: 9, frame: up }]);
  }
  assert.deepEqual(fromTun(end, down), [concat(hex("ff030021"), down)]);
  end.change({ ...plain, addressControl: false, compressProtocol: true });
  assert.deepEqual(fromTun(end, down), [concat(hex("21"), down)]);
  assert.deepEqual(
    Object.values(end.datapath.familyCounters(end.session)!),
    [4, 128, 2, 64, 0, 0, 0, 0],
  );
  assert.deepEqual(Object.keys(end.datapath.familyCounters(end.session)!), [...familyCounters]);
  assert.equal(end.datapath.familyCounters(end.tun), undefined);
  end.datapath.disconnect(end.session);
  assert.equal(end.datapath.familyCounters(end.session)!["rx-ipv4-packets"], 4);
});

Deno.test("what is neither IPv4 nor IPv6 comes to the receiver, and goes from it", () => {
  using end = member({ ...plain, mru: 1000 });
  const echo = hex("ff03c021 0901 0008 00000001");
  fromPeer(end, echo);
  assert.deepEqual(drainFrames(end), [echo]);
  end.datapath.inject(end.host, echo, 0);
  assert.deepEqual(run(end.datapath).sent[0]!.datagrams[0]!.slice(8), echo);
  // A family without an address is dropped, and what is larger than the MRU.
  fromPeer(end, hex("57 6000000000003b40"));
  const large = hex("450005dc 0001 4000 4011 0000 c6336401 0a090007");
  fromTun(end, concat(large, new Uint8Array(1480)));
  assert.deepEqual(moved(end.datapath.drops()), { "ppp-not-open": 1, "packet-too-big": 1 });
  end.datapath.disconnect(end.session);
  fromPeer(end, echo);
  assert.deepEqual(drainFrames(end), [echo]);
});

Deno.test("networks, interface identifiers and marks arrive as they were given", () => {
  using end = member({
    addresses: ["fe80::200:0:0:a"],
    prefixes: ["2001:db8:0:1::/64", "10.0.0.0/8"],
    mru: 1500,
    dscp: 46,
  });
  const to = hex("20010db8000900000000000000000001");
  const from = hex("20010db8000000010000000000000005");
  const packet = concat(hex("60000000 0000 3b40"), from, to);
  const marked = packet.slice();
  marked.set(hex("6b80"));
  assert.deepEqual(fromPeer(end, concat(hex("57"), packet)).written, [{ fd: 9, frame: marked }]);
  assert.equal(fromPeer(end, concat(hex("21"), up)).written.length, 1);
  for (const [interfaceId, punted] of [["020000000000000a", 1], ["020000000000000b", 0]] as const) {
    const solicit = concat(
      hex("57 60000000 0008 3aff fe80000000000000"),
      hex(interfaceId),
      hex("ff020000000000000000000000000002 85000000 00000000"),
    );
    fromPeer(end, solicit);
    assert.equal(drainFrames(end).length, punted);
  }
});

Deno.test("what of a member is over is told once", () => {
  using end = member({
    ...plain,
    idleTimeoutMs: 5000,
    sessionTimeoutMs: 60_000,
    quotaBytes: 100n,
  });
  const { datapath, session, termination } = end;
  const told = (now: number) => {
    datapath.age(now);
    return datapath.forwarders.ppp.events().map(({ forwarder, port, what, detail }) => {
      assert.deepEqual([forwarder, port, what], [termination, session, "expired"]);
      return (detail as { what: string }).what;
    });
  };
  assert.deepEqual([datapath.nextDeadline(), told(4999)], [5000, []]);
  for (let i = 0; i < 4; i++) fromTun(end, down, 4999);
  assert.deepEqual(
    [told(5000), told(9999), told(59_999), told(60_000)],
    [["quota"], ["idle"], [], ["session"]],
  );
});

Deno.test("what cannot be a member is refused, and changes nothing", () => {
  using end = member();
  for (
    const options of [
      { mru: 67 },
      { mru: -1 },
      { dscp: 64 },
      { addresses: ["10.9.0"] },
      { addresses: ["fe80::1%eth0"] },
      { addresses: ["fe80::1", "fe80::2"] },
      { prefixes: ["10.0.0.0"] },
      { prefixes: ["10.0.0.0/33"] },
      { prefixes: ["10.0.0.0/8/9"] },
      { prefixes: ["10.9.0.7/32"] }, // it has that already
      { idleTimeoutMs: -5 },
    ]
  ) {
    assert.throws(() => end.change({ ...plain, ...options }), refusal("invalid"), `${options}`);
  }
  const { ppp } = end.datapath.forwarders;
  assert.throws(() => ppp.add([end.tun], {}), refusal("port-joined"));
  assert.throws(() => ppp.add([], {}), refusal("invalid"));
  assert.throws(() => ppp.ask(end.termination, "why", {}), refusal("invalid"));
  assert.deepEqual(fromPeer(end, concat(hex("21"), up)).written.length, 1);
  end.change({ ...plain, mru: 100_000, idleTimeoutMs: 1e12 });
  assert.equal(end.datapath.nextDeadline(), undefined);
  ppp.remove(end.termination);
  assert.equal(fromTun(end, down).length, 0);
});

Deno.test("more sessions than v2's ids allow in one tunnel have a receiver and addresses each", () => {
  using end = member();
  const { datapath, socket, termination } = end;
  const { ppp } = datapath.forwarders;
  const count = 70_000;
  let tunnel;
  for (let i = 0; i < count; i++) {
    const id = i % 40_000 + 1;
    if (id === 1) {
      const ids = { tunnelId: 10 + i, peerTunnelId: 10 + i };
      tunnel = datapath.addTunnel(tunnelSpec("udp4", socket, 1, { ...ids, version: 2 }));
    }
    const spec = sessionSpec({ sessionId: id, peerSessionId: id, frameType: "ppp" });
    const session = datapath.addSession(tunnel!, spec);
    datapath.setReceiver(session, datapath.addHostPort("ppp"));
    const address = `10.64.${i >> 8 & 255}.${i & 255}`;
    const prefixes = [`2001:db8:${(i & 0xffff).toString(16)}:${(i >> 16).toString(16)}00::/56`];
    if (i < 65_536) ppp.join(termination, session, { addresses: [address], prefixes, mru: 1492 });
    else ppp.join(termination, session, { addresses: [], prefixes, mru: 1492 });
  }
  const last = hex(
    "60000000 0000 3b40 20010db8000900000000000000000001 20010db8ffff00000000000000000001",
  );
  assert.equal(fromTun(end, last).length, 1);
});
