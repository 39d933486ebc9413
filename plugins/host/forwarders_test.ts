import assert from "node:assert/strict";
import { startPlugins, WHY } from "../testing/bench.ts";
import { makeSession } from "../testing/session.ts";
import { settle } from "../testing/world.ts";
import type { Plugin, Scope, SwitchEvent } from "../plugin.ts";

/** A service's scope, and two sessions of a type. */
async function bench(pseudowireType: number) {
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
  const sessions = ["t/0", "t/1"].map((name) => makeSession(world, host, { name, pseudowireType }));
  return { host, scope: scope!, sessions, world };
}

const PPP = 7;
const ETHERNET = 5;
const address = { addresses: ["10.0.0.7"], mru: 1492 };

Deno.test("a PPP port joins a termination: what was held enters, what is punted goes to its receiver", async () => {
  const { host, scope, sessions: [session], world } = await bench(PPP);
  const tun = await scope.open("tun", { name: "ppp0" });
  const forwarder = await scope.open("ppp", { tun });
  const { facts: { port }, id } = session!;
  const seen: number[] = [];
  const call = scope.child("call");
  call.receive(port, (batch) => seen.push(...batch.map(({ bytes }) => bytes[0]!)));
  await settle();
  session!.receive(Uint8Array.of(1));
  call.hold(port, 4);
  await settle();
  session!.receive(Uint8Array.of(2));
  const told: string[] = [];
  const expired = (what: string) => told.push(what);
  const member = await call.join(forwarder, port, { ...address, expired });
  const [known] = world.forwarders.values();
  assert.deepEqual([known!.kind, known!.ports.length], ["ppp", 1]);
  assert.deepEqual(known!.members.get(id), address);
  assert.deepEqual(known!.entered, [{ port: id, frame: Uint8Array.of(2) }]);
  world.punt(id, Uint8Array.of(3));
  assert.deepEqual(seen, [1, 3]);
  assert.equal(port.send([Uint8Array.of(9)]), 1);
  assert.deepEqual(session!.sent, [Uint8Array.of(9)]);
  known!.happen({ port: id, what: "expired", detail: { what: "idle" } });
  await member.change({ ...address, mru: 1400 });
  known!.happen({ port: id, what: "expired", detail: { what: "quota" } });
  assert.deepEqual(told, ["idle"], "the whole of its options: without `expired` nobody is told");
  assert.deepEqual(known!.members.get(id), { ...address, mru: 1400 });
  await call.end(WHY);
  assert.equal(known!.members.size, 0);
  await forwarder.change({ tun });
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a forwarder takes each port once, and only of its frame type", async () => {
  const { host, scope, sessions: [session, other], world } = await bench(ETHERNET);
  const tun = await scope.open("tun", { name: "ppp0" });
  const ppp = await scope.open("ppp", { tun });
  const lan = await scope.open("switch", {});
  await assert.rejects(scope.open("ppp", { tun }), {
    code: "in-use",
    message: "TUN ppp0 is joined with the PPP termination already",
  });
  const { port } = session!.facts;
  await assert.rejects(scope.join(ppp, port, address), { code: "invalid" });
  await scope.join(lan, port, { name: "a" });
  await assert.rejects(scope.join(lan, port, { name: "b" }), { code: "in-use" });
  await assert.rejects(scope.connect(port, other!.facts.port), { code: "in-use" });
  const stranger = { kind: "switch" } as typeof lan;
  await assert.rejects(scope.join(stranger, port, { name: "a" }), { code: "invalid" });
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("what goes breaks whoever joined it: a forwarder its members' scopes, a TUN its forwarder's", async () => {
  const { host, scope, sessions: [session], world } = await bench(PPP);
  const one = scope.child("termination");
  const forwarder = await one.open("ppp", { tun: await one.open("tun", { name: "ppp0" }) });
  const call = scope.child("call");
  await call.join(forwarder, session!.facts.port, address);
  await one.end(WHY);
  await settle();
  assert.ok(call.signal.aborted);
  await assert.rejects(scope.join(forwarder, session!.facts.port, address), {
    code: "unavailable",
  });
  const two = scope.child("another");
  await two.open("ppp", { tun: await two.open("tun", { name: "ppp0" }) });
  [...world.ports.values()].find(({ tap }) => tap)!.tap!.vanish();
  await settle();
  assert.ok(two.signal.aborted);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a switch tells what happens, and its table in slices", async () => {
  const { host, scope, sessions: [session], world } = await bench(ETHERNET);
  const events: SwitchEvent[] = [];
  const lan = await scope.open("switch", { macAgingTime: 5 }, (event) => events.push(event));
  await scope.join(lan, session!.facts.port, { name: "a", tag: 5 });
  const [known] = world.forwarders.values();
  const entry = { port: "a", vlan: 5, mac: "02:00:00:00:00:01" };
  known!.happen({ port: session!.id, what: "learnt", detail: entry });
  assert.deepEqual(events, [{ what: "learnt", ...entry }]);
  known!.answer = { entries: [{ ...entry, age: 1 }] };
  const rows = [];
  for await (const row of lan.fdb()) rows.push(row);
  assert.deepEqual(rows, [{ ...entry, age: 1 }]);
  await lan.add(entry);
  await lan.flush("a");
  await lan.change({});
  assert.deepEqual(known!.asked.map(({ question }) => question), ["fdb", "fdb-add", "fdb-flush"]);
  assert.deepEqual(known!.options, {});
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("whatever of a join is refused, the port stays as it was and can be joined later", async () => {
  for (let operations = 0;; operations++) {
    const { host, scope, sessions: [session], world } = await bench(PPP);
    world.refuseAfter(operations);
    const call = scope.child("call");
    const { port } = session!.facts;
    const join = async (life: Scope) => {
      life.receive(port, () => {});
      life.hold(port, 4);
      const forwarder = await life.open("ppp", { tun: await life.open("tun", { name: "ppp0" }) });
      await life.join(forwarder, port, address);
    };
    await join(call).catch(() => {});
    const { refused } = world;
    world.refuseAfter(Infinity);
    await call.end(WHY);
    await join(scope.child("again"));
    await host.end(WHY);
    assert.deepEqual(world.leftovers(), [], `after refusal ${operations}`);
    if (!refused) break;
  }
});
