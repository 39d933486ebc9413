/** What lies between two configurations, as steps. Pure. @module */

import { isDeepStrictEqual } from "node:util";
import { formatEndpoint } from "../../core/endpoint.ts";
import type { ReloadReport } from "../appliance/api.ts";
import type { Config, Listener, ManagedTunnelConfig, PeerConfig, TunnelConfig } from "./model.ts";
import {
  type ConfigDiff,
  managedIdentity,
  type Operation,
  operationOrder,
  sessionIdentity,
  tunnelIdentity,
} from "./operations.ts";

export type { ConfigDiff, Operation } from "./operations.ts";

/**
 * The steps from `before` to `after`. Peers, tunnels and sessions are the same where their names are; a tunnel that gets
 * a control connection, or loses it, is another one.
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
  unchanged += diffPeers(before.peers, after.peers, operations);
  unchanged += diffTunnels(before.tunnels, after.tunnels, operations);
  unchanged += diffManagedTunnels(before.managed, after.managed, operations);
  const identity = { hostName: after.hostName, routerId: after.routerId };
  const changed = changes({ hostName: before.hostName, routerId: before.routerId }, identity, []);
  if (changed.size > 0) operations.push({ kind: "change-identity", identity, changed });
  const rank = new Map(operationOrder.map((kind, i) => [kind, i]));
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
  let unchanged = 0;
  for (const { previous, next } of pairs(before, after, tunnelIdentity)) {
    if (!next) operations.push({ kind: "remove-tunnel", tunnel: previous });
    else if (!previous) operations.push({ kind: "add-tunnel", tunnel: next });
    else {
      const changed = changes(previous, next, [...tunnelIdentity, "sessions"]);
      if (changed.size > 0) operations.push({ kind: "change-tunnel", tunnel: next, changed });
      else unchanged++;
      unchanged += diffSessions(previous, next, operations);
    }
  }
  return unchanged;
}

function diffSessions(
  before: TunnelConfig,
  tunnel: TunnelConfig,
  operations: Operation[],
): number {
  let unchanged = 0;
  for (const { previous, next } of pairs(before.sessions, tunnel.sessions, sessionIdentity)) {
    if (!next) operations.push({ kind: "remove-session", tunnel: before, session: previous });
    else if (!previous) operations.push({ kind: "add-session", tunnel, session: next });
    else {
      const changed = changes(previous, next, sessionIdentity);
      if (changed.size > 0) {
        operations.push({ kind: "change-session", tunnel, session: next, changed });
      } else unchanged++;
    }
  }
  return unchanged;
}

function diffPeers(
  before: readonly PeerConfig[],
  after: readonly PeerConfig[],
  operations: Operation[],
): number {
  let unchanged = 0;
  const gone = new Set<string>();
  const added: string[] = [];
  for (const { previous, next } of pairs(before, after, ["name"])) {
    if (!next) {
      operations.push({ kind: "remove-peer", peer: previous });
      gone.add(previous.name);
    } else if (!previous) {
      operations.push({ kind: "add-peer", peer: next });
      added.push(next.name);
    } else {
      const changed = changes(previous, next, ["name"]);
      if (changed.size > 0) operations.push({ kind: "change-peer", peer: next, changed });
      else unchanged++;
    }
  }
  const names = after.map(({ name }) => name);
  const stepped = [...before.map(({ name }) => name).filter((name) => !gone.has(name)), ...added];
  if (!isDeepStrictEqual(names, stepped)) operations.push({ kind: "change-peer-order", names });
  return unchanged;
}

function diffManagedTunnels(
  before: readonly ManagedTunnelConfig[],
  after: readonly ManagedTunnelConfig[],
  operations: Operation[],
): number {
  let unchanged = 0;
  for (const { previous, next } of pairs(before, after, managedIdentity)) {
    if (!next) operations.push({ kind: "remove-managed-tunnel", tunnel: previous });
    else if (!previous) operations.push({ kind: "add-managed-tunnel", tunnel: next });
    else {
      const changed = changes(previous, next, [...managedIdentity, "calls"]);
      if (changed.size > 0) {
        operations.push({ kind: "change-managed-tunnel", tunnel: next, changed });
      } else unchanged++;
      unchanged += diffCalls(previous, next, operations);
    }
  }
  return unchanged;
}

function diffCalls(
  before: ManagedTunnelConfig,
  tunnel: ManagedTunnelConfig,
  operations: Operation[],
): number {
  let unchanged = 0;
  for (const { previous, next } of pairs(before.calls, tunnel.calls, ["name"])) {
    if (!next) operations.push({ kind: "remove-call", tunnel: before, call: previous });
    else if (!previous) operations.push({ kind: "add-call", tunnel, call: next });
    else {
      const changed = changes(previous, next, ["name"]);
      if (changed.size > 0) operations.push({ kind: "change-call", tunnel, call: next, changed });
      else unchanged++;
    }
  }
  return unchanged;
}

type Pair<T> =
  | { readonly previous: T; readonly next: T }
  | { readonly previous?: undefined; readonly next: T }
  | { readonly previous: T; readonly next?: undefined };

/** What is the same thing before and after, and what stands alone; where names agree and the identity does not, both do. */
function* pairs<T extends { readonly name: string }>(
  before: readonly T[],
  after: readonly T[],
  identity: readonly (keyof T)[],
): Generator<Pair<T>> {
  const old = new Map(before.map((item) => [item.name, item]));
  for (const next of after) {
    const previous = old.get(next.name);
    if (previous && identity.every((key) => previous[key] === next[key])) {
      old.delete(next.name);
      yield { previous, next };
    } else yield { next };
  }
  for (const previous of old.values()) yield { previous };
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

const identityKeys = { hostName: "host-name", routerId: "router-id" } as const;

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
    case "add-peer":
    case "change-peer":
    case "remove-peer":
      return [`peers/${operation.peer.name}`];
    case "change-peer-order":
      return ["peers"];
    case "add-managed-tunnel":
    case "remove-managed-tunnel": {
      const path = `tunnels/${operation.tunnel.name}`;
      return [path, ...operation.tunnel.calls.map(({ name }) => `${path}/sessions/${name}`)];
    }
    case "change-managed-tunnel":
      return [`tunnels/${operation.tunnel.name}`];
    case "add-call":
    case "change-call":
    case "remove-call":
      return [`tunnels/${operation.tunnel.name}/sessions/${operation.call.name}`];
    case "change-identity":
      return [...operation.changed].map((key) => identityKeys[key]);
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
  const { device, encap, marks } = listener;
  const where = device === undefined ? "" : ` ${device}`;
  return `listen/${encap}:${formatEndpoint(listener)}${where}${marks ? " marks" : ""}`;
}
