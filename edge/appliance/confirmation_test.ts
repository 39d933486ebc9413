import assert from "node:assert/strict";
import { makeConfirmation } from "./confirmation.ts";

function bench() {
  let now = 0;
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  const confirmation = makeConfirmation({
    now: () => now,
    timer(at, callback) {
      const timer = { at, callback };
      timers.add(timer);
      return { [Symbol.dispose]: () => void timers.delete(timer) };
    },
  });
  const undone: string[] = [];
  return {
    confirmation,
    undone,
    undo: (what: string) => () => void undone.push(what),
    pass(ms: number) {
      now += ms;
      for (const timer of [...timers]) {
        if (timer.at <= now && timers.delete(timer)) timer.callback();
      }
    },
  };
}

Deno.test("what nobody confirms is undone once, in time", () => {
  const { confirmation, pass, undo, undone } = bench();
  confirmation.await(1000, undo("first"));
  pass(999);
  assert.deepEqual([undone, confirmation.waits], [[], true]);
  pass(1);
  pass(5000);
  assert.deepEqual([undone, confirmation.waits], [["first"], false]);
  assert.equal(confirmation.confirm(), false);
});

Deno.test("a second change in between goes back to before the first, when its own time is over", () => {
  const { confirmation, pass, undo, undone } = bench();
  confirmation.await(1000, undo("first"));
  pass(900);
  confirmation.await(1000, undo("second"));
  pass(900);
  assert.deepEqual(undone, []);
  pass(100);
  assert.deepEqual(undone, ["first"]);
});

Deno.test("what is confirmed stays, and nothing is undone after disposal", () => {
  const { confirmation, pass, undo, undone } = bench();
  confirmation.await(1000, undo("first"));
  assert.equal(confirmation.confirm(), true);
  pass(5000);
  confirmation.await(1000, undo("second"));
  confirmation[Symbol.dispose]();
  pass(5000);
  assert.deepEqual(undone, []);
});
