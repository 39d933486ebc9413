import assert from "node:assert/strict";
import type { TunnelSummary } from "../config/model.ts";
import { atOnce } from "../slices.ts";
import { counterNames } from "./statistics.ts";
import { createTotals } from "./totals.ts";

/** A tunnel as it is seen, that has received so many packets. */
function seen(tunnelId: number, packets: number): TunnelSummary {
  const none = Object.fromEntries(counterNames.map((name) => [name, 0]));
  return {
    config: { tunnelId },
    createdAt: 1,
    counters: { ...none, "rx-packets": packets },
  } as unknown as TunnelSummary;
}

Deno.test("what a tunnel has counted is counted once, though it goes and though two look at a time", () => {
  const totals = createTotals();
  const packets = (round: number) => atOnce(totals.end(round))["rx-packets"];
  const first = totals.begin();
  totals.see(seen(1, 10));
  totals.see(seen(3, 100));
  const second = totals.begin();
  // Made since the first one passed its place.
  totals.see(seen(2, 5));
  totals.see(seen(1, 11));
  assert.equal(packets(first), 116);
  // The second one comes to it only now.
  totals.see(seen(3, 100));
  assert.equal(packets(second), 116);
  const third = totals.begin();
  totals.see(seen(2, 6));
  assert.equal(packets(third), 117, "the one that is gone stays in the sum");
  const fourth = totals.begin();
  totals.see(seen(2, 6));
  assert.equal(packets(fourth), 117);
});
