/** Sessions in the datapath's words. Pure. @module */

import { isDeepStrictEqual } from "node:util";
import { frameTypeOf, PseudowireType } from "../../core/pseudowire.ts";
import type { SessionPolicy, SessionSpec } from "../../wasm/mod.ts";
import { parseIp } from "../../core/endpoint.ts";
import type { RateLimit, SourceCheck } from "../config/attributes.ts";
import type { SessionConfig } from "../config/model.ts";
import type { SessionChange } from "../datapath/datapath.ts";
import { frameMtu } from "./frame_mtu.ts";
import type { TunnelEntry } from "./table.ts";

/** A session as the datapath wants it. */
export function specOf(tunnel: Path, config: SessionConfig): SessionSpec {
  return {
    policy: policyOf(tunnel, config),
    sessionId: config.sessionId,
    peerSessionId: config.peerSessionId,
    frameType: frameTypeOf(config.pseudowireType),
    l2spec: config.l2spec,
    peerL2spec: config.peerL2spec ?? config.l2spec,
    cookie: Uint8Array.fromHex(config.cookie),
    peerCookie: Uint8Array.fromHex(config.peerCookie),
    sendSeq: config.sendSeq,
    recvSeq: config.recvSeq,
    lnsMode: config.lnsMode,
    reorderTimeoutMs: config.reorderTimeoutMs,
    restartAfterMs: config.restartAfterMs,
    restartRun: config.restartRun,
    ...(config.pseudowireType === PseudowireType.Ppp &&
      { addressControl: config.addressControl ?? "keep" }),
    ...(config.pseudowireType === PseudowireType.EthernetVlan && { vlan: config.vlanId ?? "any" }),
  };
}

/** What the frames' way to the peer depends on. */
export type Path = Pick<TunnelEntry, "config" | "pathMtu">;

/** Octets that pass at once where nobody says how many: what passes in 50 ms, and some frames at least. */
function burstFor({ rx = 0, tx = 0 }: RateLimit): number {
  const octetsPerMs = Math.max(rx, tx) / 8;
  return Math.min(0xffff_ffff, Math.max(65_536, Math.round(50 * octetsPerMs)));
}

/** How fast a session may be, and what of its TCP segments is made smaller. */
export function policyOf(tunnel: Path, config: SessionConfig): SessionPolicy {
  const { mssClamp, rateLimit, sourceCheck } = config;
  const frame = () => frameMtu(tunnel.config, config, tunnel.pathMtu);
  return {
    ...(rateLimit && { rateLimit: { burst: burstFor(rateLimit), ...rateLimit } }),
    ...(sourceCheck && { source: sourceOf(sourceCheck) }),
    ...(mssClamp !== undefined && mssClamp !== "off" &&
      { mss: mssClamp === "auto" ? { frame: frame() } : mssClamp }),
  };
}

/** Whose frames a session takes, as octets. */
function sourceOf({ ipv4, ipv6, mac }: SourceCheck): NonNullable<SessionPolicy["source"]> {
  const [prefix = "", bits = "128"] = ipv6?.split("/") ?? [];
  return {
    ...(mac !== undefined && { mac: Uint8Array.fromHex(mac.replaceAll(":", "")) }),
    ...(ipv4 !== undefined && { v4: parseIp(ipv4)! }),
    ...(ipv6 !== undefined && { v6: { prefix: parseIp(prefix)!, bits: Number(bits) } }),
  };
}

const liveKeys = [
  "sendSeq",
  "recvSeq",
  "lnsMode",
  "reorderTimeoutMs",
  "restartAfterMs",
  "restartRun",
  "cookie",
  "peerCookie",
  "policy",
  "vlan",
  "addressControl",
] as const;

/** What the datapath changes while frames flow, and how to go back. */
export function liveChange(
  tunnel: Path,
  before: SessionConfig,
  after: SessionConfig,
): [SessionChange, SessionChange] {
  const [old, next] = [specOf(tunnel, before), specOf(tunnel, after)];
  const changed = liveKeys.filter((key) => !isDeepStrictEqual(old[key], next[key]));
  const pick = (spec: SessionSpec): SessionChange =>
    Object.fromEntries(changed.map((key) => [key, spec[key]]));
  return [pick(next), pick(old)];
}
