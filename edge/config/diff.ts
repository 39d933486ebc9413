/** What lies between two configurations, as steps. Pure. @module */

import { isDeepStrictEqual } from "node:util";
import { formatEndpoint } from "../../core/endpoint.ts";
import type { ReloadReport } from "../appliance.ts";
import type { AdminConfig, Config, Listener, SessionConfig, TunnelConfig } from "../model.ts";

/** What makes a tunnel another one: where any of these changes, it is removed and added anew. */
const tunnelIdentity = ["name", "version", "tunnelId", "encap"] as const;
/** What makes a session another one. */
const sessionIdentity = ["name", "sessionId", "pseudowireType"] as const;

/** What may change in a tunnel that stays. */
export type TunnelAttribute = Exclude<
  keyof TunnelConfig,
  typeof tunnelIdentity[number] | "sessions"
>;
/** What may change in a session that stays. */
export type SessionAttribute = Exclude<keyof SessionConfig, typeof sessionIdentity[number]>;

/** One step. A tunnel comes and goes with its sessions; steps for single sessions are about tunnels that stay. */
export type Operation =
  | {
    readonly kind: "remove-session";
    readonly tunnel: TunnelConfig;
    readonly session: SessionConfig;
  }
  | { readonly kind: "remove-tunnel"; readonly tunnel: TunnelConfig }
  | { readonly kind: "remove-listener"; readonly listener: Listener }
  | { readonly kind: "change-log"; readonly log: Config["log"] }
  | { readonly kind: "change-admin"; readonly admin: AdminConfig }
  | { readonly kind: "add-listener"; readonly listener: Listener }
  | {
    readonly kind: "change-tunnel";
    /** As it shall be. Its sessions are not part of this step. */
    readonly tunnel: TunnelConfig;
    readonly changed: ReadonlySet<TunnelAttribute>;
  }
  | {
    readonly kind: "change-session";
    /** The tunnel as it shall be. */
    readonly tunnel: TunnelConfig;
    /** As it shall be. */
    readonly session: SessionConfig;
    readonly changed: ReadonlySet<SessionAttribute>;
  }
  | { readonly kind: "add-tunnel"; readonly tunnel: TunnelConfig }
  | {
    readonly kind: "add-session";
    /** The tunnel as it shall be. */
    readonly tunnel: TunnelConfig;
    readonly session: SessionConfig;
  };

/** The steps in the order in which they can be carried out, and how many listeners, tunnels and sessions stay as they are. */
export interface ConfigDiff {
  readonly operations: readonly Operation[];
  readonly unchanged: number;
}

/** The order of steps: first what frees ids, addresses and devices, last what takes them. */
const order: readonly Operation["kind"][] = [
  "remove-session",
  "remove-tunnel",
  "remove-listener",
  "change-log",
  "change-admin",
  "add-listener",
  "change-tunnel",
  "change-session",
  "add-tunnel",
  "add-session",
];

/**
 * The steps from `before` to `after`. Tunnels and sessions are the same where their names are.
 *
 * Within the changes of sessions, circuits may trade what they hold (two sessions swap their TAPs): who carries the
 * steps out lets go of all changed circuits before it provisions the first.
 */
export function diffConfig(before: Config, after: Config): ConfigDiff {
  const operations: Operation[] = [];
  let unchanged = diffListeners(before.listen, after.listen, operations);
  if (!isDeepStrictEqual(before.log, after.log)) {
    operations.push({ kind: "change-log", log: after.log });
  }
  if (!isDeepStrictEqual(before.admin, after.admin)) {
    operations.push({ kind: "change-admin", admin: after.admin });
  }
  unchanged += diffTunnels(before.tunnels, after.tunnels, operations);
  const rank = new Map(order.map((kind, i) => [kind, i]));
  operations.sort((a, b) => rank.get(a.kind)! - rank.get(b.kind)!);
  return { operations, unchanged };
}

