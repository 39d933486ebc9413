import assert from "node:assert/strict";
import { startPlugins, WHY } from "../testing/bench.ts";
import type { Plugin, Scope } from "../plugin.ts";
import type { PortId } from "./leaves.ts";
import { settle, type World } from "../testing/world.ts";

/** A service's scope. */
async function bench() {
  let scope: Scope | undefined;
  const plugin: Plugin = {
    name: "one",
    summary: "a test's",
    pseudowireTypes: [],
    start(own) {
      scope = own;
      return {};
    },
  };
  const { host, world } = await startPlugins([plugin]);
  return { host, scope: scope!, world };
}

const taps = (world: World) =>
  [...world.ports].filter(([, { kind }]) => kind === "tap").map(([id, port]) => ({ id, ...port }));

Deno.test("a port leaves its receiver for a join, and comes back to it", async () => {
  const { host, scope, world } = await bench();
  const [a, b] = [await scope.open("tap", { name: "a" }), await scope.open("tap", { name: "b" })];
  const seen: number[] = [];
  scope.receive(a, (batch) => seen.push(...batch.map(({ bytes }) => bytes[0]!)));
  await settle();
  const [idA, idB] = taps(world).map(({ id }) => id);
  const deliver = (n: number) =>
    world.ports.get(world.ports.get(idA!)!.joined!)?.receive?.([Uint8Array.of(n)]);
  deliver(1);
  assert.equal(a.send([Uint8Array.of(9)]), 1);
  const join = scope.child("join");
  await join.connect(a, b);
  assert.equal(world.ports.get(idA!)!.joined, idB);
  assert.equal(a.send([Uint8Array.of(9)]), 1, "it can be sent by, whatever it is joined to");
  await join.end(WHY);
  deliver(2);
  assert.deepEqual(seen, [1, 2]);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a join that cannot be leaves the receivers, and says who has the port", async () => {
  const { host, scope, world } = await bench();
  const [a, b, c] = await Promise.all(
    ["a", "b", "c"].map((name) => scope.open("tap", { name })),
  );
  await scope.connect(a!, b!);
  await assert.rejects(scope.connect(a!, c!), {
    code: "in-use",
    message: "TAP a is joined with TAP b already",
  });
  await assert.rejects(scope.connect(c!, c!), { code: "invalid" });
  let frames = 0;
  scope.receive(c!, () => frames++);
  await settle();
  const d = await scope.open("tap", { name: "d" });
  world.refuseAfter(0);
  await assert.rejects(scope.connect(c!, d), { code: "unavailable" });
  const { joined } = taps(world).find(({ tap }) => tap?.options.name === "c")!;
  world.ports.get(joined!)!.receive!([Uint8Array.of(1)]);
  assert.equal(frames, 1);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("frames come until their receiver is undone: a farewell may wait for its answer", async () => {
  const { host, scope, world } = await bench();
  const tap = await scope.open("tap", { name: "a" });
  const child = scope.child("session");
  const answered = Promise.withResolvers<void>();
  child.receive(tap, () => answered.resolve());
  await settle();
  child.defer(() => answered.promise);
  const ended = child.end(WHY);
  await settle();
  const [{ joined }] = taps(world) as [ReturnType<typeof taps>[number]];
  world.ports.get(joined!)!.receive!([Uint8Array.of(1)]);
  await ended;
  assert.equal(taps(world)[0]!.joined, undefined);
  await host.end(WHY);
});

Deno.test("a device changes as a whole or not at all, and one that is gone has no carrier", async () => {
  const { host, scope, world } = await bench();
  const child = scope.child("circuit");
  const tap = await child.open("tap", { name: "a", mac: "02:00:00:00:00:05" });
  const { tap: device } = taps(world)[0]!;
  tap.carrier(false);
  const before = device!.options;
  world.refuseAfter(0);
  await assert.rejects(tap.change({ mtu: 900, mac: "02:00:00:00:00:06" }), { name: "Failure" });
  assert.deepEqual(device!.options, before);
  await tap.change({ mtu: 900 });
  assert.deepEqual([tap.mtu, tap.frameMtu], [900, 914]);
  device!.vanish();
  tap.carrier(true);
  assert.equal(device!.carrier, false);
  await assert.rejects(tap.change({ mtu: 1000 }), { code: "unavailable" });
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a PPPoE session is a port of PPP frames, as long as its interface is there", async () => {
  const { host, scope, world } = await bench();
  const life = scope.child("access");
  const wire = await life.open("packet", { name: "eth1" });
  const session = { on: wire, mac: "02:00:00:00:00:07", sessionId: 7 };
  const vlans = [{ tpid: 0x88a8, vid: 100 }, { vid: 7 }] as const;
  const client = scope.child("client");
  const port = await client.open("pppoe", { ...session, vlans });
  assert.equal(port.frames, "ppp");
  // Six octets of PPPoE, and two tags, of which an MTU leaves out none but an outer 8100; `FF 03` is taken off.
  assert.equal(port.frameMtu, wire.mtu - 6 - 8 + 2);
  await assert.rejects(client.open("pppoe", { ...session, vlans }), { code: "in-use" });
  const other = await client.open("pppoe", { ...session, vlans: [] });
  assert.equal(other.frameMtu, wire.mtu - 6 + 2);
  await assert.rejects(client.open("pppoe", { ...session, on: port as typeof wire, vlans }));
  await client.connect(port, other);

  taps(world)[0]!.tap!.vanish();
  await settle();
  assert.ok(client.signal.aborted, "what is built upon an interface breaks with it");
  assert.deepEqual(world.leftovers().filter((kind) => kind === "pppoe"), []);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});
Deno.test("what came while a port was held goes on first, what was on its way to the receiver before that", async () => {
  const { host, scope, world } = await bench();
  const [a, b] = [await scope.open("tap", { name: "a" }), await scope.open("tap", { name: "b" })];
  const seen: number[] = [];
  scope.receive(a, (batch) => seen.push(...batch.map(({ bytes }) => bytes[0]!)));
  await settle();
  const [idA, idB] = taps(world).map(({ id }) => id) as [PortId, PortId];
  const { receiver } = world.ports.get(idA)!;
  const onTheWay = (n: number) => world.ports.get(receiver!)!.receive!([Uint8Array.of(n)]);
  scope.hold(a, 3);
  onTheWay(1);
  await settle();
  world.deliver(idA, Uint8Array.of(2), Uint8Array.of(3));
  assert.throws(() => scope.hold(a, 3), { code: "in-use" });
  await scope.connect(a, b);
  onTheWay(4);
  await settle();
  world.deliver(idA, Uint8Array.of(5));
  assert.deepEqual(world.ports.get(idB)!.sent.map(([n]) => n), [1, 2, 3, 4, 5]);
  assert.deepEqual(seen, []);
  assert.throws(() => scope.hold(a, 3), { code: "in-use" });
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("what is held goes to the receiver where nobody joins the port before the scope ends", async () => {
  const { host, scope, world } = await bench();
  const tap = await scope.open("tap", { name: "a" });
  const seen: number[] = [];
  scope.receive(tap, (batch) => seen.push(...batch.map(({ bytes }) => bytes[0]!)));
  const child = scope.child("call");
  for (const wrong of [0, 1025, 1.5]) {
    assert.throws(() => child.hold(tap, wrong), { code: "invalid" });
  }
  child.hold(tap, 8);
  await settle();
  const { id } = taps(world)[0]!;
  world.deliver(id, Uint8Array.of(1), Uint8Array.of(2));
  assert.deepEqual(seen, []);
  await child.end(WHY);
  await child.end(WHY);
  assert.deepEqual(seen, [1, 2]);
  world.refuseAfter(0);
  const broken = scope.child("broken");
  broken.hold(tap, 8);
  await settle();
  assert.ok(broken.signal.aborted, "a scope that cannot hold fails");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a port's rate may change at any time, and what is not said of it stays", async () => {
  const { host, scope, world } = await bench();
  const tap = await scope.open("tap", { name: "a" });
  tap.limit({ in: 8_000_000, out: 1_000 });
  tap.limit({ out: null, burst: 9000 });
  const limit = () => taps(world)[0]!.limit;
  assert.deepEqual(limit(), { rx: 8000, tx: 0, burst: 9000 });
  assert.throws(() => tap.limit({ in: 0 }), { code: "invalid" });
  await host.end(WHY);
  tap.limit({ in: null });
});

Deno.test("a frame that comes to the receiver at whatever moment of a join is passed on, once", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const { host, scope, world } = await bench();
    const [a, b] = [await scope.open("tap", { name: "a" }), await scope.open("tap", { name: "b" })];
    scope.receive(a, () => assert.fail("it is held"));
    await settle();
    const [idA, idB] = taps(world).map(({ id }) => id) as [PortId, PortId];
    const { receiver } = world.ports.get(idA)!;
    scope.hold(a, 3);
    await settle();
    const joining = scope.connect(a, b);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    world.ports.get(receiver!)!.receive!([Uint8Array.of(1)]);
    await joining;
    await settle();
    assert.deepEqual(world.ports.get(idB)!.sent, [Uint8Array.of(1)], `after ${turns} turns`);
    await host.end(WHY);
  }
});

Deno.test("an earlier hold that is over does not let go of a later one", async () => {
  const { host, scope, world } = await bench();
  const [a, b] = [await scope.open("tap", { name: "a" }), await scope.open("tap", { name: "b" })];
  const [idA] = taps(world).map(({ id }) => id) as [PortId];
  const [first, join] = [scope.child("first"), scope.child("join")];
  first.hold(a, 3);
  await join.connect(a, b);
  await join.end(WHY);
  scope.hold(a, 3);
  await settle();
  await first.end(WHY);
  assert.ok(world.ports.get(idA)!.held, "the later one holds");
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});
