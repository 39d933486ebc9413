import assert from "node:assert/strict";
import { feedWatchdog } from "./run.ts";

Deno.test("the watchdog is fed twice as often as it asks for, and not at all where it does not", async () => {
  let fed = 0;
  {
    using _dog = feedWatchdog("100000", () => fed++);
    assert.equal(fed, 1);
    const deadline = performance.now() + 5000;
    while (fed < 4 && performance.now() < deadline) await new Promise((r) => setTimeout(r, 10));
    assert.ok(fed >= 4);
  }
  for (const none of [undefined, "", "0", "x"]) {
    using _dog = feedWatchdog(none, () => assert.fail());
  }
});
