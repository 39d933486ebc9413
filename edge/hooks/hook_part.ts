/** Hooks, from those in force to those of the file. @module */

import type { Part, Steps } from "../appliance/part.ts";
import type { HookCommands, Hooks } from "./hooks.ts";
import { same } from "../config/same.ts";

/** Comes before all else: what comes up in this very change has its hook run. */
export function hookPart(
  before: HookCommands,
  after: HookCommands,
  hooks: Pick<Hooks, "configure">,
  steps: Steps,
): Part {
  return {
    foresee(steps) {
      if (!same(before, after)) steps.note("hooks", "changed");
    },
    open(tx) {
      if (!same(before, after)) {
        hooks.configure(after);
        tx.undo(() => hooks.configure(before));
        steps.note("hooks", "changed");
      }
      return Promise.resolve();
    },
  };
}