/** A diff as the operator reads it. What is removed and added under one name counts as changed. */
export function summarizeDiff({ operations, unchanged }: ConfigDiff): ReloadReport {
  const added = new Set<string>();
  const changed = new Set<string>();
  const removed = new Set<string>();
  for (const operation of operations) {
    const [verb] = operation.kind.split("-", 1);
    const paths = verb === "add" ? added : verb === "remove" ? removed : changed;
    for (const path of resourcePaths(operation)) paths.add(path);
  }
  for (const path of removed) {
    if (!added.delete(path)) continue;
    removed.delete(path);
    changed.add(path);
  }
  return { added: [...added], changed: [...changed], removed: [...removed], unchanged };
}

function diffListeners(
  before: readonly Listener[],
  after: readonly Listener[],
  operations: Operation[],
): number {
  const old = new Map(before.map((listener) => [listenerPath(listener), listener]));
  let unchanged = 0;
  for (const listener of after) {
    if (old.delete(listenerPath(listener))) unchanged++;
    else operations.push({ kind: "add-listener", listener });
  }
  for (const listener of old.values()) operations.push({ kind: "remove-listener", listener });
  return unchanged;
}

function diffTunnels(
  before: readonly TunnelConfig[],
  after: readonly TunnelConfig[],
  operations: Operation[],
): number {
  const old = new Map(before.map((tunnel) => [tunnel.name, tunnel]));
  let unchanged = 0;
  for (const tunnel of after) {
    const previous = old.get(tunnel.name);
    if (!previous || !same(previous, tunnel, tunnelIdentity)) {
      operations.push({ kind: "add-tunnel", tunnel });
      continue;
    }
    old.delete(tunnel.name);
    const changed = changes(previous, tunnel, [...tunnelIdentity, "sessions"]);
    if (changed.size > 0) operations.push({ kind: "change-tunnel", tunnel, changed });
    else unchanged++;
    unchanged += diffSessions(previous, tunnel, operations);
  }
  for (const tunnel of old.values()) operations.push({ kind: "remove-tunnel", tunnel });
  return unchanged;
}

function diffSessions(
  before: TunnelConfig,
  tunnel: TunnelConfig,
  operations: Operation[],
): number {
  const old = new Map(before.sessions.map((session) => [session.name, session]));
  let unchanged = 0;
  for (const session of tunnel.sessions) {
    const previous = old.get(session.name);
    if (!previous || !same(previous, session, sessionIdentity)) {
      operations.push({ kind: "add-session", tunnel, session });
      continue;
    }
    old.delete(session.name);
    const changed = changes(previous, session, sessionIdentity);
    if (changed.size > 0) operations.push({ kind: "change-session", tunnel, session, changed });
    else unchanged++;
  }
  for (const session of old.values()) {
    operations.push({ kind: "remove-session", tunnel: before, session });
  }
  return unchanged;
}

function same<T>(before: T, after: T, keys: readonly (keyof T)[]): boolean {
  return keys.every((key) => before[key] === after[key]);
}

/** The attributes that differ, those of `except` left aside. */
function changes<T extends object, Except extends keyof T>(
  before: T,
  after: T,
  except: readonly Except[],
): Set<Exclude<keyof T, Except>> {
  const changed = new Set(Object.keys({ ...before, ...after }) as (keyof T)[]);
  for (const key of changed) {
    if (isDeepStrictEqual(before[key], after[key])) changed.delete(key);
  }
  for (const key of except) changed.delete(key);
  return changed as Set<Exclude<keyof T, Except>>;
}

function resourcePaths(operation: Operation): string[] {
  switch (operation.kind) {
    case "add-tunnel":
    case "remove-tunnel": {
      const path = `tunnels/${operation.tunnel.name}`;
      return [path, ...operation.tunnel.sessions.map(({ name }) => `${path}/sessions/${name}`)];
    }
    case "change-tunnel":
      return [`tunnels/${operation.tunnel.name}`];
    case "add-session":
    case "change-session":
    case "remove-session":
      return [`tunnels/${operation.tunnel.name}/sessions/${operation.session.name}`];
    case "add-listener":
    case "remove-listener":
      return [listenerPath(operation.listener)];
    case "change-log":
      return ["log"];
    case "change-admin":
      return ["admin"];
  }
}

function listenerPath(listener: Listener): string {
  return `listen/${listener.encap}:${formatEndpoint(listener)}`;
}
