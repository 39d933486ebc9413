import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import { makeWorld, settle } from "../testing/world.ts";
import { FIRST_PAUSE_MS, keep, LAST_PAUSE_MS, type Listing } from "./keeper.ts";
import { type Life, makeLife } from "./life.ts";

const WHY = { result: 3, message: "enough" };

function bench(outcome: () => Promise<void> | void = () => {}) {
  const world = makeWorld();
  const parent = makeLife(world.leaves, "the switch");
  const listing: Listing = new Set();
  const begun: { life: Life; at: number }[] = [];
  const keeper = keep(parent, { clock: world.leaves.clock, listing }, "port up", async (life) => {
    begun.push({ life, at: world.now });
    await outcome();
  });
  return { begun, keeper, listing, parent, world };
}

const refuse = (code: ConstructorParameters<typeof Failure>[0]) => () =>
  Promise.reject(new Failure(code, `no eth3: ${code}`));

Deno.test("what is kept does not begin before keep() has returned", async () => {
  const { begun, keeper, parent } = bench();
  assert.equal(begun.length, 0);
  assert.equal(await keeper.first, undefined);
  assert.equal(begun.length, 1);
  assert.equal(keeper.state, "up");
  await parent.end(WHY);
  assert.equal(keeper.state, "down");
});

Deno.test("what fails is listed as down and begun again, with pauses that grow to 30 s", async () => {
  const { begun, keeper, listing, parent, world } = bench(refuse("unavailable"));
  assert.equal((await keeper.first)?.message, "no eth3: unavailable");
  await world.advance(100_000);
  assert.deepEqual(begun.map(({ at }) => at), [
    0,
    1000,
    3000,
    7000,
    15_000,
    31_000,
    61_000,
    91_000,
  ]);
  assert.equal(keeper.retryAt, 91_000 + LAST_PAUSE_MS);
  assert.deepEqual([...listing].map(({ failure, state }) => [state, failure?.message]), [
    ["down", "no eth3: unavailable"],
  ]);
  await parent.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("what waiting cannot mend is not begun again", async () => {
  for (const code of ["invalid", "not-permitted"] as const) {
    const { begun, keeper, parent, world } = bench(refuse(code));
    await world.advance(100_000);
    assert.equal(begun.length, 1);
    assert.equal(keeper.state, "down");
    assert.equal(keeper.retryAt, undefined);
    await parent.end(WHY);
    assert.deepEqual(world.leftovers(), []);
  }
});

Deno.test("what was up and fails is begun again after the first pause, when all is undone", async () => {
  const { begun, keeper, parent, world } = bench();
  await keeper.first;
  const slow = Promise.withResolvers<void>();
  begun[0]!.life.push(() => slow.promise);
  begun[0]!.life.fail(new Error("it broke"));
  assert.equal(keeper.state, "down");
  await world.advance(10 * FIRST_PAUSE_MS);
  assert.equal(begun.length, 1, "begun again before it was undone");
  slow.resolve();
  await world.advance(FIRST_PAUSE_MS);
  assert.equal(begun.length, 2);
  assert.equal(keeper.failure, undefined);
  await parent.end(WHY);
});

Deno.test("an end is for good, and leaves no timer", async () => {
  const { begun, keeper, listing, parent, world } = bench(refuse("in-use"));
  await keeper.first;
  await settle();
  assert.deepEqual(world.leftovers(), ["timer"]);
  await keeper.end(WHY);
  assert.deepEqual(world.leftovers(), []);
  assert.equal(listing.size, 0);
  await world.advance(100_000);
  assert.equal(begun.length, 1);
  await parent.end(WHY);
});

Deno.test("restart() begins at once, after all is undone, and says what came of it", async () => {
  let answer: () => Promise<void> | void = () => {};
  const { begun, keeper, parent, world } = bench(() => answer());
  await keeper.first;
  let undone = 0;
  begun[0]!.life.push(() => void undone++);
  assert.equal(await keeper.restart(WHY), undefined);
  assert.deepEqual([begun.length, undone, keeper.state], [2, 1, "up"]);
  assert.deepEqual(world.lines, [], "a restart that is meant is no failure");
  answer = refuse("limit");
  assert.equal((await keeper.restart(WHY))?.message, "no eth3: limit");
  answer = () => {};
  assert.equal(await keeper.restart(WHY), undefined);
  await world.advance(100_000);
  assert.equal(begun.length, 4);
  await parent.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("several restarts at once begin it once", async () => {
  const { begun, keeper, parent } = bench();
  await keeper.first;
  assert.deepEqual(await Promise.all([keeper.restart(WHY), keeper.restart(WHY)]), [
    undefined,
    undefined,
  ]);
  assert.equal(begun.length, 2);
  await parent.end(WHY);
});
