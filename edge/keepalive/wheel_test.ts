import assert from "node:assert/strict";
import fc from "fast-check";
import { type Due, TURN_MS, Wheel } from "./wheel.ts";

/** A clock that goes on when it is told to, and may stand still longer than it should. */
function bench() {
  let now = 1000;
  const timers = new Set<{ at: number; callback: () => void }>();
  let wound = 0;
  const wheel = new Wheel({
    now: () => now,
    timer(at, callback) {
      wound++;
      const timer = { at, callback };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
  });
  return {
    wheel,
    timers,
    get now() {
      return now;
    },
    get wound() {
      return wound;
    },
    advance(ms: number) {
      const end = now + ms;
      for (;;) {
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        now = Math.max(now, next?.at ?? end);
        if (!next) return;
        timers.delete(next);
        next.callback();
      }
    },
    /** Nothing runs for a while: timers are late. */
    stand(ms: number) {
      now += ms;
      const late = [...timers].filter(({ at }) => at <= now);
      for (const timer of late) {
        timers.delete(timer);
        timer.callback();
      }
    },
  };
}

Deno.test("everything is due at its time or a turn later, once", () => {
  const times = fc.array(fc.integer({ min: 0, max: 30_000 }), { minLength: 1, maxLength: 50 });
  fc.assert(fc.property(times, (after) => {
    const one = bench();
    const called: [number, number][] = [];
    for (const ms of after) one.wheel.set((now) => called.push([ms, now - 1000]), 1000 + ms);
    one.advance(31_000);
    assert.equal(called.length, after.length);
    for (const [ms, at] of called) assert.ok(at >= ms && at < ms + 2 * TURN_MS, `${ms} at ${at}`);
    assert.equal(one.timers.size, 0);
  }));
});

Deno.test("there is one timer at most, and none for nothing", () => {
  const one = bench();
  const whats = Array.from({ length: 2000 }, (): Due => () => {});
  whats.forEach((what, i) => one.wheel.set(what, 2000 + i % 1000));
  assert.equal(one.timers.size, 1);
  one.advance(500);
  assert.equal(one.timers.size, 1);
  for (const what of whats) one.wheel.delete(what);
  assert.deepEqual([one.timers.size, one.wheel.size], [0, 0]);
});

Deno.test("it turns only when there is something to do", () => {
  const one = bench();
  let count = 0;
  const again: Due = (now) => {
    count++;
    one.wheel.set(again, now + 1000);
  };
  one.wheel.set(again, 2000);
  one.advance(60_000);
  assert.ok(count >= 55 && count <= 60, `${count}`);
  assert.ok(one.wound <= 3 * count, `wound up ${one.wound} times`);
});

Deno.test("what is far away comes in its own round", () => {
  const one = bench();
  const called: string[] = [];
  one.wheel.set(() => called.push("far"), 1000 + 3_600_000);
  one.wheel.set(() => called.push("near"), 1100);
  one.advance(3_599_000);
  assert.deepEqual(called, ["near"]);
  one.advance(2000);
  assert.deepEqual(called, ["near", "far"]);
});

Deno.test("what is set anew or taken off is not due any more, even within a turn", () => {
  const one = bench();
  const called: string[] = [];
  const second: Due = () => called.push("second");
  one.wheel.set(() => {
    called.push("first");
    one.wheel.delete(second);
  }, 1100);
  one.wheel.set(second, 1100);
  const moved: Due = () => called.push("moved");
  one.wheel.set(moved, 1100);
  one.wheel.set(moved, 3000);
  one.advance(1500);
  assert.deepEqual(called, ["first"]);
  one.advance(1000);
  assert.deepEqual(called, ["first", "moved"]);
});

Deno.test("where the process stood still, all is later by so much: what came in meanwhile goes first", () => {
  const one = bench();
  const called: [string, number][] = [];
  one.wheel.set((now) => called.push(["a", now]), 1500);
  one.wheel.set((now) => called.push(["b", now]), 2500);
  one.stand(3000);
  assert.equal(called.length, 0);
  one.advance(2 * TURN_MS);
  assert.deepEqual(called.map(([name]) => name), ["a"]);
  one.advance(10_000);
  assert.deepEqual(called.map(([name]) => name), ["a", "b"]);
  assert.ok(called[1]![1] >= 2500 + 2400, `b at ${called[1]![1]}`);
});

Deno.test("a timer that is a little late is no standstill", () => {
  const one = bench();
  const called: number[] = [];
  one.wheel.set((now) => called.push(now), 1500);
  one.stand(500 + 3 * TURN_MS);
  assert.equal(called.length, 1);
});

Deno.test("where the process is always late, everything has its turn all the same", () => {
  const one = bench();
  let count = 0;
  const again: Due = (now) => {
    count++;
    one.wheel.set(again, now + 100);
  };
  one.wheel.set(again, 1100);
  for (let i = 0; i < 40; i++) one.stand(300);
  assert.ok(count >= 15, `${count}`);
});
