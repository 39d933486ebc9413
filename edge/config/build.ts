/** From attributes to a {@linkcode TunnelConfig} or {@linkcode SessionConfig}: with all defaults. Pure. @module */

import { canonicalIp, type Endpoint } from "../../core/endpoint.ts";
import type { EncapType, ProtoVersion } from "../../core/pseudowire.ts";
import {
  type AttributeName,
  type SessionAttributes,
  sessionOptions,
  type TunnelAttributes,
  tunnelOptions,
} from "./attributes.ts";
import { checkSession, checkTunnel, type Problem } from "./checks.ts";
import type { CircuitConfig, SessionConfig, TunnelConfig } from "./model.ts";
import { type Missing, readOptions } from "./option.ts";

/** The UDP port registered for L2TP (RFC 2661 §8.1). */
export const l2tpPort = 1701;

/** A value, or all that is wrong with what it was to be made from. */
export type Built<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * A tunnel without sessions from attributes that their schemas accepted.
 *
 * Defaults beside those of the table: the local address is the wildcard (the kernel chooses), both ports are 1701,
 * `udp-csum` is true over UDP.
 */
export function buildTunnel(name: string, given: TunnelAttributes): Built<TunnelConfig> {
  const { fields, missing } = readOptions(tunnelOptions, given["proto-version"] ?? 3, given);
  const problems = missing.map(problemOf);
  const remoteAddress = one(given, "ip-daddr", "ip6-daddr", problems);
  const localAddress = one(given, "ip-saddr", "ip6-saddr", problems);
  if (remoteAddress === undefined && problems.every(({ attribute }) => attribute !== "ip6-daddr")) {
    problems.push({ attribute: "ip-daddr", message: "missing; expected the peer's address" });
  }
  if (missing.length > 0 || remoteAddress === undefined) return { ok: false, problems };
  const { encap } = fields;
  const wildcard = remoteAddress.includes(":") ? "::" : "0.0.0.0";
  const value: TunnelConfig = {
    name,
    ...fields,
    local: endpoint(localAddress ?? wildcard, given["udp-sport"], encap),
    remote: endpoint(remoteAddress, given["udp-dport"], encap),
    checksum: {
      udp: given["udp-csum"] ?? encap === "udp",
      zero6Tx: given["udp-zero-csum6-tx"] ?? false,
      zero6Rx: given["udp-zero-csum6-rx"] ?? false,
    },
    sessions: [],
  };
  problems.push(...checkTunnel(value));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value };
}

/** A session of a tunnel of version `version` from attributes that their schemas accepted, and its circuit, checked. */
export function buildSession(
  name: string,
  version: ProtoVersion,
  given: SessionAttributes,
  circuit?: CircuitConfig,
): Built<SessionConfig> {
  const { fields, missing } = readOptions(sessionOptions, version, given);
  if (missing.length > 0) return { ok: false, problems: missing.map(problemOf) };
  const value: SessionConfig = { name, ...fields, ...(circuit && { circuit }) };
  const problems = checkSession(value, version);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value };
}

function problemOf({ attribute, message }: Missing): Problem {
  return { attribute: attribute as AttributeName, message };
}

/** The address under either of two names, of which at most one may be given. */
function one(
  given: TunnelAttributes,
  v4: "ip-saddr" | "ip-daddr",
  v6: "ip6-saddr" | "ip6-daddr",
  problems: Problem[],
): string | undefined {
  if (given[v4] !== undefined && given[v6] !== undefined) {
    problems.push({ attribute: v6, message: `given together with ${v4}; expected one of them` });
    return undefined;
  }
  return given[v4] ?? given[v6];
}

/** With a port where one was asked for, even on protocol 115: {@linkcode checkTunnel} says so then. */
function endpoint(address: string, port: number | undefined, encap: EncapType): Endpoint {
  return { address: canonicalIp(address)!, port: port ?? (encap === "udp" ? l2tpPort : 0) };
}
