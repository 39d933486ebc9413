import assert from "node:assert/strict";
import { sessionCounters } from "../../wasm/mod.ts";
import { countersByHandle } from "./counters.ts";

const width = sessionCounters.length;
const table = {
  handles: Float64Array.of(7, 2 ** 40),
  values: Float64Array.from({ length: 2 * width }, (_, i) => 100 + i),
};
const row = (from: number) =>
  Object.fromEntries(sessionCounters.map((name, i) => [name, 100 + from + i]));

Deno.test("countersByHandle() finds a row by its handle, in the table's order", () => {
  const map = countersByHandle(table);
  assert.equal(map.size, 2);
  assert.deepEqual(map.get(7), row(0));
  assert.deepEqual(map.get(2 ** 40), row(width));
  assert.equal(map.get(8), undefined);
  assert.deepEqual([map.has(7), map.has(8)], [true, false]);
});

Deno.test("countersByHandle() goes through all rows", () => {
  const map = countersByHandle(table);
  assert.deepEqual([...map], [[7, row(0)], [2 ** 40, row(width)]]);
  assert.deepEqual(new Map(map), new Map([[7, row(0)], [2 ** 40, row(width)]]));
  assert.deepEqual([...map.keys()], [7, 2 ** 40]);
  assert.deepEqual([...map.values()], [row(0), row(width)]);
  const seen: unknown[] = [];
  map.forEach((counters, handle) => seen.push([handle, counters]));
  assert.deepEqual(seen, [...map]);
});
