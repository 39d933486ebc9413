/** What the caller says, in the module's names and numbers. Pure. @module */

import { drop_names, RawPolicy, type RawSession, RawTunnel } from "./pkg/isthmus_datapath.js";
import { WasmError } from "./error.ts";
import type { SessionChange, SessionPolicy, TunnelSpec, VnetSpec } from "./spec.ts";
import type { Translation } from "./switches.ts";

/** The numbers that stand for these names in the module, as do the ones below. */
export const socketKinds = { udp4: 0, udp6: 1, ip4: 2, ip6: 3 } as const;
export const frameTypes = { ethernet: 0, ppp: 1, ip: 2 } as const;
const encaps = { udp: 0, ip: 1 } as const;
const framings = { keep: 0, add: 1, strip: 2 } as const;
const sourceChecks = { none: 0, address: 1, endpoint: 2 } as const;

/** No octets, where the module takes none for none. */
export const noBytes = new Uint8Array(0);

/** A tunnel under the module's names. @throws {WasmError} where an id is none */
export function rawTunnel(spec: TunnelSpec): RawTunnel {
  return Object.assign(new RawTunnel(), {
    version: spec.version,
    encap: encaps[spec.encap],
    tunnel_id: u32(spec.tunnelId, "tunnel id"),
    peer_tunnel_id: u32(spec.peerTunnelId, "tunnel id"),
    socket: spec.socket,
    remote: spec.remote.address,
    port: spec.remote.port,
    scope: spec.remote.scopeId ?? 0,
    local: spec.local ?? noBytes,
    source_check: sourceChecks[spec.sourceCheck],
    segment: spec.segment,
    // The DSCP is the upper six bits of the octet (RFC 2474 §3).
    tos: spec.dscp === "inherit" ? -2 : spec.dscp === undefined ? -1 : spec.dscp << 2,
    ttl: spec.ttl ?? 0,
    mark: spec.mark ?? 0,
    longest: Math.min(spec.longest ?? 0, 0xffff),
  });
}

/** The options that are given, under the module's names. */
export function rawOptions(change: SessionChange): Partial<RawSession> {
  const { l2spec, peerL2spec = l2spec, cookie, peerCookie, sendSeq, recvSeq, lnsMode } = change;
  const { addressControl, reorderTimeoutMs, restartAfterMs, restartRun } = change;
  return {
    ...(l2spec !== undefined && { l2spec: l2spec === "default" }),
    ...(peerL2spec !== undefined && { peer_l2spec: peerL2spec === "default" }),
    ...(cookie && { cookie }),
    ...(peerCookie && { peer_cookie: peerCookie }),
    ...(sendSeq !== undefined && { send_seq: sendSeq }),
    ...(recvSeq !== undefined && { recv_seq: recvSeq }),
    ...(lnsMode !== undefined && { lns_mode: lnsMode }),
    ...(reorderTimeoutMs !== undefined && { reorder_timeout_ms: reorderTimeoutMs }),
    ...(restartAfterMs !== undefined && { restart_after_ms: restartAfterMs }),
    ...(restartRun !== undefined && { restart_run: restartRun }),
    ...(addressControl !== undefined && { framing: framings[addressControl] }),
  };
}

/** A policy under the module's names. @throws {WasmError} where a rate is none */
export function rawPolicy({ rateLimit, source, mss }: SessionPolicy): RawPolicy {
  const number = (value: number | undefined, what: string) => u32(value ?? 0, what);
  return Object.assign(new RawPolicy(), {
    rx_rate: number(rateLimit?.rx, "rate"),
    tx_rate: number(rateLimit?.tx, "rate"),
    burst: number(rateLimit?.burst, "burst"),
    mac: source?.mac ?? noBytes,
    v4: source?.v4 ?? noBytes,
    v6: source?.v6?.prefix ?? noBytes,
    v6_bits: source?.v6?.bits ?? 0,
    mss: typeof mss === "number" ? mss : 0,
    mss_for_frame: typeof mss === "object" ? Math.min(mss.frame, 0xffff) : 0,
  });
}

/** A VLAN pseudowire's own tag, as a translation. */
export function vlanOf(vlan: number | "any"): Translation {
  return { vlan: vlan === "any" ? null : vlan };
}

/** An id that fits the 32 bits that the module takes; it would wrap silently else. */
export function u32(value: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new WasmError("invalid", `${value} is no ${what}`);
  }
  return value;
}

/** A reason for a drop. @throws {WasmError} where there is no such reason: a defect */
export function reasonNumber(reason: string): number {
  reasons ??= new Map(drop_names().split(" ").map((name, number) => [name, number]));
  const number = reasons.get(reason);
  if (number === undefined) throw new WasmError("invalid", `${reason} is no reason for a drop`);
  return number;
}

let reasons: ReadonlyMap<string, number> | undefined;

/** What a device leaves to us, as the module's bits. */
export function vnetBits({ checksum, tcp, udp }: VnetSpec): number {
  return 1 | (checksum ? 2 : 0) | (tcp ? 4 : 0) | (udp ? 8 : 0);
}
