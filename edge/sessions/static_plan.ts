/** What lies between static tunnels as they run and as the file has them. Pure. @module */

import type { ReloadStep } from "../appliance/part.ts";
import {
  type Changed,
  compare,
  comparing,
  keyWords,
  sessionIdentity,
  tunnelIdentity,
} from "../config/compare.ts";
import type { SessionConfig, TunnelConfig } from "../config/model.ts";
import { same } from "../config/same.ts";
import { mapped, type Slices } from "../slices.ts";

/** Something to do, and how it is reported. */
export interface Task<T> {
  readonly item: T;
  readonly step: ReloadStep["step"];
  readonly why: string;
}

/** A session of a tunnel, which is as it shall be. */
export interface SessionTask<T> extends Task<T> {
  readonly tunnel: TunnelConfig;
}

/** All that is to do. Tunnels come and go with their sessions; tasks for single sessions are about tunnels that stay. */
export interface StaticPlan {
  readonly kept: number;
  readonly removed: readonly TunnelConfig[];
  readonly changed: readonly Task<Changed<TunnelConfig>>[];
  readonly added: readonly Task<TunnelConfig>[];
  readonly removedSessions: readonly SessionTask<SessionConfig>[];
  readonly changedSessions: readonly SessionTask<Changed<SessionConfig>>[];
  readonly addedSessions: readonly SessionTask<SessionConfig>[];
}

/** What runs, and what was asked for. */
export interface StaticSituation {
  /** Of the file, as it runs: requests may have changed it. */
  readonly running: readonly TunnelConfig[];
  readonly lastFile: readonly TunnelConfig[];
  readonly wanted: readonly TunnelConfig[];
  /** Whether a tunnel cannot be had yet: it has nothing that could be changed in place. */
  isDown(name: string): boolean;
}

const tunnelKeys = { identity: tunnelIdentity, aside: ["sessions"] } as const;
const sessionKeys = { identity: sessionIdentity, aside: [] } as const;

/** In slices: a file may have very many. */
export function* planStatic(
  { isDown, lastFile, running, wanted }: StaticSituation,
): Slices<StaticPlan> {
  const last = new Map(lastFile.map((tunnel) => [tunnel.name, tunnel]));
  const tunnels = yield* comparing(running, wanted, tunnelKeys);
  const before = new Map(running.map((tunnel) => [tunnel.name, tunnel]));
  const restarted = tunnels.replaced.map((change) => restart(change));
  const changed: Task<Changed<TunnelConfig>>[] = [];
  const kept: TunnelConfig[] = [];
  for (const change of tunnels.changed) {
    if (isDown(change.after.name)) restarted.push(restart(change));
    else {changed.push({
        item: change,
        step: "changed",
        why: whatChanged(change, last.get(change.after.name)),
      });}
  }
  for (const [i, tunnel] of tunnels.kept.entries()) {
    if (i % 32 === 0) yield;
    const former = before.get(tunnel.name)!;
    const differs = !same(former.sessions, tunnel.sessions);
    if (differs && isDown(tunnel.name)) {
      restarted.push(restart({ before: former, after: tunnel, keys: ["sessions"] }));
    } else kept.push(tunnel);
  }
  const staying = [...kept, ...changed.map(({ item }) => item.after)];
  const sessions = yield* mapped(
    staying,
    (tunnel) => planSessions(before.get(tunnel.name)!, tunnel, last.get(tunnel.name)),
  );
  return {
    kept: kept.length + sessions.reduce((sum, each) => sum + each.kept, 0),
    removed: [...tunnels.removed, ...restarted.map(({ before }) => before)],
    changed,
    added: [
      ...tunnels.added.map((item) => added(item, last.get(item.name))),
      ...restarted.map(({ task }) => task),
    ],
    removedSessions: sessions.flatMap(({ removed }) => removed),
    changedSessions: sessions.flatMap(({ changed }) => changed),
    addedSessions: sessions.flatMap(({ added }) => added),
  };
}

function planSessions(before: TunnelConfig, tunnel: TunnelConfig, last: TunnelConfig | undefined) {
  const lastFile = new Map(last?.sessions.map((session) => [session.name, session]));
  const sessions = compare(before.sessions, tunnel.sessions, sessionKeys);
  const restarted = sessions.replaced.map((change) => restart(change));
  return {
    kept: sessions.kept.length,
    removed: [
      ...sessions.removed.map((item) => ({ tunnel, item, step: "removed" as const, why: "" })),
      ...restarted.map(({ before }) => ({
        tunnel,
        item: before,
        step: "restarted" as const,
        why: "",
      })),
    ],
    changed: sessions.changed.map((item) => ({
      tunnel,
      item,
      step: "changed" as const,
      why: whatChanged(item, lastFile.get(item.after.name)),
    })),
    added: [
      ...sessions.added.map((item) => ({ tunnel, ...added(item, lastFile.get(item.name)) })),
      ...restarted.map(({ task }) => ({ tunnel, ...task })),
    ],
  };
}

function restart<T>(change: Changed<T>): { readonly before: T; readonly task: Task<T> } {
  const why = `${keyWords(change.keys)} changed`;
  return { before: change.before, task: { item: change.after, step: "restarted", why } };
}

function added<T>(item: T, last: T | undefined): Task<T> {
  return { item, step: "added", why: last ? "a request had deleted it" : "" };
}

/** What of a thing changes, and whether it was the file that changed. */
function whatChanged<T>({ after, keys }: Changed<T>, last: T | undefined): string {
  const words = keyWords(keys);
  const putBack = last && keys.every((key) => same(last[key], after[key]));
  return putBack ? `${words}: puts back what a request changed` : words;
}
