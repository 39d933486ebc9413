import assert from "node:assert/strict";
import fc from "fast-check";
import { Schedule } from "./schedule.ts";
import { Deadlines } from "./timers.ts";

Deno.test("Schedule gives every item that is due, the earliest first, and never late", () => {
  const step = fc.oneof(
    fc.record({ item: fc.nat(9), in: fc.option(fc.nat(50), { nil: undefined }) }),
    fc.record({ pass: fc.nat(20) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const schedule = new Schedule<{ readonly at: () => number | undefined }>();
    const wanted = new Map<number, number>();
    const items = Array.from({ length: 10 }, (_, i) => ({ at: () => wanted.get(i), i }));
    let now = 0;
    for (const one of steps) {
      if ("item" in one) {
        if (one.in === undefined) wanted.delete(one.item);
        else wanted.set(one.item, now + one.in);
        schedule.set(items[one.item]!, wanted.get(one.item));
        continue;
      }
      now += one.pass;
      for (let due = schedule.take(now); due; due = schedule.take(now)) {
        const at = due.at();
        if (at !== undefined && at <= now) wanted.delete((due as typeof items[number]).i);
        schedule.set(due, due.at());
      }
      for (const at of wanted.values()) {
        assert.ok(at > now, "what was due was given");
        assert.ok(schedule.next()! <= at, "the next look is not too late");
      }
    }
    for (let due = schedule.take(Infinity); due; due = schedule.take(Infinity));
    assert.equal(schedule.next(), undefined);
  }));
});

Deno.test("Deadlines gives each name once, the earliest first", () => {
  const deadlines = new Deadlines<"a" | "b" | "c">();
  deadlines.set("a", 30);
  deadlines.set("b", 10);
  deadlines.set("c", 20);
  deadlines.set("a", 15);
  assert.equal(deadlines.next(), 10);
  assert.equal(deadlines.take(9), undefined);
  assert.deepEqual([1, 2, 3, 4].map(() => deadlines.take(20)), ["b", "a", "c", undefined]);
  deadlines.set("a", 5);
  deadlines.clear("a");
  assert.equal(deadlines.next(), undefined);
});
