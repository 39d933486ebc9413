/** What an IP path leaves for the frames of a session. Pure. @module */

import { ipVersion } from "../../core/endpoint.ts";
import { type FrameType, frameTypeOf } from "../../core/pseudowire.ts";
import type { SessionConfig, TunnelConfig } from "../config/model.ts";

/** Where nobody knows the path yet (no route): Ethernet's. */
const DEFAULT_PATH_MTU = 1500;
/** The longest IP packet. */
const MAX_PACKET = 65535;

const IP_HEADER = { 4: 20, 6: 40 } as const;
const UDP_HEADER = 8;
/** RFC 2661 §3.1: flags, tunnel id, session id; HDLC's address and control stay in front of PPP. */
const V2_HEADER = 6 + 2;
/** Ns and Nr. */
const V2_SEQUENCE = 4;
/** RFC 3931 §4.1.2.1: flags, reserved, session id; §4.1.1.1: session id. */
const V3_HEADER = { udp: 8, ip: 4 } as const;
/** RFC 3931 §4.6. */
const L2SPEC = { none: 0, default: 4 } as const;

/** What a frame has in front of the payload that `mtu` counts. */
const LINK_HEADER: Readonly<Record<FrameType, number>> = { ethernet: 14, ppp: 2, ip: 0 };

/** The bytes in front of a session's frames, the IP header included. */
export function headerBytes(
  tunnel: Pick<TunnelConfig, "version" | "encap" | "remote">,
  session: Pick<SessionConfig, "cookie" | "l2spec" | "sendSeq">,
): number {
  const ip = IP_HEADER[ipVersion(tunnel.remote.address)] +
    (tunnel.encap === "udp" ? UDP_HEADER : 0);
  if (tunnel.version === 2) return ip + V2_HEADER + (session.sendSeq ? V2_SEQUENCE : 0);
  return ip + V3_HEADER[tunnel.encap] + session.cookie.length / 2 + L2SPEC[session.l2spec];
}

/** Bytes of the longest datagram, L2TP header included, that crosses a path of that MTU unfragmented. */
export function longestDatagram(
  { encap, remote }: Pick<TunnelConfig, "encap" | "remote">,
  pathMtu: number,
): number {
  const ip = IP_HEADER[ipVersion(remote.address)] + (encap === "udp" ? UDP_HEADER : 0);
  return Math.max(0, Math.min(pathMtu, MAX_PACKET) - ip);
}

/**
 * The largest frame that crosses the path to the peer unfragmented, or that `mtu` asks for; in bytes, with the
 * frame's own link header.
 */
export function frameMtu(
  tunnel: TunnelConfig,
  session: SessionConfig,
  pathMtu: number | undefined,
): number {
  if (session.mtu !== undefined) {
    return session.mtu + LINK_HEADER[frameTypeOf(session.pseudowireType)];
  }
  const packet = Math.min(pathMtu ?? DEFAULT_PATH_MTU, MAX_PACKET);
  return Math.max(0, packet - headerBytes(tunnel, session));
}
