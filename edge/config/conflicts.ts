/** What two parts of one configuration must not share. Linear in the configuration's size. Pure. @module */

import { formatEndpoint, ipVersion, isWildcard } from "../../core/endpoint.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import type { CallConfig, Listener, SessionConfig, TunnelConfig } from "./model.ts";
import { claimsOf } from "./circuit.ts";
import { formatPath, type Path } from "./problem.ts";

/** A clash, told at the later of its two sides. */
export interface Conflict {
  readonly path: Path;
  readonly message: string;
}

/** A session and where the file has it. */
export interface PlacedSession {
  readonly path: Path;
  readonly session: SessionConfig;
}

/** Listeners that would receive each other's packets; `[::]` takes IPv6 only. Each with its place in the list. */
export function listenerConflicts(listen: readonly (readonly [number, Listener])[]): Conflict[] {
  const conflicts: Conflict[] = [];
  const groups = new Overlaps<number>();
  for (const [index, listener] of listen) {
    const group = `${listener.encap} ${ipVersion(listener.address)} ${listener.port}`;
    const other = groups.claim(group, listener.address, index);
    if (other === undefined) continue;
    conflicts.push({
      path: ["listen", index, listener.encap],
      message: `${
        formatEndpoint(listener)
      } overlaps with listen[${other}]; expected only one of them`,
    });
  }
  return conflicts;
}

/** Tunnel ids that two tunnels use, of whatever version. */
export function tunnelIdConflicts(tunnels: readonly TunnelConfig[]): Conflict[] {
  const conflicts: Conflict[] = [];
  const seen = new Map<number, Path>();
  for (const { name, tunnelId } of tunnels) {
    const path = ["tunnels", name];
    const other = seen.get(tunnelId);
    if (other === undefined) seen.set(tunnelId, path);
    else {
      conflicts.push({
        path: [...path, "static", "tunnel-id"],
        message: `${tunnelId} is the tunnel-id of ${formatPath(other)} too; expected another`,
      });
    }
  }
  return conflicts;
}

/** Session ids that two sessions of one tunnel use. */
export function sessionIdConflicts(sessions: readonly PlacedSession[]): Conflict[] {
  const conflicts: Conflict[] = [];
  const seen = new Map<number, Path>();
  for (const { path, session: { sessionId } } of sessions) {
    const other = seen.get(sessionId);
    if (other === undefined) seen.set(sessionId, path);
    else {
      conflicts.push({
        path: [...path, "session-id"],
        message: `${sessionId} is the session-id of ${formatPath(other)} too; expected another`,
      });
    }
  }
  return conflicts;
}

/**
 * Session ids that nothing tells apart. Two tunnels may use the same one, as in the kernel; but a v3 data packet names
 * no tunnel (RFC 3931 §4.1), so their packets must differ in an address or port.
 */
export function sharedSessionIdConflicts(tunnels: readonly TunnelConfig[]): Conflict[] {
  const conflicts: Conflict[] = [];
  const seen = new Overlaps<{ tunnel: TunnelConfig; path: Path }>();
  for (const tunnel of tunnels) {
    if (tunnel.version === 2) continue;
    const { encap, local, remote } = tunnel;
    for (const { name, sessionId } of tunnel.sessions) {
      const path = ["tunnels", tunnel.name, "sessions", name];
      const group = `${sessionId} ${encap} ${local.port} ${formatEndpoint(remote)}`;
      const other = seen.claim(group, local.address, { tunnel, path });
      if (!other || other.tunnel === tunnel) continue;
      conflicts.push({
        path: [...path, "session-id"],
        message: `${sessionId} is the session-id of ${
          formatPath(other.path)
        } too, between the same two endpoints; expected another`,
      });
    }
  }
  return conflicts;
}

/**
 * Tunnels on protocol 115 that need a raw socket beside another which matches the same packets: each raw socket gets
 * a copy, so that frames would arrive twice. A tunnel that a listener covers uses the listener's.
 */
export function rawSocketConflicts(
  listen: readonly Listener[],
  tunnels: readonly TunnelConfig[],
): Conflict[] {
  const conflicts: Conflict[] = [];
  const listeners = listen.filter(({ encap }) => encap === "ip");
  const sockets = new Overlaps<Path>();
  const seen = new Set<string>();
  for (const { name, encap, local: { address }, named, remote } of tunnels) {
    if (named) continue; // nobody knows yet
    const family = listeners.filter((each) => ipVersion(each.address) === ipVersion(address));
    const covered = family.some((each) => each.address === address || isWildcard(each.address));
    const socket = `${address} ${remote.address}`;
    if (encap === "udp" || covered || seen.has(socket)) continue;
    seen.add(socket);
    const path = ["tunnels", name, "local"];
    const add = (other: string) =>
      conflicts.push({
        path,
        message:
          `protocol 115 at ${address} overlaps with ${other}; expected the same address there and here`,
      });
    const tunnel = sockets.claim(remote.address, address, path);
    if (isWildcard(address) && family.length > 0) add(`the listener at ${family[0]!.address}`);
    else if (tunnel) add(formatPath(tunnel));
  }
  return conflicts;
}

/** A call that a tunnel places or a peer may place, and where the file has it. */
export interface PlacedCall {
  readonly path: Path;
  readonly session: CallConfig;
}

/** Something with a circuit, and where the file has it. */
export interface Placed {
  readonly path: Path;
  readonly session: Pick<CallConfig, "circuit">;
  /** Where the circuit stands, if not under `circuit`. */
  readonly circuitAt?: Path;
}

/** Things that two circuits claim for themselves. */
export function circuitConflicts(
  sessions: readonly Placed[],
  plugins: readonly Plugin[],
): Conflict[] {
  const conflicts: Conflict[] = [];
  const seen = new Map<string, Path>();
  for (const { circuitAt, path, session: { circuit } } of sessions) {
    if (!circuit) continue;
    for (const claim of claimsOf(circuit, plugins)) {
      const other = seen.get(claim);
      if (other === undefined) seen.set(claim, path);
      else {
        conflicts.push({
          path: [...circuitAt ?? [...path, "circuit"], circuit.plugin],
          message: `${claim} belongs to ${formatPath(other)} already; expected another`,
        });
      }
    }
  }
  return conflicts;
}

/** Addresses by group; within one, two meet where they are equal or either is the wildcard. */
class Overlaps<Owner> {
  readonly #exact = new Map<string, Owner>();
  readonly #wildcards = new Map<string, Owner>();
  /** Any member of the group at all: what a wildcard meets. */
  readonly #members = new Map<string, Owner>();

  /** Enters an address; the owner of one that it meets. */
  claim(group: string, address: string, owner: Owner): Owner | undefined {
    const wildcard = isWildcard(address);
    const key = `${group} ${address}`;
    const other = wildcard
      ? this.#members.get(group)
      : this.#wildcards.get(group) ?? this.#exact.get(key);
    if (wildcard && !this.#wildcards.has(group)) this.#wildcards.set(group, owner);
    if (!this.#exact.has(key)) this.#exact.set(key, owner);
    if (!this.#members.has(group)) this.#members.set(group, owner);
    return other;
  }
}
