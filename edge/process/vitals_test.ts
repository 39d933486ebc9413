import assert from "node:assert/strict";
import { watchVitals } from "./vitals.ts";

Deno.test("what held the event loop up is told once", async () => {
  using watch = watchVitals(() => ({ open: 7, limit: 64 }), { dropped: 3 });
  await new Promise((resolve) => setTimeout(resolve, 20));
  const end = performance.now() + 900;
  while (performance.now() < end); // Half a second late.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { descriptors, droppedLines, heapBytes, lagMs, residentBytes } = watch.read();
  assert.ok(lagMs >= 300 && lagMs < 30_000, `${lagMs} ms`);
  assert.deepEqual(descriptors, { open: 7, limit: 64 });
  assert.equal(droppedLines, 3);
  assert.ok(heapBytes > 100_000 && heapBytes < residentBytes);
  assert.ok(watch.read().lagMs < 300);
});
