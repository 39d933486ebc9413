/**
 * Sums over tunnels that come and go, for counters that must never fall: what a tunnel had counted when it was last
 * seen stays in the sum after it went. Pure.
 *
 * @module
 */

import type { Counters } from "../../wasm/mod.ts";
import type { TunnelSummary } from "../config/model.ts";
import { each, type Slices } from "../slices.ts";
import { counterNames } from "./statistics.ts";

/** The sums since it was made. */
export interface Totals {
  /** Takes in one tunnel as it is, for one that is about to go. */
  see(tunnel: TunnelSummary): void;
  /** Takes in all tunnels that there are, and gives the sums; in slices. */
  seeAll(tunnels: readonly TunnelSummary[]): Slices<Readonly<Counters>>;
}

/** Starts at zero. */
export function createTotals(): Totals {
  const sums = Object.fromEntries(counterNames.map((name) => [name, 0])) as Counters;
  const seen = new Map<string, Counters>();

  function see(tunnel: TunnelSummary): void {
    const key = keyOf(tunnel);
    const before = seen.get(key);
    for (const name of counterNames) {
      sums[name] += Math.max(0, tunnel.counters[name] - (before?.[name] ?? 0));
    }
    seen.set(key, { ...tunnel.counters });
  }

  return {
    see,
    *seeAll(tunnels) {
      const there = new Set<string>();
      yield* each(tunnels, (tunnel) => {
        see(tunnel);
        there.add(keyOf(tunnel));
      });
      yield* each(seen.keys(), (key) => {
        if (!there.has(key)) seen.delete(key);
      });
      return sums;
    },
  };
}

/** Another tunnel of the same id has another time of making. */
function keyOf({ config, createdAt }: TunnelSummary): string {
  return `${config.tunnelId} ${createdAt}`;
}
