/** What a change of the configuration would end, before it is made: more than half needs to be asked for twice. Pure. @module */

import { ApplianceError } from "./errors.ts";
import { each, type Slices } from "../slices.ts";
import type { ReloadStep } from "./part.ts";

/** A tunnel that is there, and the names of its sessions. */
export interface Established {
  readonly tunnel: string;
  readonly sessions: readonly string[];
}

/** How much there is, and how much of it steps would end: tunnels and sessions, restarted ones too. */
export interface Toll {
  readonly established: number;
  readonly ends: number;
}

/** Counts. */
export function* tollOf(
  there: readonly Established[],
  steps: readonly ReloadStep[],
): Slices<Toll> {
  const ending = new Set<string>();
  yield* each(steps, ({ path, step }) => {
    if (step === "removed" || step === "restarted") ending.add(path);
  });
  let [established, ends] = [0, 0];
  yield* each(there, ({ sessions, tunnel }) => {
    established += 1 + sessions.length;
    const path = `tunnels/${tunnel}`;
    if (ending.has(path)) ends += 1 + sessions.length;
    else ends += sessions.filter((name) => ending.has(`${path}/sessions/${name}`)).length;
  });
  return { established, ends };
}

/** @throws {ApplianceError} where more than half would end */
export function brake({ ends, established }: Toll): void {
  if (ends * 2 <= established) return;
  const message =
    `this would end ${ends} of the ${established} tunnels and sessions that are up, so nothing was changed; ` +
    "isthmus reload --dry-run shows the steps, isthmus reload --force makes them";
  throw new ApplianceError("needs-force", undefined, message);
}
