import assert from "node:assert/strict";
import { startPlugins, WHY } from "../testing/bench.ts";
import { makeSession } from "../testing/session.ts";
import { settle } from "../testing/world.ts";
import {
  type CallEnd,
  isRefusal,
  type PlacedCall,
  type Plugin,
  type Scope,
  type Session,
} from "../plugin.ts";

const BUSY: CallEnd = { result: 8, message: "busy", q931: { code: 17, message: 3, advisory: "" } };

/** A service's scope, and a plugin whose circuit `lns` keeps its sessions. */
async function bench() {
  let scope: Scope | undefined;
  const attached: { session: Session; ended: CallEnd | undefined }[] = [];
  const plugin: Plugin = {
    name: "one",
    summary: "a test's",
    pseudowireTypes: [7],
    start(own) {
      scope = own;
      return {
        provision: () => ({
          sessions: 1,
          attach(session, life) {
            const one = { session, ended: undefined as CallEnd | undefined };
            attached.push(one);
            life.defer((why) => void (one.ended = why));
            return { mtu: 1400 };
          },
        }),
      };
    },
  };
  const { host, world } = await startPlugins([plugin]);
  const circuit = host.circuit("one", "circuit lns", {});
  await circuit.first;
  world.circuits.set("lns", circuit);
  return { attached, host, scope: scope!, world };
}

const peer = { peer: "lns" };

Deno.test("a placed call is agreed to, let go on, told of, and ends with its scope for the same reason", async () => {
  const { host, scope, world } = await bench();
  const heard: string[] = [];
  const child = scope.child("leg");
  const call = await child.place(peer, { calledNumber: "77" }, {
    pseudowireType: 7,
    heard: (message) => heard.push(message),
    ended: () => assert.fail("it ended by its scope"),
  }) as PlacedCall;
  const [far] = world.calls;
  assert.deepEqual([far!.target, far!.say, far!.request], [peer, { calledNumber: "77" }, "ICRQ"]);
  assert.equal(far!.proceeded, undefined);
  assert.equal(await call.proceed({ callingNumber: "12" }), undefined);
  assert.deepEqual(far!.proceeded, { callingNumber: "12" });
  far!.hear("WEN", {});
  call.tell("SLI", {});
  assert.deepEqual([heard, far!.told.length], [["WEN"], 1]);
  const near = makeSession(world, host, { pseudowireType: 7 });
  await child.connect(near.facts.port, call.port);
  assert.equal(world.ports.get(near.id)!.joined, far!.port);
  await child.end(BUSY);
  assert.deepEqual(far!.ended, BUSY);
  assert.equal(world.ports.get(near.id)!.joined, undefined);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a call that its peer ends is told of before its port goes, and only once", async () => {
  const { host, scope, world } = await bench();
  const near = makeSession(world, host, { pseudowireType: 7 });
  const leg = scope.child("leg");
  const ends: CallEnd[] = [];
  const call = await leg.place(peer, {}, {
    pseudowireType: 7,
    ended(why) {
      ends.push(why);
      void leg.end(why);
    },
  }) as PlacedCall;
  await leg.connect(near.facts.port, call.port);
  const undone: CallEnd[] = [];
  leg.defer((why) => void undone.push(why));
  world.calls[0]!.end(BUSY);
  await settle();
  assert.deepEqual(
    [ends, undone],
    [[BUSY], [BUSY]],
    "the peer's reason, and not that its port is gone",
  );
  assert.deepEqual(await call.proceed(), { refuse: BUSY });
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a refusal comes back as it was, and a call is called off while its peer thinks", async () => {
  const { host, scope, world } = await bench();
  world.placed = (call) => call.refuse(BUSY);
  const answer = await scope.place(peer, {}, { pseudowireType: 7, request: "OCRQ" });
  assert.ok(isRefusal(answer));
  assert.deepEqual(answer.refuse, BUSY);
  world.placed = undefined;
  const child = scope.child("leg");
  const placing = child.place(peer, {}, { pseudowireType: 7 });
  const failed = assert.rejects(placing, { name: "Failure" });
  await settle();
  await child.end(WHY);
  await failed;
  assert.ok(world.calls[1]!.ended);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a port is handed to a named circuit, which may refuse it or end it", async () => {
  const { attached, host, scope, world } = await bench();
  const near = makeSession(world, host, { pseudowireType: 7 });
  const { port } = near.facts;
  const channel = { name: "02:00:00:00:00:01", pseudowireType: 7, said: {}, port };
  const ends: CallEnd[] = [];
  const child = scope.child("client");
  const answer = await child.attach("lns", channel, (why) => ends.push(why));
  assert.ok(!isRefusal(answer));
  assert.deepEqual([answer.mtu, attached[0]!.session.name], [1400, channel.name]);
  assert.deepEqual(await attached[0]!.session.connected(), {});
  const full = await scope.child("other").attach("lns", channel, () => {});
  assert.equal(isRefusal(full) && full.refuse.result, 4);
  attached[0]!.session.end(BUSY);
  await settle();
  assert.deepEqual(ends, [BUSY]);
  const again = scope.child("again");
  await again.attach("lns", channel, () => assert.fail("its own scope ended it"));
  await again.end(BUSY);
  assert.deepEqual(attached[1]!.ended, BUSY);
  await assert.rejects(scope.attach("nowhere", channel, () => {}), { code: "invalid" });
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("whatever of a placed call is refused, nothing of it is left", async () => {
  for (let operations = 0;; operations++) {
    const { host, scope, world } = await bench();
    const near = makeSession(world, host, { pseudowireType: 7 });
    world.refuseAfter(operations);
    const leg = scope.child("leg");
    const run = async () => {
      leg.hold(near.facts.port, 8);
      const call = await leg.place(peer, {}, { pseudowireType: 7 }) as PlacedCall;
      await leg.connect(near.facts.port, call.port);
      await call.proceed();
    };
    await run().catch(leg.fail);
    const { refused } = world;
    await leg.end(WHY);
    assert.deepEqual(world.leftovers(), [], `after refusal ${operations}`);
    await host.end(WHY);
    if (!refused) break;
  }
});

Deno.test("a session has all that is known of it: nothing of its facts is left out", async () => {
  const { attached, host, scope, world } = await bench();
  world.placed = (call) => call.agree({ calledNumber: "77" });
  const placed = await scope.place(peer, {}, { pseudowireType: 7 });
  assert.ok(!isRefusal(placed));
  assert.deepEqual([placed.serial, placed.request, placed.said.calledNumber], [77, "ICRQ", "77"]);
  assert.ok(placed.tunnel?.gone);
  const session = makeSession(world, host, { pseudowireType: 7, request: "ICRQ" });
  await session.attach(world.circuits.get("lns")!);
  for (const name of Object.keys(session.facts) as (keyof typeof session.facts)[]) {
    assert.notEqual(attached[0]!.session[name], undefined, name);
  }
  await host.end(WHY);
});
