import assert from "node:assert/strict";
import type { ManagedTunnel, PlacedCall } from "./context.ts";
import { isWanted, pauseMs } from "./dialer.ts";

Deno.test("pauseMs() doubles from 1 s to 60 s, a quarter more or less", () => {
  const middle = Array.from({ length: 9 }, (_, failures) => pauseMs(failures, 0.5));
  assert.deepEqual(middle, [1, 2, 4, 8, 16, 32, 60, 60, 60].map((seconds) => 1000 * seconds));
  assert.equal(pauseMs(0, 0), 750);
  assert.ok(pauseMs(2000, 0.999) < 75_000);
});

Deno.test("isWanted(): persistent always, on-demand while a call is wanted, passive never", () => {
  const managed = (mode: ManagedTunnel["config"]["mode"], held: readonly boolean[], more = {}) => ({
    config: { mode } as ManagedTunnel["config"],
    placedCalls: new Map(held.map((held, i) => [`s${i}`, { held } as PlacedCall])),
    held: false,
    gone: false,
    ...more,
  } as ManagedTunnel);
  assert.ok(isWanted(managed("persistent", [])));
  assert.ok(!isWanted(managed("on-demand", [])));
  assert.ok(isWanted(managed("on-demand", [true, false])));
  assert.ok(!isWanted(managed("on-demand", [true])));
  assert.ok(!isWanted(managed("passive", [false])));
  assert.ok(!isWanted(managed("persistent", [], { held: true })));
  assert.ok(!isWanted(managed("persistent", [], { gone: true })));
});
