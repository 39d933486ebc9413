import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { atOnce, each, filtered, inSlices, makePace, mapped, type Slices } from "./slices.ts";

/** Work that takes so many milliseconds, and may be interrupted after each. */
function* busy(ms: number): Slices<string> {
  for (let i = 0; i < ms; i++) {
    const end = performance.now() + 1;
    while (performance.now() < end);
    yield;
  }
  return "done";
}

Deno.test("others have their turn between slices, and atOnce() gives them none", async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  assert.equal(atOnce(busy(60)), "done");
  assert.equal(turns, 0);
  assert.equal(await inSlices(busy(60)), "done");
  assert.ok(turns >= 3, `${turns} turns`);
  clearInterval(timer);
});

Deno.test("mapped() keeps order and takes every item", () => {
  const items = Array.from({ length: 1000 }, (_, i) => i);
  assert.deepEqual(atOnce(mapped(items, (i) => i * 2)), items.map((i) => i * 2));
});

Deno.test("a slice ends when its time is over, and not before", async () => {
  let now = 0;
  const done: number[] = [];
  const turns: number[] = [];
  function* work(): Slices<void> {
    for (let i = 0; i < 12; i++) {
      now++;
      done.push(i);
      yield;
    }
  }
  const look = () => {
    turns.push(done.length);
    if (done.length < 12) setImmediate(look);
  };
  setImmediate(look);
  await inSlices(work(), makePace(() => now));
  // Four milliseconds' worth each, and one turn of the event loop between them.
  assert.deepEqual(turns.slice(0, 2), [4, 8]);
});

Deno.test("each() and filtered() may be interrupted every few items", () => {
  const items = Array.from({ length: 1000 }, (_, i) => i);
  const steps = (work: Slices<unknown>) => [...work].length;
  assert.ok(steps(each(items, () => {})) >= 1000 / 64);
  assert.ok(steps(filtered(items, () => true)) >= 1000 / 64);
  assert.deepEqual(atOnce(filtered(items, (i) => i % 500 === 0)), [0, 500]);
});
