/** From attributes to a {@linkcode TunnelConfig} or {@linkcode SessionConfig}: the one place that knows the defaults. Pure. @module */

import { canonicalIp, type Endpoint } from "../../core/endpoint.ts";
import type { SessionId, TunnelId } from "../../core/ids.ts";
import { type EncapType, type ProtoVersion, PseudowireType } from "../../core/pseudowire.ts";
import type { SessionConfig, TunnelConfig } from "./model.ts";
import {
  type AttributeName,
  pseudowireTypes,
  type SessionAttributes,
  type TunnelAttributes,
} from "./attributes.ts";
import { checkSession, checkTunnel, type Problem } from "./checks.ts";

/** The UDP port registered for L2TP (RFC 2661 §8.1). */
export const l2tpPort = 1701;

/** A value, or all that is wrong with what it was to be made from. */
export type Built<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/**
 * A tunnel without sessions from attributes that their schemas accepted.
 *
 * Defaults: `proto-version` 3, `encap-type` udp, the local address the wildcard (the kernel chooses), both ports 1701,
 * `udp-csum` true over UDP.
 */
export function buildTunnel(name: string, given: TunnelAttributes): Built<TunnelConfig> {
  const problems: Problem[] = [];
  const tunnelId = required(given, "tunnel-id", problems);
  const peerTunnelId = required(given, "peer-tunnel-id", problems);
  const remoteAddress = one(given, "ip-daddr", "ip6-daddr", problems);
  const localAddress = one(given, "ip-saddr", "ip6-saddr", problems);
  if (remoteAddress === undefined && problems.every(({ attribute }) => attribute !== "ip6-daddr")) {
    problems.push({ attribute: "ip-daddr", message: "missing; expected the peer's address" });
  }
  if (tunnelId === undefined || peerTunnelId === undefined || remoteAddress === undefined) {
    return { ok: false, problems };
  }
  const encap = given["encap-type"] ?? "udp";
  const wildcard = remoteAddress.includes(":") ? "::" : "0.0.0.0";
  const value: TunnelConfig = {
    name,
    version: given["proto-version"] ?? 3,
    tunnelId: tunnelId as TunnelId,
    peerTunnelId: peerTunnelId as TunnelId,
    encap,
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

/**
 * A session of a tunnel of version `version` from attributes that their schemas accepted, and its circuit, checked.
 *
 * Defaults: `pw-type` ethernet in v3 and ppp in v2, `l2spec-type` default in v3 (v2 has none), no cookies, no
 * sequence numbers, `lns-mode` false, `reorder-timeout` 0, the MTU worked out from the path.
 */
export function buildSession(
  name: string,
  version: ProtoVersion,
  given: SessionAttributes,
  circuit?: SessionConfig["circuit"],
): Built<SessionConfig> {
  const problems: Problem[] = [];
  const sessionId = required(given, "session-id", problems);
  const peerSessionId = required(given, "peer-session-id", problems);
  if (sessionId === undefined || peerSessionId === undefined) return { ok: false, problems };
  const pwType = given["pw-type"] ?? (version === 2 ? PseudowireType.Ppp : PseudowireType.Ethernet);
  const value: SessionConfig = {
    name,
    sessionId: sessionId as SessionId,
    peerSessionId: peerSessionId as SessionId,
    pseudowireType: pseudowireTypes.get(pwType)!,
    l2spec: given["l2spec-type"] ?? (version === 2 ? "none" : "default"),
    cookie: (given.cookie ?? "").toLowerCase(),
    peerCookie: (given["peer-cookie"] ?? "").toLowerCase(),
    sendSeq: given["send-seq"] ?? false,
    recvSeq: given["recv-seq"] ?? false,
    lnsMode: given["lns-mode"] ?? false,
    reorderTimeoutMs: given["reorder-timeout"] ?? 0,
    ...(given.mtu !== undefined && { mtu: given.mtu }),
    ...(circuit && { circuit }),
  };
  problems.push(...checkSession(value, version));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value };
}

function required<Key extends AttributeName, Value>(
  given: { readonly [K in Key]?: Value | undefined },
  attribute: Key,
  problems: Problem[],
): Value | undefined {
  const value = given[attribute];
  if (value === undefined) {
    problems.push({ attribute, message: "missing; expected a number above 0" });
  }
  return value;
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
