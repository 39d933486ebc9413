import assert from "node:assert/strict";
import { feedWatchdog, STOP_MS, within } from "./run.ts";

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

Deno.test("what takes too long is given up, and what fails is told", async () => {
  assert.equal(await within(Promise.resolve(), 60_000), true);
  assert.equal(await within(new Promise<void>(() => {}), 10), false);
  await assert.rejects(within(Promise.reject(new Error("no")), 60_000), /no/);
});

Deno.test("the service manager gives us more time to stop than we take", async () => {
  const unit = await Deno.readTextFile(new URL("../docs/isthmus.service", import.meta.url));
  const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)![1]);
  // Beside tunnels: requests under way, and the log.
  assert.ok(seconds * 1000 >= STOP_MS + 5000, `TimeoutStopSec=${seconds}`);
});
