import assert from "node:assert/strict";
import { startPlugins, WHY } from "../testing/bench.ts";
import { testPlugin } from "../testing/contract.ts";
import { makeSession, TEST_FRAME_MTU } from "../testing/session.ts";
import { settle } from "../testing/world.ts";
import { vswitch } from "./mod.ts";
import type { CircuitOptions, Section } from "./options.ts";

const lan: Section = { lan: { ports: { office0: { tap: "office0", tag: 10 } } } };

testPlugin({
  plugin: vswitch,
  options: { switch: "lan", tag: 10 },
  changed: { switch: "lan", trunks: [10, 20] },
  portOptions: { tag: 20 },
  section: { lan: {} },
  changedSection: { lan: { "mac-aging-time": 60, ports: { office1: { tap: "office1" } } } },
  words: {
    "add-fdb": { switch: "lan", port: "office0", mac: "02:00:00:00:00:01" },
    "del-fdb": { switch: "lan", mac: "02:00:00:00:00:01" },
    "flush-fdb": { switch: "lan" },
  },
});

/** Switches of a section, and sessions that attach to a circuit. */
async function bench(section: Section, options: CircuitOptions, types: readonly number[] = [5, 5]) {
  const { host, world } = await startPlugins([vswitch], { switch: section });
  const circuit = host.circuit("switch", "circuit", options);
  await circuit.first;
  await settle();
  const sessions = types.map((pseudowireType, at) =>
    makeSession(world, host, {
      name: `t/${at}`,
      pseudowireType,
      said: { remoteEndId: new TextEncoder().encode(`blue${at}`) },
    })
  );
  const members = () => [...world.forwarders.values()].flatMap(({ members }) => [...members]);
  const named = () => members().map(([, options]) => options as { name: string });
  return { host, world, circuit, sessions, named };
}

