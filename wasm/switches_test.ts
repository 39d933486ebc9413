import assert from "node:assert/strict";
import { run } from "./testing_kernel.ts";
import { refusal } from "./testing_ends.ts";
import { type ForwarderIx, type PortIx, WasmDatapath } from "./mod.ts";

/** A switch with devices `p1`, `p2` … whose descriptors are 1, 2 …; they are told by these. */
function bench(...ports: object[]) {
  const datapath = new WasmDatapath();
  const door = datapath.forwarders.switch;
  const lan = door.add([], {});
  const devices = ports.map((options, at) => {
    const device = datapath.addDevice(at + 1, "ethernet");
    door.join(lan, device, { name: `p${at + 1}`, ...options });
    return device;
  });
  return { datapath, door, lan, devices, [Symbol.dispose]: () => datapath.free() };
}

/** Reads a frame from a device. Gives who gets it, and the octets behind its addresses. */
function through(datapath: WasmDatapath, device: PortIx, to: number, from: number, tag = "") {
  const { memory, layout } = datapath;
  const frame = Uint8Array.fromHex(
    `${mac(to)}${mac(from)}`.replaceAll(":", "") + tag + "88b5".padEnd(96, "0"),
  );
  new Uint8Array(memory.buffer, layout.rxSlots[0], frame.length).set(frame);
  new DataView(memory.buffer).setInt32(layout.rxLengths, frame.length, true);
  datapath.receiveFrames(device, 1, performance.now());
  return Object.fromEntries(
    run(datapath).written.map(({ fd, frame }) => [`p${fd}`, frame.slice(12, -48).toHex()]),
  );
}

const mac = (last: number) =>
  last === 255 ? "ff:ff:ff:ff:ff:ff" : `02:00:00:00:00:${last.toString(16).padStart(2, "0")}`;

interface Entry {
  readonly port: string;
  readonly vlan: number;
  readonly mac: string;
  readonly age?: number;
}

/** The whole table, ages left out but for whether there is one. */
function table({ door, lan }: { door: WasmDatapath["forwarders"]["switch"]; lan: ForwarderIx }) {
  const rows: unknown[] = [];
  for (let from: number | undefined = 0; from !== undefined;) {
    const slice = door.ask(lan, "fdb", { from }) as { entries: Entry[]; next?: number };
    rows.push(
      ...slice.entries.map(({ age, ...row }) => [row.port, row.vlan, row.mac, age !== undefined]),
    );
    from = slice.next;
  }
  return rows.sort();
}

Deno.test("a switch learns by VLAN, tells its table, and takes an operator's entries", () => {
  using world = bench({ tag: 5 }, { tag: 5 }, { trunks: [5, 6] }, { tag: 6 });
  const { datapath, devices, door, lan } = world;
  assert.deepEqual(through(datapath, devices[0]!, 255, 1), { p2: "", p3: "81000005" });
  assert.deepEqual(through(datapath, devices[2]!, 1, 3, "8100a005"), { p1: "" });
  door.ask(lan, "fdb-add", { port: "p4", vlan: 6, mac: mac(4) });
  assert.deepEqual(through(datapath, devices[2]!, 4, 3, "81000006"), { p4: "" });
  assert.deepEqual(table(world), [
    ["p1", 5, mac(1), true],
    ["p3", 5, mac(3), true],
    ["p3", 6, mac(3), true],
    ["p4", 6, mac(4), false],
  ]);
  door.ask(lan, "fdb-flush", { port: "p3" });
  assert.deepEqual(table(world), [["p1", 5, mac(1), true], ["p4", 6, mac(4), false]]);
  door.ask(lan, "fdb-del", { port: "p4", vlan: 6, mac: mac(4) });
  assert.throws(
    () => door.ask(lan, "fdb-del", { port: "p4", vlan: 6, mac: mac(4) }),
    refusal("invalid"),
  );
  assert.throws(
    () => door.ask(lan, "fdb-add", { port: "p9", vlan: 6, mac: mac(4) }),
    refusal("no-such-port"),
  );
  door.ask(lan, "fdb-flush", {});
  assert.deepEqual(table(world), []);
});

