import assert from "node:assert/strict";
import { describeResult, endingOf, makeEventBus } from "./events.ts";

const state = {
  type: "connection-state",
  tunnel: "t",
  peer: "p",
  tunnelId: 1,
  state: "established",
} as const;

Deno.test("every listener gets every event from when it began, numbered", async () => {
  using bus = makeEventBus(() => 7);
  bus.publish(state);
  using one = bus.subscribe();
  bus.publish(state);
  using two = bus.subscribe();
  bus.publish(state);
  assert.deepEqual(await one.next(), { id: 2, time: 7, ...state });
  assert.deepEqual(await one.next(), { id: 3, time: 7, ...state });
  assert.deepEqual(await two.next(), { id: 3, time: 7, ...state });
});

Deno.test("next() waits for the next event", async () => {
  using bus = makeEventBus(() => 7);
  using listener = bus.subscribe();
  const next = listener.next();
  bus.publish(state);
  assert.deepEqual(await next, { id: 1, time: 7, ...state });
});

Deno.test("a listener that does not keep up is told and cut off; others are not", async () => {
  using bus = makeEventBus(() => 7);
  using slow = bus.subscribe();
  using quick = bus.subscribe();
  for (let i = 1; i <= 5000; i++) {
    bus.publish(state);
    const event = await quick.next();
    assert.ok(typeof event === "object" && event.id === i);
  }
  assert.equal(await slow.next(), "slow");
  assert.equal(await slow.next(), undefined);
});

Deno.test("listeners end with the bus, and later ones at once", async () => {
  const bus = makeEventBus(() => 7);
  const listener = bus.subscribe();
  const next = listener.next();
  bus[Symbol.dispose]();
  assert.equal(await next, undefined);
  assert.equal(await bus.subscribe().next(), undefined);
});

Deno.test("endingOf() says who, which codes and why", () => {
  assert.deepEqual(endingOf({ by: "peer", result: { result: 2, error: 4, message: "full" } }), {
    by: "peer",
    result: 2,
    error: 4,
    message: "full",
    reason: "ended by the peer: result 2, error 4: full",
  });
  assert.equal(describeResult({ result: 1, error: 0 }), "result 1");
});

Deno.test("who comes back gets what came meanwhile, and is told how much of it is forgotten", async () => {
  using bus = makeEventBus(() => 7);
  const say = (n: number) => bus.publish({ type: "plugin", name: `e${n}`, fields: {} });
  for (let n = 1; n <= 10; n++) say(n);
  {
    using again = bus.subscribe(7);
    assert.equal(again.missed, 0);
    say(11);
    for (const id of [8, 9, 10, 11]) {
      const event = await again.next();
      assert.ok(typeof event === "object" && event.id === id && event.type === "plugin");
      assert.equal(event.name, `e${id}`);
    }
  }
  for (let n = 12; n <= 1100; n++) say(n);
  using late = bus.subscribe(7);
  assert.equal(late.missed, 1100 - 1024 - 7);
  const first = await late.next();
  assert.ok(typeof first === "object" && first.id === 1100 - 1024 + 1);
  assert.equal(late.after, 1100 - 1024);
  using early = bus.subscribe(5000);
  assert.equal(early.missed, 0);
  assert.equal(early.after, 1100);
  using fresh = bus.subscribe();
  assert.equal(fresh.missed, 0);
  say(1101);
  const next = await fresh.next();
  assert.ok(typeof next === "object" && next.id === 1101);
});
