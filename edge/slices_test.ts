import assert from "node:assert/strict";
import { atOnce, inSlices, mapped, type Slices } from "./slices.ts";

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
