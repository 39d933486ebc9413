import assert from "node:assert/strict";
import { makeMeters } from "./meters.ts";

Deno.test("makeMeters() adds up the circuits of a plugin", () => {
  const meters = makeMeters();
  meters.counter("ppp-oe", "frames", "Frames").add();
  meters.counter("ppp-oe", "frames_total", "Frames").add(2);
  const first = meters.gauge("ppp-oe", "open", "Open", () => 3);
  meters.gauge("ppp-oe", "open", "Open", () => 4);
  const values = () => meters.read().map(({ name, type, value }) => [name, type, value]);
  assert.deepEqual(values(), [
    ["isthmus_ppp_oe_frames_total", "counter", 3],
    ["isthmus_ppp_oe_open", "gauge", 7],
  ]);
  first[Symbol.dispose]();
  assert.equal(values()[1]![2], 4);
  assert.throws(() => meters.gauge("ppp-oe", "frames_total", "", () => 0), TypeError);
});
