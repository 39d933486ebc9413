/** What of static tunnels and sessions is taken out on the way to another configuration, and comes back if that fails. @module */

import type { Steps } from "../appliance/part.ts";
import { forEach, type Transaction } from "../appliance/transaction.ts";
import type { TunnelConfig } from "../config/model.ts";
import type { StaticDependencies } from "./static_jobs.ts";
import { noteRemoved } from "./static_notes.ts";
import type { StaticPlan, StaticSituation } from "./static_plan.ts";
import type { OwnedSession } from "./tunnels.ts";

/** How many tunnels or sessions are worked on at a time. */
const WIDTH = 16;

/** Takes out single sessions. */
export async function removeSessions(
  plan: Pick<StaticPlan, "removedSessions">,
  { down, sessions, tunnels }: StaticDependencies,
  steps: Steps,
  tx: Transaction,
): Promise<void> {
  await forEach(plan.removedSessions, WIDTH, async ({ item, step, tunnel: { name } }) => {
    const tunnel = tunnels.all.get(name);
    const session = tunnel?.sessions.byName(item.name);
    const path = `tunnels/${name}/sessions/${item.name}`;
    tx.commit(() => down.delete(path));
    if (tunnel && session) await sessions.takeOut(tunnel, session, tx);
    if (step === "removed") steps.note(path, step);
  });
}

/** What is known of the tunnels that are taken out. */
export interface Removal {
  readonly removed: readonly TunnelConfig[];
  /** Filled with sessions that requests had made in them. */
  readonly orphans: Map<string, readonly OwnedSession[]>;
  readonly wereDown: ReadonlySet<string>;
  readonly situation: Pick<StaticSituation, "wanted">;
}

/** Takes out tunnels with all of their sessions. */
export async function removeTunnels(
  { orphans, removed, situation, wereDown }: Removal,
  { down, tunnels }: StaticDependencies,
  steps: Steps,
  tx: Transaction,
): Promise<void> {
  const wanted = new Map(situation.wanted.map((tunnel) => [tunnel.name, tunnel]));
  await forEach(removed, WIDTH, async (config) => {
    const path = `tunnels/${config.name}`;
    const tunnel = wereDown.has(config.name) ? undefined : tunnels.all.get(config.name);
    if (tunnel) {
      const owned = [...tunnel.sessions.values()]
        .map(({ config, origin }): OwnedSession => ({ config, origin }));
      orphans.set(config.name, owned.filter(({ origin }) => origin === "api"));
      await tunnels.takeOut(tunnel, tx);
    }
    // One that is wanted again is listed anew by now, if it is still down.
    const again = !tunnel && wanted.has(config.name);
    if (!again) tx.commit(() => down.deleteAll(path));
    noteRemoved(config, wanted.get(config.name), steps);
  });
}
