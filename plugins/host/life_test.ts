import assert from "node:assert/strict";
import { Failure } from "../failure.ts";
import { makeWorld, settle } from "../testing/world.ts";
import { type Life, makeLife, UNDO_MS } from "./life.ts";
import { makeScope, type ScopeSetting } from "./scope.ts";

const WHY = { result: 3, message: "enough" };

function bench() {
  const world = makeWorld();
  const trace: string[] = [];
  const life = makeLife(world.leaves, "circuit lan");
  const had = (of: Life, name: string) =>
    of.own(async () => {
      await Promise.resolve();
      trace.push(`+${name}`);
      return { value: name, undo: () => void trace.push(`-${name}`) };
    });
  return { had, life, trace, world };
}

Deno.test("an end aborts all signals, ends what is inside side by side, then undoes the rest in reverse", async () => {
  const { had, life, trace } = bench();
  await had(life, "tap");
  const [one, two] = [life.child("one"), life.child("two")];
  for (const [name, child] of Object.entries({ life, one, two })) {
    child.signal.addEventListener("abort", () => trace.push(`abort ${name}`));
  }
  await had(one, "join one");
  await had(two, "join two");
  one.defer(() => void trace.push("farewell one"));
  await had(life, "later");
  await life.end(WHY);
  assert.deepEqual(trace.slice(0, 7), [
    ...["+tap", "+join one", "+join two", "+later"],
    ...["abort life", "abort one", "abort two"],
  ]);
  const ends = trace.slice(7);
  assert.deepEqual(ends.filter((each) => each.endsWith("one")), ["farewell one", "-join one"]);
  assert.deepEqual(ends.slice(-2), ["-later", "-tap"]);
  assert.equal(ends.length, 5);
  assert.equal(life.ending, WHY);
});

Deno.test("the first end counts, and everybody waits for the same undoing", async () => {
  const { life, world } = bench();
  const reasons: unknown[] = [];
  const slow = Promise.withResolvers<void>();
  life.defer((why) => {
    reasons.push(why);
    return slow.promise;
  });
  const ends = [life.end(WHY), life.end({ result: 1 })];
  life.fail(new Error("too late"));
  let over = false;
  void ends[1]!.then(() => over = true);
  await settle();
  assert.equal(over, false);
  slow.resolve();
  await Promise.all(ends);
  assert.deepEqual(reasons, [WHY]);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("a failure ends a life as a fault of ours", async () => {
  const { life, world } = bench();
  const told: unknown[] = [];
  const failure = new Failure("unavailable", "TAP office0 vanished");
  const child = life.child("one", (why, failure) => told.push(why, failure));
  child.fail(failure);
  child.fail(new Error("another"));
  await child.end(WHY);
  assert.deepEqual(told, [{ result: 2, error: 6, message: "TAP office0 vanished" }, failure]);
  assert.equal(life.ending, undefined);
  await life.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("what is had while a life ends is undone, and its caller told", async () => {
  const { had, life, trace } = bench();
  const having = had(life, "tap");
  const ended = life.end(WHY);
  await assert.rejects(having, { code: "unavailable" });
  await ended;
  assert.deepEqual(trace, ["+tap", "-tap"]);
  await assert.rejects(had(life, "late"), { code: "unavailable" });
  assert.throws(() => life.child("late"), { code: "unavailable" });
  assert.throws(() => life.push(() => {}), { code: "unavailable" });
  assert.deepEqual(trace, ["+tap", "-tap"]);
});

Deno.test("what could not be had leaves nothing to undo", async () => {
  const { life, trace } = bench();
  await assert.rejects(life.own(() => Promise.reject(new Error("no"))), { message: "no" });
  await life.end(WHY);
  assert.deepEqual(trace, []);
});

Deno.test("defer() in a life that has ended undoes at once, and throws", async () => {
  const { life, trace } = bench();
  await life.end(WHY);
  assert.throws(() => life.defer(({ message }) => void trace.push(message!)), {
    code: "unavailable",
  });
  await settle();
  assert.deepEqual(trace, ["enough"]);
});

Deno.test("an undoing that fails or hangs is logged, and the rest is undone", async () => {
  const { had, life, trace, world } = bench();
  await had(life, "tap");
  life.defer(() => new Promise(() => {}));
  life.defer(() => {
    throw new Error("oops");
  });
  const ended = life.end(WHY);
  await world.advance(UNDO_MS - 1);
  assert.deepEqual(trace, ["+tap"]);
  await world.advance(1);
  await ended;
  assert.deepEqual(trace, ["+tap", "-tap"]);
  assert.deepEqual(world.lines.map(({ fields, level }) => [level, fields["error"]]), [
    ["warn", "oops"],
    ["warn", "an undoing of circuit lan took longer than 2 s"],
  ]);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("what an undoing begins is undone too", async () => {
  const { life, trace } = bench();
  life.push(() => {
    trace.push("first");
    life.push(() => void trace.push("second"));
  });
  await life.end(WHY);
  assert.deepEqual(trace, ["first", "second"]);
});

Deno.test("what was taken back is not undone", async () => {
  const { life, trace } = bench();
  const back = life.push(() => void trace.push("undone"));
  life.push(() => void trace.push("kept"));
  back();
  await life.end(WHY);
  assert.deepEqual(trace, ["kept"]);
});

Deno.test("a timer that was called or cancelled is no more a part of its scope", async () => {
  const { life, world } = bench();
  let had = 0;
  const counted = Object.assign(Object.create(life) as Life, {
    label: "test",
    add: () => void had++,
    drop: () => void had--,
  });
  const scope = makeScope(counted, { leaves: world.leaves } as ScopeSetting);
  const { timer } = scope;
  let called = 0;
  const [first, second] = [timer(10, () => called++), timer(20, () => called++)];
  assert.equal(had, 2);
  await world.advance(10);
  assert.deepEqual([called, had], [1, 1]);
  second.cancel();
  await world.advance(20);
  assert.deepEqual([called, had], [1, 0]);
  first.cancel();
  await life.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("of very many inside, no more begin to end in one turn than others can wait for", async () => {
  const { leaves } = makeWorld();
  let began = 0;
  const turns: number[] = [];
  const life = makeLife(
    { ...leaves, rest: () => Promise.resolve(void turns.push(began)) },
    "a circuit",
  );
  for (let i = 0; i < 1000; i++) life.child(`session ${i}`, () => began++);
  await life.end(WHY);
  assert.equal(began, 1000);
  const most = Math.max(...turns.map((n, i) => n - (turns[i - 1] ?? 0)));
  assert.ok(turns.length > 10 && most <= 64, `${most} in one turn`);
});
