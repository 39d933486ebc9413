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

Deno.test("Schedule has one entry for an item, however often its time changes, and none once it is forgotten", () => {
  const schedule = new Schedule<{ readonly name: string }>();
  const [a, b] = [{ name: "a" }, { name: "b" }];
  for (let i = 0; i < 100; i++) {
    schedule.set(a, 1000 + i);
    schedule.set(a, 500 - i);
    schedule.set(b, 700);
  }
  assert.equal(schedule.next(), 401);
  assert.equal(schedule.take(10_000), a);
  assert.equal(schedule.take(10_000), b);
  assert.equal(schedule.take(10_000), undefined);
  schedule.set(a, 1);
  schedule.set(b, 2);
  schedule.delete(a);
  schedule.delete(a);
  assert.equal(schedule.next(), 2);
  assert.equal(schedule.take(10), b);
  assert.equal(schedule.next(), undefined);
});

Deno.test("Schedule forgets from the middle, and gives the others in order", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { maxLength: 60 }),
      fc.infiniteStream(fc.boolean()),
      (times, keep) => {
        const schedule = new Schedule<{ readonly at: number }>();
        const items = times.map((at) => ({ at }));
        for (const item of items) schedule.set(item, item.at);
        const kept = items.filter((item) => {
          const stays = keep.next().value as boolean;
          if (!stays) schedule.delete(item);
          return stays;
        });
        const taken: number[] = [];
        for (let due = schedule.take(Infinity); due; due = schedule.take(Infinity)) {
          taken.push(due.at);
        }
        assert.deepEqual(taken, kept.map(({ at }) => at).toSorted((x, y) => x - y));
      },
    ),
  );
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
