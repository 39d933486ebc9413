import assert from "node:assert/strict";
import fc from "fast-check";
import { Line, Ring } from "./queues.ts";

Deno.test("Ring gives back what was put in, in order, as an array does", () => {
  const step = fc.oneof(fc.nat(99), fc.constantFrom("shift" as const, "clear" as const));
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const ring = new Ring<number>();
    const model: number[] = [];
    for (const one of steps) {
      if (one === "shift") assert.equal(ring.shift(), model.shift());
      else if (one === "clear") {
        ring.clear();
        model.length = 0;
      } else {
        ring.push(one);
        model.push(one);
      }
      assert.equal(ring.length, model.length);
      for (let i = 0; i <= model.length; i++) assert.equal(ring.at(i), model[i]);
      assert.equal(ring.at(-1), undefined);
    }
  }));
});

Deno.test("Line keeps the order in which items came, whoever leaves it", () => {
  const step = fc.record({ item: fc.nat(9), leaves: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const items = Array.from({ length: 10 }, (_, i) => ({ i }));
    const line = new Line<{ readonly i: number }>();
    const model: number[] = [];
    for (const { item, leaves } of steps) {
      const at = model.indexOf(item);
      if (leaves) {
        assert.equal(line.delete(items[item]!), at >= 0);
        if (at >= 0) model.splice(at, 1);
      } else {
        line.add(items[item]!);
        if (at < 0) model.push(item);
      }
      assert.equal(line.first?.i, model[0]);
      assert.equal(line.size, model.length);
      assert.equal(line.has(items[item]!), model.includes(item));
    }
    const left: number[] = [];
    for (let first = line.first; first; first = line.first) {
      left.push(first.i);
      line.delete(first);
    }
    assert.deepEqual(left, model);
  }));
});
