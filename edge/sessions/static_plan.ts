/** What lies between static tunnels as they run and as the file has them. Pure. @module */

import type { ReloadStep } from "../appliance/part.ts";
import {
  type Changed,
  comparing,
  keyWords,
  sessionIdentity,
  tunnelIdentity,
} from "../config/compare.ts";
import type { SessionConfig, TunnelConfig } from "../config/model.ts";
import { same } from "../config/same.ts";
import { each, type Slices } from "../slices.ts";

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
  const last = yield* byName(lastFile);
  const before = yield* byName(running);
  const tunnels = yield* comparing(running, wanted, tunnelKeys);
  const restarted = tunnels.replaced.map((change) => restart(change));
  const changed: Task<Changed<TunnelConfig>>[] = [];
  const staying: TunnelConfig[] = [];
  let kept = 0;
  yield* each(tunnels.kept, (tunnel) => {
    const former = before.get(tunnel.name)!;
    if (isDown(tunnel.name) && !same(former.sessions, tunnel.sessions)) {
      restarted.push(restart({ before: former, after: tunnel, keys: ["sessions"] }));
    } else kept = staying.push(tunnel);
  });
  yield* each(tunnels.changed, (change) => {
    const { after } = change;
    if (isDown(after.name)) return restarted.push(restart(change));
    changed.push({ item: change, step: "changed", why: whatChanged(change, last.get(after.name)) });
    staying.push(after);
  });
  const sessions = emptySessionPlan();
  let count = 0;
  for (const tunnel of staying) {
    yield* planSessions(before.get(tunnel.name)!, tunnel, last.get(tunnel.name), sessions);
    if (++count % 32 === 0) yield;
  }
  return {
    ...sessions,
    kept: kept + sessions.kept,
    removed: [...tunnels.removed, ...restarted.map(({ before }) => before)],
    changed,
    added: [
      ...tunnels.added.map((item) => added(item, last.get(item.name))),
      ...restarted.map(({ task }) => task),
    ],
  };
}

/** What is to do in tunnels that stay. */
interface SessionPlan {
  kept: number;
  readonly removedSessions: SessionTask<SessionConfig>[];
  readonly changedSessions: SessionTask<Changed<SessionConfig>>[];
  readonly addedSessions: SessionTask<SessionConfig>[];
}

function emptySessionPlan(): SessionPlan {
  return { kept: 0, removedSessions: [], changedSessions: [], addedSessions: [] };
}

/** Adds to `plan` what is to do in one tunnel. */
function* planSessions(
  before: TunnelConfig,
  tunnel: TunnelConfig,
  last: TunnelConfig | undefined,
  plan: SessionPlan,
): Slices<void> {
  const sessions = yield* comparing(before.sessions, tunnel.sessions, sessionKeys);
  plan.kept += sessions.kept.length;
  if (sessions.kept.length === before.sessions.length && sessions.added.length === 0) return;
  const lastFile = yield* byName(last?.sessions ?? []);
  const { addedSessions, changedSessions, removedSessions } = plan;
  yield* each(sessions.removed, (item) => {
    removedSessions.push({ tunnel, item, step: "removed", why: "" });
  });
  yield* each(sessions.changed, (item) => {
    const why = whatChanged(item, lastFile.get(item.after.name));
    changedSessions.push({ tunnel, item, step: "changed", why });
  });
  yield* each(sessions.added, (item) => {
    addedSessions.push({ tunnel, ...added(item, lastFile.get(item.name)) });
  });
  yield* each(sessions.replaced, (change) => {
    const { before, task } = restart(change);
    removedSessions.push({ tunnel, item: before, step: "restarted", why: "" });
    addedSessions.push({ tunnel, ...task });
  });
}

function* byName<T extends { readonly name: string }>(items: readonly T[]): Slices<Map<string, T>> {
  const map = new Map<string, T>();
  yield* each(items, (item) => void map.set(item.name, item));
  return map;
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
