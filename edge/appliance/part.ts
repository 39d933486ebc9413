/** What the parts of the appliance have in common on the way from one configuration to another. @module */

import { ApplianceError } from "./errors.ts";
import type { Slices } from "../slices.ts";
import type { Transaction } from "./transaction.ts";

/** A step that was carried out. */
export interface ReloadStep {
  /** `listen/udp:0.0.0.0:1701`, `peers/hq`, `tunnels/branch`, `tunnels/branch/sessions/office`, `log`. */
  readonly path: string;
  readonly step: "added" | "changed" | "restarted" | "removed";
  /** What of it changed, or why it was restarted or removed. */
  readonly why?: string;
}

/** The paths of a report's steps of one kind. */
export function pathsOf(
  { steps }: { readonly steps: readonly ReloadStep[] },
  step: ReloadStep["step"],
): string[] {
  return steps.filter((each) => each.step === step).map(({ path }) => path);
}

/** Takes down which steps were carried out. */
export interface Steps {
  readonly all: readonly ReloadStep[];
  readonly kept: number;
  note(path: string, step: ReloadStep["step"], why?: string): void;
  keep(count: number): void;
}

/** Nothing was done yet. */
export function makeSteps(): Steps {
  const all: ReloadStep[] = [];
  let kept = 0;
  return {
    all,
    get kept() {
      return kept;
    },
    note: (path, step, why) =>
      void all.push({ path, step, ...(why !== undefined && why !== "" && { why }) }),
    keep: (count) => void (kept += count),
  };
}

/**
 * A part of the appliance on its way to another configuration. All parts go through one method before any goes on to
 * the next; a part that has nothing to do in one of them leaves it out. None of them does more in one turn of the event
 * loop than some milliseconds' worth: what goes through many things does so in slices.
 */
export interface Part {
  /** What is let go of on the way: tunnels and circuits, by their paths. */
  readonly leaving?: ReadonlySet<string>;
  /** Notes the steps that it would carry out, as far as they can be foreseen, and touches nothing. */
  foresee(steps: Steps): Slices<void> | void;
  /**
   * Finds what waiting cannot mend, and touches nothing.
   * @param leaving that of all parts
   * @throws {ApplianceError}
   */
  check?(leaving: ReadonlySet<string>): Slices<void> | void;
  /** Opens what needs nothing freed, and changes in place what can be. @throws {ApplianceError} and is taken back */
  open?(tx: Transaction): Promise<void>;
  /** Ends what can be begun again if the reload fails, and begins what waited for that. @throws {ApplianceError} likewise */
  swap?(tx: Transaction): Promise<void>;
  /** Ends what has no way back. From here on nothing fails: what cannot be had is down, and tried again. */
  end?(): Promise<void>;
  /** Begins what waited for that. */
  begin?(): Promise<void>;
}

/** Whether something else of ours is in the way, which may be about to end. */
export function isClash(error: unknown): error is ApplianceError {
  return error instanceof ApplianceError && (error.code === "exists" || error.code === "in-use");
}
