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
  /** Begins a round: all tunnels that there are from now on are seen. Several may be under way. */
  begin(): number;
  /** Ends a round: forgets those that were not seen since, and gives the sums; in slices. */
  end(round: number): Slices<Readonly<Counters>>;
}

/** Starts at zero. */
export function createTotals(): Totals {
  const sums = Object.fromEntries(counterNames.map((name) => [name, 0])) as Counters;
  /** What each had when it was last seen, and the latest round by then. */
  const seen = new Map<string, { readonly counters: Counters; readonly round: number }>();
  let round = 0;

  function see(tunnel: TunnelSummary): void {
    const key = keyOf(tunnel);
    const before = seen.get(key)?.counters;
    for (const name of counterNames) {
      sums[name] += Math.max(0, tunnel.counters[name] - (before?.[name] ?? 0));
    }
    seen.set(key, { counters: { ...tunnel.counters }, round });
  }

  return {
    see,
    begin: () => ++round,
    *end(since) {
      yield* each(seen, ([key, last]) => {
        if (last.round < since) seen.delete(key);
      });
      return sums;
    },
  };
}

/** Another tunnel of the same id has another time of making. */
function keyOf({ config, createdAt }: TunnelSummary): string {
  return `${config.tunnelId} ${createdAt}`;
}
