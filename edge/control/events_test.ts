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
