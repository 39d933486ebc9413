/** Static tunnels and their sessions on the way to another configuration. @module */

import { ApplianceError, isPassing } from "../appliance/errors.ts";
import { isClash, type Part, type Steps } from "../appliance/part.ts";
import { forEach, irrevocable, nested, type Transaction } from "../appliance/transaction.ts";
import type { TunnelConfig } from "../config/model.ts";
import { each, inSlices, type Slices } from "../slices.ts";
import { sessionPath } from "./table.ts";
import { type Job, makeJobs, type StaticDependencies } from "./static_jobs.ts";
import { removeSessions, removeTunnels } from "./static_removals.ts";
import { foreseeStatic } from "./static_notes.ts";
import { planStatic, type StaticPlan, type StaticSituation } from "./static_plan.ts";
import type { OwnedSession, Tunnels } from "./tunnels.ts";

/** How many tunnels or sessions are worked on at a time. */
const WIDTH = 16;

/** From the tunnels of the file that run to those that it has now. */
export async function staticPart(
  situation: Omit<StaticSituation, "isDown">,
  dependencies: StaticDependencies,
  steps: Steps,
): Promise<Part> {
  const { down, log, tunnels } = dependencies;
  /** Sessions that requests had made in tunnels that are removed. */
  const orphans = new Map<string, readonly OwnedSession[]>();
  /** Tunnels that were down before: nothing of them runs. */
  const wereDown = new Set<string>();
  await inSlices(each(down.tunnels(), ({ tunnel: { config, sessions } }) => {
    wereDown.add(config.name);
    orphans.set(config.name, sessions.filter(({ origin }) => origin === "api"));
  }));
  const plan = await inSlices(planStatic({
    ...situation,
    isDown: (name) => wereDown.has(name),
  }));
  const jobs = makeJobs({ ...dependencies, orphans, running: situation.running, steps });
  const removed = [...plan.removed];
  const own = await inSlices(leavingOf(plan, tunnels));
  /** Something of other parts leaves once this one is done with what can be taken back. */
  let othersLeave = false;
  /** What could not be done before something ends: of ours, and of other parts. */
  let waiting: Job[] = [];
  let late: Job[] = [];

  /** Does what can be done. The result holds what something else of ours is in the way of. */
  const attempt = async (all: readonly Job[], outer: Transaction): Promise<Job[]> => {
    const clashing: Job[] = [];
    await forEach(all, WIDTH, async (job) => {
      try {
        await nested(log, outer, (tx) => job.run(tx));
      } catch (error) {
        if (!isClash(error)) throw error;
        clashing.push(job);
      }
    });
    return clashing;
  };

  return {
    foresee: (steps) => foreseeStatic(plan, situation, steps),
    leaving: own,
    check(leaving) {
      othersLeave = leaving.size > own.size;
      return refuseClashes(plan, leaving, dependencies);
    },
    async open(tx) {
      steps.keep(plan.kept);
      const restarted = new Set<string>();
      await forEach(plan.changed, WIDTH, async (task) => {
        const { after, before } = task.item;
        try {
          await nested(log, tx, (tx) => jobs.changeTunnel(task, tx));
        } catch (error) {
          if (!isPassing(error)) throw error;
          // It cannot be as it shall be yet, and not as it was any more.
          restarted.add(after.name);
          removed.push(before);
          waiting.push(jobs.addTunnel({ item: after, step: "restarted", why: task.why }));
        }
      });
      const stays = ({ tunnel }: Job) => !restarted.has(tunnel);
      const changed = plan.changedSessions.map((task) => jobs.changeSession(task)).filter(stays);
      const made = [
        ...plan.added.map((task) => jobs.addTunnel(task)),
        ...plan.addedSessions.map((task) => jobs.addSession(task)).filter(stays),
      ];
      waiting.push(...await attempt(changed, tx), ...await attempt(made, tx));
    },
    async swap(tx) {
      await removeSessions(plan, dependencies, steps, tx);
      await removeTunnels({ removed, orphans, wereDown, situation }, dependencies, steps, tx);
      await forEach(waiting, WIDTH, (job) => job.release?.(tx) ?? Promise.resolve());
      // Changes first: they may let go of what others want.
      const clashing = await attempt(waiting, tx);
      waiting = await attempt(clashing, tx);
      if (othersLeave) late = waiting;
      else for (const job of waiting) await job.run(tx, "wait");
    },
    async begin() {
      for (const job of late) await irrevocable(log, (tx) => job.run(tx, "wait")).catch(job.wait);
    },
  };
}

/** The sessions whose circuits make room for others. */
function* leavingOf(plan: StaticPlan, { all }: Tunnels): Slices<Set<string>> {
  const leaving = new Set<string>();
  for (const tunnel of plan.removed) {
    const sessions = all.get(tunnel.name)?.sessions.values() ?? [];
    yield* each(sessions, ({ config }) => void leaving.add(sessionPath(tunnel, config)));
    yield;
  }
  yield* each(plan.removedSessions, ({ item, tunnel }) => {
    leaving.add(sessionPath(tunnel, item));
  });
  yield* each(plan.changedSessions, ({ item, tunnel }) => {
    leaving.add(sessionPath(tunnel, item.after));
  });
  return leaving;
}

/** Finds what would fail because of tunnels that the file does not know, before anything is touched. */
function* refuseClashes(
  plan: StaticPlan,
  leaving: ReadonlySet<string>,
  { sessions, tunnels }: StaticDependencies,
): Slices<void> {
  const names = new Map<string, TunnelConfig>();
  const ids = new Map<number, TunnelConfig>();
  yield* each(tunnels.all.values(), ({ config, origin }) => {
    if (origin === "api") names.set(config.name, config), ids.set(config.tunnelId, config);
  });
  for (const { item: tunnel } of plan.added) {
    const [named, numbered] = [names.get(tunnel.name), ids.get(tunnel.tunnelId)];
    const other = named ?? numbered;
    if (other) {
      const attribute = named ? "name" : "tunnel-id";
      const message = `tunnels/${tunnel.name}: a request made the tunnel ${other.name}, ` +
        `tunnel-id ${other.tunnelId}; delete that one or change this one's ${attribute}`;
      throw new ApplianceError("exists", attribute, message);
    }
    yield* each(tunnel.sessions, (session) => sessions.check(tunnel, session, leaving));
    yield;
  }
  yield* each(plan.addedSessions, ({ item, tunnel }) => sessions.check(tunnel, item, leaving));
  yield* each(plan.changedSessions, ({ item, tunnel }) => {
    sessions.check(tunnel, item.after, leaving);
  });
}
