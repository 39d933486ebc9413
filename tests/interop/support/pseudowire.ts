/** One static L2TPv3 Ethernet pseudowire, described once and said to both ends: as our YAML and as `ip l2tp`'s commands. @module */

import type { EncapType, L2SpecType } from "../../../core/pseudowire.ts";

/** An address and, over UDP, a port. */
export interface End {
  readonly address: string;
  readonly port: number;
}

/** A pseudowire between us (`here`) and the kernel (`there`). */
export interface Pseudowire {
  /** 1 to 250: all ids, device names and inner addresses come from it. */
  readonly index: number;
  readonly encap: EncapType;
  readonly here: End;
  readonly there: End;
  readonly l2spec: L2SpecType;
  /** The cookie that our frames carry: 0, 8 or 16 hexadecimal digits. */
  readonly cookie: string;
  /** The cookie that the kernel's frames carry. */
  readonly peerCookie: string;
  readonly seq: boolean;
  readonly mtu?: number;
  /** Milliseconds; ours only, for the kernel's see l2tp-netlink.pl. */
  readonly reorderTimeout?: number;
  /** Ours only, as YAML has it. */
  readonly keepalive?: string;
  /** What our end alone is told otherwise. */
  readonly ours?: { readonly there?: End; readonly cookie?: string; readonly peerCookie?: string };
}

/** Names, ids and addresses that follow from a pseudowire's index. */
export function derived({ index }: Pick<Pseudowire, "index">) {
  return {
    /** The tunnel's name here. */
    tunnel: `t${index}`,
    /** Our TAP. */
    tap: `here${index}`,
    /** The kernel's device. */
    device: `there${index}`,
    tunnelId: 1000 + index,
    peerTunnelId: 2000 + index,
    sessionId: 0x1_0000 + index,
    peerSessionId: 0x2_0000 + index,
    here4: `10.100.${index}.1`,
    there4: `10.100.${index}.2`,
  } as const;
}

/**
 * Bytes of L2TP header before each frame: flags and version over UDP (RFC 3931 §4.1.2.1), session id, cookie, sublayer.
 * Cookies of both directions are taken to be of one length.
 */
export function headerBytes({ encap, cookie, l2spec }: Pseudowire): number {
  return (encap === "udp" ? 8 : 4) + cookie.length / 2 + (l2spec === "default" ? 4 : 0);
}

/** A configuration file with these pseudowires. */
export function config(
  pseudowires: readonly Pseudowire[],
  listen: string,
  adminSocket: string,
): string {
  return [
    `listen: [${listen}]`,
    `admin: { listen: "unix:${adminSocket}" }`,
    pseudowires.length === 0 ? "tunnels: {}" : "tunnels:",
    ...pseudowires.map(tunnel),
    "",
  ].join("\n");
}

function tunnel(pseudowire: Pseudowire): string {
  const { encap, here, keepalive, l2spec, seq, mtu, reorderTimeout, ours } = pseudowire;
  const { tunnel, tap, tunnelId, peerTunnelId, sessionId, peerSessionId, here4 } = derived(
    pseudowire,
  );
  const cookie = ours?.cookie ?? pseudowire.cookie;
  const peerCookie = ours?.peerCookie ?? pseudowire.peerCookie;
  const optional = [
    cookie && `cookie: "${cookie}"`,
    peerCookie && `peer-cookie: "${peerCookie}"`,
    seq && "seq: both",
    mtu !== undefined && `mtu: ${mtu}`,
    reorderTimeout !== undefined && `reorder-timeout: ${reorderTimeout}`,
    keepalive && `keepalive: ${keepalive}`,
  ].filter((text) => text).map((text) => `        ${text}\n`).join("");
  return `  ${tunnel}:
    static: { tunnel-id: ${tunnelId}, peer-tunnel-id: ${peerTunnelId} }
    encap: ${encap}
    local: "${endText(here)}"
    remote: "${endText(ours?.there ?? pseudowire.there)}"
    sessions:
      s:
        session-id: ${sessionId}
        peer-session-id: ${peerSessionId}
        l2spec-type: ${l2spec}
${optional}        circuit: { tap: { name: ${tap}, addresses: [${here4}/24] } }`;
}

function endText({ address, port }: End): string {
  if (port === 0) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The lines of an `ip -batch` file that make the kernel's ends, up and with their addresses. */
export function ipBatch(pseudowires: readonly Pseudowire[]): string {
  return pseudowires.flatMap((pseudowire) => {
    const { encap, here, there, l2spec, seq, mtu, cookie, peerCookie } = pseudowire;
    const { device, tunnelId, peerTunnelId, sessionId, peerSessionId, there4 } = derived(
      pseudowire,
    );
    return [
      `l2tp add tunnel tunnel_id ${peerTunnelId} peer_tunnel_id ${tunnelId} encap ${encap}` +
      ` local ${there.address} remote ${here.address}` +
      (encap === "udp" ? ` udp_sport ${there.port} udp_dport ${here.port}` : ""),
      `l2tp add session name ${device} tunnel_id ${peerTunnelId} session_id ${peerSessionId}` +
      ` peer_session_id ${sessionId} l2spec_type ${l2spec}` +
      (peerCookie ? ` cookie ${peerCookie}` : "") + (cookie ? ` peer_cookie ${cookie}` : "") +
      (seq ? " seq both" : ""),
      `link set ${device} ${mtu === undefined ? "" : `mtu ${mtu} `}up`,
      `addr add ${there4}/24 dev ${device}`,
      "",
    ].join("\n");
  }).join("");
}
