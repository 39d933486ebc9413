import assert from "node:assert/strict";
import fc from "fast-check";
import { byText, merged, NamedInOrder, Sorted } from "./sorted.ts";

const byNumber = (a: number, b: number) => a - b;

Deno.test("a sorted list has what was put in and not taken out, in order, whatever the order of that", () => {
  const steps = fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3000 })), {
    minLength: 2000,
    maxLength: 6000,
  });
  fc.assert(
    fc.property(steps, (steps) => {
      const sorted = new Sorted<number>(byNumber);
      const plain = new Set<number>();
      for (const [add, item] of steps) {
        add ? sorted.add(item) : sorted.delete(item);
        add ? plain.add(item) : plain.delete(item);
      }
      const all = [...plain].sort(byNumber);
      assert.deepEqual([...sorted], all);
      assert.equal(sorted.size, all.length);
      for (const from of [0, 1500, 2999, 3001]) {
        assert.deepEqual([...sorted.from((item) => item > from)], all.filter((i) => i > from));
      }
    }),
    { numRuns: 20 },
  );
});

Deno.test("who is on the way through misses nothing that stays, and sees nothing twice", () => {
  const sorted = new Sorted<number>(byNumber);
  for (let i = 0; i < 5000; i += 2) sorted.add(i);
  const seen: number[] = [];
  for (const item of sorted) {
    seen.push(item);
    // What is here and behind goes, what is ahead comes.
    sorted.delete(item);
    sorted.delete(item - 10);
    if (item % 100 === 0) sorted.add(item + 51);
    if (item % 1000 === 0) sorted.add(item - 1);
  }
  const wanted = Array.from({ length: 2500 }, (_, i) => 2 * i);
  for (let i = 0; i < 5000; i += 100) wanted.push(i + 51);
  assert.deepEqual(seen, wanted.sort(byNumber));
  const again: number[] = [];
  for (const item of sorted) {
    again.push(item);
    sorted.add(item + 0.5);
    sorted.delete(item + 0.5);
  }
  assert.deepEqual(again, [...sorted]);
});

Deno.test("an equal one takes the place of what was there", () => {
  const sorted = new Sorted<{ id: number; text: string }>((a, b) => a.id - b.id);
  sorted.add({ id: 1, text: "a" });
  sorted.add({ id: 1, text: "b" });
  assert.deepEqual([...sorted], [{ id: 1, text: "b" }]);
});

Deno.test("very many are put in and taken out fast enough: no step looks at all of them", () => {
  let compared = 0;
  const sorted = new Sorted<number>((a, b) => (compared++, a - b));
  const count = 50_000;
  // A permutation of them.
  for (let i = 0; i < count; i++) sorted.add(i * 7919 % count);
  for (let i = 0; i < count; i++) sorted.delete(i * 6007 % count);
  assert.equal(sorted.size, 0);
  assert.ok(compared < count * 2 * 40, `${compared}`);
});

Deno.test("names of a map come in order, and two lists in order are one", () => {
  const map = new NamedInOrder<number>([["b", 1], ["d", 2], ["a", 3]]);
  map.set("b", 4).set("c", 5);
  map.delete("d");
  assert.deepEqual([...map.namesAfter("a")], ["b", "c"]);
  assert.deepEqual([...merged(map.namesAfter(""), ["aa", "b", "z"], byText)], [
    ..."a aa b b c z".split(" "),
  ]);
  map.clear();
  assert.deepEqual([...map.namesAfter("")], []);
});
