import assert from "node:assert/strict";
import fc from "fast-check";
import { type Runtime, TimerQueue } from "./timer_queue.ts";

/** Time that passes when the test says so; a callback may take some. */
function makeRuntime() {
  const waiting = new Map<number, { at: number; callback: () => void }>();
  let handles = 0;
  const runtime = {
    time: 0,
    turns: 0,
    waiting,
    now: () => runtime.time,
    after(ms: number, callback: () => void) {
      assert.ok(Number.isInteger(ms) && ms >= 0 && ms <= 0x7fff_ffff);
      const handle = handles++;
      waiting.set(handle, { at: runtime.time + ms, callback });
      return () => void waiting.delete(handle);
    },
    pass(ms: number) {
      const end = runtime.time + ms;
      for (;;) {
        const [next] = [...waiting].toSorted(([, a], [, b]) => a.at - b.at);
        if (!next || next[1].at > end) break;
        waiting.delete(next[0]);
        runtime.time = Math.max(runtime.time, next[1].at);
        runtime.turns++;
        next[1].callback();
      }
      runtime.time = Math.max(runtime.time, end);
    },
  };
  return runtime satisfies Runtime;
}

Deno.test("timers are called in order, those that are cancelled never, and one is waited for at a time", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ at: fc.integer({ min: 0, max: 50 }), cancelled: fc.boolean() })),
    (wanted) => {
      const runtime = makeRuntime();
      const queue = new TimerQueue(runtime);
      const called: number[] = [];
      const timers = wanted.map(({ at }, i) =>
        queue.add(at, () => {
          assert.ok(runtime.time >= at);
          called.push(i);
        })
      );
      wanted.forEach(({ cancelled }, i) => cancelled && timers[i]![Symbol.dispose]());
      const left = wanted.some(({ cancelled }) => !cancelled);
      assert.equal(runtime.waiting.size, left ? 1 : 0, "one for all, and none for nothing");
      runtime.pass(100);
      const due = wanted.map(({ at, cancelled }, i) => ({ at, cancelled, i }))
        .filter(({ cancelled }) => !cancelled).toSorted((a, b) => a.at - b.at).map(({ i }) => i);
      assert.deepEqual(called, due);
      assert.equal(runtime.waiting.size, 0, "nothing is left that keeps the process alive");
    },
  ));
});

Deno.test("a callback may set and cancel timers; one of them that throws keeps no other from its turn", () => {
  const runtime = makeRuntime();
  const queue = new TimerQueue(runtime);
  const called: string[] = [];
  const never = queue.add(3, () => void called.push("never"));
  queue.add(1, () => {
    called.push("first");
    never[Symbol.dispose]();
    queue.add(2, () => void called.push("second"));
  });
  queue.add(2, () => {
    throw new Error("a defect");
  });
  queue.add(2, () => void called.push("third"));
  assert.throws(() => runtime.pass(10), /a defect/);
  runtime.pass(10);
  assert.deepEqual(called, ["first", "third", "second"]);
});

Deno.test("what is due is called in turns, so that others are heard between them", () => {
  const runtime = makeRuntime();
  const queue = new TimerQueue(runtime);
  let called = 0;
  for (let i = 0; i < 100; i++) {
    queue.add(0, () => {
      called++;
      runtime.time++;
    });
  }
  runtime.pass(0);
  runtime.pass(1000);
  assert.equal(called, 100);
  assert.ok(runtime.turns >= 10, `${runtime.turns} turns`);
});

Deno.test("a delay that is longer than the runtime's longest is waited for in steps", () => {
  const runtime = makeRuntime();
  const queue = new TimerQueue(runtime);
  let called = 0;
  queue.add(0x1_8000_0000, () => void called++);
  runtime.pass(0x1_7fff_ffff);
  assert.equal(called, 0);
  runtime.pass(1);
  assert.equal(called, 1);
});
