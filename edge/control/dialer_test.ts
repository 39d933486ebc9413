import assert from "node:assert/strict";
import { isWanted, pauseMs, type Placement, type Slot } from "./dialer.ts";

Deno.test("pauseMs() doubles from 1 s to 60 s, a quarter more or less", () => {
  const middle = Array.from({ length: 9 }, (_, failures) => pauseMs(failures, 0.5));
  assert.deepEqual(middle, [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => 1000 * seconds));
  assert.equal(pauseMs(0, 0), 750);
  assert.ok(pauseMs(2000, 0.999) < 75_000);
});

Deno.test("isWanted(): persistent always, on-demand while a call is wanted, passive never", () => {
  const slot = (mode: Slot["config"]["mode"], held: readonly boolean[], more = {}) => ({
    config: { mode } as Slot["config"],
    placements: new Map(held.map((held, i) => [`s${i}`, { held } as Placement])),
    held: false,
    gone: false,
    ...more,
  } as Slot);
  assert.ok(isWanted(slot("persistent", [])));
  assert.ok(!isWanted(slot("on-demand", [])));
  assert.ok(isWanted(slot("on-demand", [true, false])));
  assert.ok(!isWanted(slot("on-demand", [true])));
  assert.ok(!isWanted(slot("passive", [false])));
  assert.ok(!isWanted(slot("persistent", [], { held: true })));
  assert.ok(!isWanted(slot("persistent", [], { gone: true })));
});
