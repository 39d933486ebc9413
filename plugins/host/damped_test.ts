import assert from "node:assert/strict";
import { makeWorld } from "../testing/world.ts";
import { damped, DAMPED_MS, timingOf } from "./damped.ts";
import { makeLife } from "./life.ts";

const WHY = { result: 3 };

function bench() {
  const world = makeWorld();
  const life = makeLife(world.leaves, "test");
  const seen: string[] = [];
  const say = damped(
    timingOf(life, world.leaves.clock),
    (up) => void seen.push(`${up ? "up" : "down"} ${world.now}`),
  );
  return { life, say, seen, world };
}

Deno.test("what a switch says first passes at once, and what it is taken for does not pass", async () => {
  const { life, say, seen } = bench();
  say(true);
  assert.deepEqual(seen, []);
  say(false);
  say(false);
  assert.deepEqual(seen, ["down 0"]);
  await life.end(WHY);
});

Deno.test("a switch that flaps 100 times a second passes once a second, and its last state passes", async () => {
  const { life, say, seen, world } = bench();
  for (let n = 0; n < 501; n++) {
    say(n % 2 === 1);
    await world.advance(10);
  }
  await world.advance(DAMPED_MS);
  assert.ok(seen.length <= 7, seen.join(", "));
  assert.match(seen.at(-1)!, /^down/);
  // It rested long enough: the next passes at once.
  await world.advance(DAMPED_MS);
  say(true);
  assert.equal(seen.at(-1), `up ${world.now}`);
  await life.end(WHY);
});

Deno.test("what came and went while the last state stood is never seen", async () => {
  const { life, say, seen, world } = bench();
  say(false);
  say(true);
  say(false);
  await world.advance(10 * DAMPED_MS);
  assert.deepEqual(seen, ["down 0"]);
  await life.end(WHY);
});

Deno.test("a life that has ended says nothing more", async () => {
  const { life, say, seen, world } = bench();
  say(false);
  say(true);
  await life.end(WHY);
  await world.advance(DAMPED_MS);
  say(true);
  assert.deepEqual(seen, ["down 0"]);
});
