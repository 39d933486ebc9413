/**
 * Sums over tunnels that come and go, for counters that must never fall: what a tunnel had counted when it was last
 * seen stays in the sum after it went. Pure.
 *
 * @module
 */

import type { TunnelState } from "../model.ts";
import type { Counters } from "../../wasm/mod.ts";
import { counterNames } from "./statistics.ts";

/** Takes all tunnels as they are and gives the sums since the first call. */
export type Totals = (tunnels: readonly TunnelState[]) => Readonly<Counters>;

/** Starts at zero. */
export function createTotals(): Totals {
  const sums = zero();
  let seen = new Map<string, Counters>();
  return (tunnels) => {
    const now = new Map<string, Counters>();
    for (const { config, createdAt, counters } of tunnels) {
      const key = `${config.tunnelId} ${createdAt}`;
      const before = seen.get(key);
      for (const name of counterNames) {
        sums[name] += Math.max(0, counters[name] - (before?.[name] ?? 0));
      }
      now.set(key, { ...counters });
    }
    seen = now;
    return sums;
  };
}

function zero(): Counters {
  return Object.fromEntries(counterNames.map((name) => [name, 0])) as Counters;
}