Deno.test("a switch tells what happened, and what it counted at its ports", () => {
  using world = bench({ protected: true }, { protected: true }, { mtu: 1446 });
  const { datapath, devices, door, lan } = world;
  through(datapath, devices[0]!, 255, 1);
  through(datapath, devices[2]!, 255, 1);
  const told = () => door.events().map(({ what, detail }) => ({ what, ...detail }));
  assert.deepEqual(told(), [
    { what: "learnt", port: "p1", vlan: 0, mac: mac(1) },
    { what: "moved", port: "p3", other: "p1", vlan: 0, mac: mac(1) },
  ]);
  through(datapath, devices[2]!, 255, 2);
  assert.deepEqual(told(), [], "a few times a second at most");
  const { stations, mtu, ports } = door.ask(lan, "figures", {}) as {
    stations: number;
    mtu: number;
    ports: { name: string; stations: number; counters: Record<string, number> }[];
  };
  assert.deepEqual([stations, mtu], [2, 1446]);
  assert.deepEqual(ports.map(({ name, stations }) => [name, stations]), [
    ["p1", 0],
    ["p2", 0],
    ["p3", 2],
  ]);
  assert.equal(ports[1]!.counters["tx-protected"], 1);
  assert.equal(ports[2]!.counters["rx-frames"], 2);
});

Deno.test("ports leave and join by name, and patches join switches", () => {
  using world = bench({}, {});
  const { datapath, devices, door, lan } = world;
  const third = datapath.addDevice(3, "ethernet");
  assert.throws(() => door.join(lan, third, { name: "p1" }), refusal("port-joined"));
  datapath.disconnect(devices[0]!);
  door.join(lan, third, { name: "p1" });
  assert.deepEqual(through(datapath, devices[1]!, 255, 1), { p3: "" });
  const other = door.add([], {});
  const [a, b] = datapath.addPatch();
  door.join(lan, a, { name: "patch" });
  door.join(other, b, { name: "patch", tag: 9 });
  door.join(other, devices[0]!, { name: "far" });
  assert.deepEqual(through(datapath, devices[1]!, 255, 1), { p1: "81000009", p3: "" });
  datapath.translate(devices[0]!, { pop: [77], push: [9] });
  assert.deepEqual(through(datapath, devices[1]!, 255, 1), { p1: "8100004d", p3: "" });
  door.remove(other);
  assert.deepEqual(through(datapath, devices[1]!, 255, 1), { p3: "" });
  assert.throws(() => door.ask(other, "figures", {}), refusal("no-such-switch"));
  for (
    const wrong of [{ tag: 4096 }, { trunks: [1.5] }, { cvlans: [-1] }, { vlanLimit: 9 }]
  ) {
    assert.throws(() => door.changeMember(lan, third, { name: "p1", ...wrong }), {
      code: "invalid",
    });
  }
});

Deno.test("a session of one VLAN rewrites its id, and takes nothing else", () => {
  using datapath = Object.assign(new WasmDatapath(), {
    [Symbol.dispose]: () => {},
  });
  const socket = datapath.addSocket(7, "udp4");
  const tunnel = datapath.addTunnel({
    version: 3,
    encap: "udp",
    tunnelId: 1,
    peerTunnelId: 1,
    socket,
    remote: { address: Uint8Array.of(10, 0, 0, 1), port: 1701 },
    sourceCheck: "none",
    segment: false,
  });
  const session = datapath.addSession(tunnel, {
    sessionId: 1,
    peerSessionId: 2,
    frameType: "ethernet",
    l2spec: "none",
    cookie: new Uint8Array(),
    peerCookie: new Uint8Array(),
    sendSeq: false,
    recvSeq: false,
    lnsMode: true,
    reorderTimeoutMs: 0,
    restartAfterMs: 1000,
    restartRun: 3,
    vlan: 10,
  });
  const device = datapath.addDevice(1, "ethernet");
  datapath.crossConnect(session, device);
  const sent = (tag: string) => {
    const { memory, layout } = datapath;
    const frame = Uint8Array.fromHex(
      "ff".repeat(6) + "020000000001" + tag + "88b5".padEnd(96, "0"),
    );
    new Uint8Array(memory.buffer, layout.rxSlots[0], frame.length).set(frame);
    new DataView(memory.buffer).setInt32(layout.rxLengths, frame.length, true);
    datapath.receiveFrames(device, 1, 0);
    return run(datapath).sent.flatMap(({ datagrams }) =>
      datagrams.map((bytes) => bytes.slice(20, 24).toHex())
    );
  };
  assert.deepEqual(sent("8100e00a"), ["8100e00a"]);
  assert.deepEqual(sent("8100e00b"), []);
  assert.deepEqual(sent(""), []);
  assert.equal(datapath.drops()["vlan-foreign"], 2);
  datapath.changeSession(session, { vlan: "any" });
  assert.deepEqual(sent("8100e00b"), ["8100e00b"]);
  datapath.free();
});