Deno.test("a session is a port of its switch, and what it says itself counts most", async () => {
  const { circuit, host, named, sessions: [first, second], world } = await bench(lan, {
    switch: "lan",
    tag: 10,
    protected: true,
  });
  await first!.attach(circuit);
  await second!.attach(circuit, { tag: 20 });
  const mtu = TEST_FRAME_MTU - 14;
  assert.deepEqual(named(), [
    { name: "office0", tag: 10 },
    { name: "t/0", tag: 10, protected: true, mtu },
    { name: "t/1", tag: 20, protected: true, mtu },
  ]);
  await second!.set({ frameMtu: 1014 });
  assert.equal((named()[2] as unknown as { mtu: number }).mtu, 1000);
  const tap = [...world.ports.values()].find((port) => port.tap)!;
  assert.equal(tap.tap!.options.mtu, 1000, "devices of no MTU of their own have the least");
  await second!.end();
  assert.equal(tap.tap!.options.mtu, mtu);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("Remote End ID and Host Name choose the switch and the VLAN", async () => {
  const section = { lan: {}, blue: {} };
  const { circuit, host, sessions: [first, second], world } = await bench(section, {
    switch: "lan",
    choose: [
      { "remote-end-id": "blue1", switch: "blue", tag: 7 },
      { "host-name": "nobody*", switch: "blue" },
    ],
  });
  await first!.attach(circuit);
  await second!.attach(circuit);
  const [toLan, toBlue] = [...world.forwarders.values()]
    .map(({ members }) => [...members.values()] as { name: string; tag?: number }[]);
  assert.deepEqual(toLan!.map(({ name, tag }) => [name, tag]), [["t/0", undefined]]);
  assert.deepEqual(toBlue!.map(({ name, tag }) => [name, tag]), [["t/1", 7]]);
  await host.end(WHY);
});

Deno.test("a reload changes switches and ports in place, and ends what is gone", async () => {
  const { circuit, host, named, sessions: [first], world } = await bench(lan, { switch: "lan" });
  await first!.attach(circuit);
  const { trace } = world;
  trace.length = 0;
  await host.reconfigure("switch", {
    lan: { "mac-aging-time": 5, ports: { office0: { tap: "office0", trunks: [1] } } },
  });
  assert.deepEqual(trace, [], "nothing was opened, joined or parted");
  assert.deepEqual([...world.forwarders.values()][0]!.options, { macAgingTime: 5 });
  assert.deepEqual(named().map(({ name }) => name), ["office0", "t/0"]);
  assert.deepEqual(named()[0], { name: "office0", trunks: [1] });
  await host.reconfigure("switch", { lan: { ports: { office1: { tap: "office1" } } } });
  await settle();
  assert.deepEqual(named().map(({ name }) => name).sort(), ["office1", "t/0"]);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("patches join ports that name each other", async () => {
  const section: Section = {
    a: { ports: { up: { patch: "b/down", tag: 5 } } },
    b: { ports: { down: { patch: "a/up" } } },
  };
  assert.deepEqual(vswitch.check!(section, [], { circuits: [], peers: [] }), []);
  assert.equal(
    vswitch.check!({ ...section, b: {} }, [], { circuits: [], peers: [] })[0],
    "port a/up is patched to b/down, which is not patched to it",
  );
  const { host, named, world } = await bench(section, { switch: "a" });
  await settle();
  assert.deepEqual(named(), [{ name: "up", tag: 5 }, { name: "down" }]);
  await host.reconfigure("switch", { a: {}, b: {} });
  assert.deepEqual(named(), []);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a session that is down is a port that is down; a call carries frames before it says so", async () => {
  const { circuit, host, sessions: [first], named, world } = await bench(lan, { switch: "lan" });
  const down = () => named().map((each) => (each as { down?: boolean }).down ?? false);
  await first!.attach(circuit);
  assert.deepEqual(down(), [false, false]);
  await first!.set({ up: false });
  assert.deepEqual(down(), [false, true]);
  await first!.set({ up: true });
  assert.deepEqual(down(), [false, false]);
  const call = makeSession(world, host, {
    name: "t/9",
    pseudowireType: 5,
    request: "ICRQ",
    up: false,
  });
  await call.attach(circuit);
  assert.deepEqual(down(), [false, false, false]);
  await call.connect();
  assert.deepEqual(down(), [false, false, true], "its peer's circuit is down");
  await call.set({ up: true });
  assert.deepEqual(down(), [false, false, false]);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a port that is blocked tells its peer, and the operator", async () => {
  const { circuit, host, sessions: [first], world } = await bench(lan, { switch: "lan" });
  await first!.attach(circuit);
  await first!.connect();
  const [known] = world.forwarders.values();
  const detail = { port: "t/0", other: "office0", vlan: 0, mac: "02:00:00:00:00:01" };
  known!.happen({ what: "loop", detail });
  await world.advance(10_000);
  known!.happen({ what: "loop-over", detail });
  known!.happen({ what: "learnt", detail });
  assert.deepEqual(first!.carriers, [false, true]);
  await host.end(WHY);
});

Deno.test("with autostate a session alone in its switch has no carrier: what is up beside it counts, devices and sessions", async () => {
  const section: Section = { lan: { autostate: true, ports: { office: { tap: "office0" } } } };
  const { circuit, host, sessions: [first, second], world } = await bench(section, {
    switch: "lan",
  });
  await settle();
  const tap = [...world.ports.values()].find(({ tap }) => tap)!.tap!;
  const says = async () => {
    await world.advance(1000);
    return first!.carriers.at(-1) ?? true;
  };
  await first!.attach(circuit);
  assert.equal(await says(), true);
  tap.set(false);
  assert.equal(await says(), false);
  await second!.attach(circuit);
  assert.equal(await says(), true, "the other session is behind it");
  await second!.set({ up: false });
  assert.equal(await says(), false, "whose peer's circuit is down");
  tap.set(true);
  assert.equal(await says(), true);
  await host.reconfigure("switch", { lan: { ports: section["lan"]!.ports! } });
  tap.set(false);
  assert.equal(await says(), true, "it is not asked for any more");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a port is shown as it carries VLANs, whether the file says how or not", async () => {
  const { circuit, host, sessions: [first], world } = await bench(
    { lan: { ports: { access: { tap: "a0", tag: 10 }, trunk: { tap: "t0", trunks: [10, 20] } } } },
    { switch: "lan", tag: 7, "vlan-mode": "native-untagged" },
  );
  await first!.attach(circuit);
  const [known] = world.forwarders.values();
  const ports = ["access", "trunk", "t/0"].map((name) => (
    { name, stations: 0, blockedMs: 0, counters: {} }
  ));
  known!.answer = { stations: 0, ports };
  const rows = await Array.fromAsync(host.show("port"));
  const shown = rows.map((row) => [row["port"], row["vlan-mode"], row["tag"], row["trunks"]]);
  assert.deepEqual(shown, [
    ["access", "access", 10, null],
    ["trunk", "trunk", null, "10,20"],
    ["t/0", "native-untagged", 7, null],
  ]);
  await host.end(WHY);
});
