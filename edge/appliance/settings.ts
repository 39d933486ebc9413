/** The log, the admin endpoint, what devices may do, and where plugins keep what outlives the appliance. @module */

import type { AdminConfig, Config } from "../config/model.ts";
import type { System } from "../io/system.ts";
import type { Logger } from "../log/log.ts";
import type { DownList } from "./down.ts";
import { isPassing } from "./errors.ts";
import type { Part, Steps } from "./part.ts";
import { same } from "../config/same.ts";

export interface SettingsDependencies {
  readonly down: DownList;
  readonly log: Logger;
  readonly system: Pick<System, "setOffload">;
  /** Moves the admin endpoint. @throws {ApplianceError} and leaves it where it was */
  changeAdmin(admin: AdminConfig): Promise<void>;
}

const LATER = "it counts when isthmus is restarted";

type Settings = Pick<Config, "admin" | "log" | "offload" | "stateFolder">;

/** From some settings to others. An admin endpoint that cannot move yet stays where it is until it can. */
export function settingsPart(
  before: Settings,
  after: Settings,
  { changeAdmin, down, log, system }: SettingsDependencies,
  steps: Steps,
): Part {
  const differs = (key: keyof Settings) => !same(before[key], after[key]);
  return {
    foresee(steps) {
      for (const key of ["log", "offload", "admin"] as const) {
        if (differs(key)) steps.note(key, "changed");
      }
      if (differs("stateFolder")) steps.note("state-folder", "changed", LATER);
    },
    async open(tx) {
      if (!same(before.log, after.log)) {
        log.configure(after.log);
        tx.undo(() => log.configure(before.log));
        steps.note("log", "changed");
      }
      if (!same(before.offload, after.offload)) {
        system.setOffload(after.offload ?? {});
        tx.undo(() => system.setOffload(before.offload ?? {}));
        steps.note("offload", "changed");
      }
      if (before.stateFolder !== after.stateFolder) {
        // Plugins have their databases open in the former one.
        steps.note("state-folder", "changed", LATER);
      }
      if (same(before.admin, after.admin)) return;
      try {
        await changeAdmin(after.admin);
        tx.undo(() => changeAdmin(before.admin));
        tx.commit(() => down.delete("admin"));
      } catch (error) {
        if (!isPassing(error)) throw error;
        const retry = () => changeAdmin(after.admin);
        tx.commit(() => down.add("admin", error, { queue: undefined, retry }));
      }
      steps.note("admin", "changed");
    },
  };
}
