/** What a reload says of static tunnels and sessions, before and after it was carried out. @module */

import type { Steps } from "../appliance/part.ts";
import type { TunnelConfig } from "../config/model.ts";
import type { StaticPlan, Task } from "./static_plan.ts";
import { each, type Slices } from "../slices.ts";
import { sessionPath } from "./table.ts";

/** Notes all that a plan is going to do. */
export function* foreseeStatic(
  plan: StaticPlan,
  { running, wanted }: {
    readonly running: readonly TunnelConfig[];
    readonly wanted: readonly TunnelConfig[];
  },
  steps: Steps,
): Slices<void> {
  steps.keep(plan.kept);
  const next = new Map(wanted.map((tunnel) => [tunnel.name, tunnel]));
  const noteTunnel = makeNote(running, steps);
  yield* each(plan.removedSessions, ({ item, step, tunnel }) => {
    if (step === "removed") steps.note(sessionPath(tunnel, item), step);
  });
  yield* each(plan.removed, (tunnel) => noteRemoved(tunnel, next.get(tunnel.name), steps));
  yield* each(plan.changed, ({ item, step, why }) => {
    steps.note(`tunnels/${item.after.name}`, step, why);
  });
  yield* each(plan.changedSessions, ({ item, step, tunnel, why }) => {
    steps.note(sessionPath(tunnel, item.after), step, why);
  });
  yield* each(plan.added, noteTunnel);
  yield* each(plan.addedSessions, ({ item, step, tunnel, why }) => {
    steps.note(sessionPath(tunnel, item), step, why);
  });
}

/** Notes what became of a tunnel that was made, and of its sessions. */
export function makeNote(running: readonly TunnelConfig[], steps: Steps) {
  const former = new Map(running.map((tunnel) => [tunnel.name, tunnel]));
  return ({ item, step, why }: Task<TunnelConfig>) => {
    steps.note(`tunnels/${item.name}`, step, why);
    const before = new Set(former.get(item.name)?.sessions.map(({ name }) => name));
    for (const session of item.sessions) {
      const again = before.has(session.name);
      const reason = again ? "its tunnel was restarted" : "";
      steps.note(sessionPath(item, session), again ? "restarted" : "added", reason);
    }
  };
}

/** What is not added again under its name. */
export function noteRemoved(
  { name, sessions }: TunnelConfig,
  next: TunnelConfig | undefined,
  steps: Steps,
): void {
  if (!next) steps.note(`tunnels/${name}`, "removed");
  const again = new Set(next?.sessions.map(({ name }) => name));
  for (const session of sessions) {
    if (again.has(session.name)) continue;
    steps.note(`tunnels/${name}/sessions/${session.name}`, "removed");
  }
}
