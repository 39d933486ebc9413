/**
 * The datapath's only door: typed access to the WASM module in `pkg/`.
 *
 * The WASM memory owns every packet buffer and every `mmsghdr`, `iovec` and `sockaddr`. The caller makes the
 * system calls on that memory; addresses handed to the kernel are `base + offset`, with `base` the address of
 * the memory's first byte (it never moves).
 *
 * @module
 */

import type { EncapType, FrameType, L2SpecType, ProtoVersion } from "../core/pseudowire.ts";

declare const brand: unique symbol;
/** A registered socket. */
export type SocketIx = number & { readonly [brand]: "SocketIx" };
/** A tunnel of the datapath. */
export type TunnelIx = number & { readonly [brand]: "TunnelIx" };
/** A port of the datapath: a session, a device or a host port. Stale handles are refused, never reused silently. */
export type PortIx = number & { readonly [brand]: "PortIx" };

/** What kind of socket packets come from. `ip4` sockets deliver the IPv4 header too. */
export type SocketKind = "udp4" | "udp6" | "ip4" | "ip6";

/** An IP address as bytes in network order (4 or 16), its UDP port (0 for protocol 115) and, for IPv6, its scope. */
export interface SockAddr {
  readonly address: Uint8Array;
  readonly port: number;
  readonly scopeId?: number;
}

/** A tunnel as the datapath needs to know it. */
export interface TunnelSpec {
  readonly version: ProtoVersion;
  readonly encap: EncapType;
  readonly tunnelId: number;
  readonly peerTunnelId: number;
  readonly socket: SocketIx;
  readonly remote: SockAddr;
  /** The source address of what is sent (IP_PKTINFO); absent: the kernel chooses. */
  readonly local?: Uint8Array;
  /** Refuse data that does not come from `remote`, as a connected socket does: nothing, the address, or address and port. */
  readonly sourceCheck: "none" | "address" | "endpoint";
  /** Whether frames may leave grouped by UDP_SEGMENT (not without UDP checksums, never on protocol 115). */
  readonly segment: boolean;
}

/** A session as the datapath needs to know it; the names are the kernel's. */
export interface SessionSpec {
  readonly sessionId: number;
  readonly peerSessionId: number;
  readonly frameType: FrameType;
  readonly l2spec: L2SpecType;
  /** 0, 4 or 8 bytes sent in every frame (RFC 3931 §4.1). */
  readonly cookie: Uint8Array;
  /** 0, 4 or 8 bytes that every received frame must carry. */
  readonly peerCookie: Uint8Array;
  readonly sendSeq: boolean;
  readonly recvSeq: boolean;
  readonly lnsMode: boolean;
  /** Milliseconds that a frame waits for those before it; 0: never queue. */
  readonly reorderTimeoutMs: number;
}

/** A counter's name (a session's, design.md §4). Values are frames, or bytes of frames without any L2TP header. */
export const sessionCounters = [
  "tx-packets",
  "tx-bytes",
  "tx-errors",
  "rx-packets",
  "rx-bytes",
  "rx-errors",
  "rx-seq-discards",
  "rx-oos-packets",
  "rx-cookie-discards",
  "rx-invalid",
] as const;
export type SessionCounter = typeof sessionCounters[number];
export type Counters = Record<SessionCounter, number>;
