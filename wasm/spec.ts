/** What the datapath is told of sockets, tunnels and sessions, and the counters that it keeps of them. @module */

import type { EncapType, FrameType, L2SpecType, ProtoVersion } from "../core/pseudowire.ts";

/** A registered socket. */
export type SocketIx = number & { readonly brand: "SocketIx" };
/** A tunnel of the datapath. */
export type TunnelIx = number & { readonly brand: "TunnelIx" };
/** A port of the datapath: a session, a device or a host port. Stale handles are refused, never reused silently. */
export type PortIx = number & { readonly brand: "PortIx" };

/** What kind of socket packets come from. `ip4` sockets deliver the IPv4 header too. */
export type SocketKind = "udp4" | "udp6" | "ip4" | "ip6";

/** An IP address as bytes in network order (4 or 16), its UDP port (0 for protocol 115) and, for IPv6, its scope. */
export interface SockAddr {
  /** 4 or 16 bytes in network order. */
  readonly address: Uint8Array;
  /** The UDP port; 0 with protocol 115. */
  readonly port: number;
  /** The interface of a link-local IPv6 address. */
  readonly scopeId?: number;
}

/** A tunnel as the datapath needs to know it. */
export interface TunnelSpec {
  /** L2TPv2 or L2TPv3. */
  readonly version: ProtoVersion;
  /** What it travels in; L2TPv2 over UDP only. */
  readonly encap: EncapType;
  /** Our id. */
  readonly tunnelId: number;
  /** The peer's id. */
  readonly peerTunnelId: number;
  /** The socket that it sends through. */
  readonly socket: SocketIx;
  /** The peer. */
  readonly remote: SockAddr;
  /** The source address of what is sent (IP_PKTINFO); absent: the kernel chooses. */
  readonly local?: Uint8Array;
  /** Refuse data that does not come from `remote`, as a connected socket does: nothing, the address, or address and port. */
  readonly sourceCheck: "none" | "address" | "endpoint";
  /** Whether frames may leave grouped by UDP_SEGMENT (not without UDP checksums, never on protocol 115). */
  readonly segment: boolean;
  /** DSCP of the outer header (RFC 2474), or each frame's own; absent: the kernel's choice. */
  readonly dscp?: number | "inherit";
  /** TTL or hop limit of the outer header; absent: the kernel's choice. */
  readonly ttl?: number;
  /** The kernel's mark of what leaves (SO_MARK), and of what is believed where the socket tells it; absent: 0, none. */
  readonly mark?: number;
  /** Bytes of a datagram that the path carries unfragmented; absent: not known. */
  readonly longest?: number;
}

/** Who a host inside a session is: what comes for it is not for the session's circuit. */
export interface InsideSpec {
  /** Its MAC address: 6 octets. */
  readonly mac: Uint8Array;
  /** Its VLAN, 0 to 4095; `any`: that of a VLAN pseudowire, however the peer numbers it; absent: its frames are untagged. */
  readonly vlan?: number | "any";
  /** The IPv4 address that ARP requests ask it for: 4 octets. */
  readonly v4?: Uint8Array;
  /** The IPv6 address that Neighbor Solicitations ask it for: 16 octets. */
  readonly v6?: Uint8Array;
}

/** A session as the datapath needs to know it; the names are the kernel's. */
export interface SessionSpec {
  /** Our id: what the peer sends to. */
  readonly sessionId: number;
  /** The peer's id: what we send to. */
  readonly peerSessionId: number;
  /** What the frames are. */
  readonly frameType: FrameType;
  /** Whether the default L2-Specific Sublayer stands before frames that are sent (RFC 3931 §4.6); L2TPv2 has none. */
  readonly l2spec: L2SpecType;
  /** Whether it stands before frames that come: each direction is its own (RFC 3931 §5.4.4). Absent: as `l2spec`. */
  readonly peerL2spec?: L2SpecType;
  /** 0, 4 or 8 bytes sent in every frame (RFC 3931 §4.1). */
  readonly cookie: Uint8Array;
  /** 0, 4 or 8 bytes that every received frame must carry. */
  readonly peerCookie: Uint8Array;
  /** Number what is sent. Unless `lnsMode`, this follows the peer. */
  readonly sendSeq: boolean;
  /** Drop what comes without a number. */
  readonly recvSeq: boolean;
  /** Decide about numbering, as an LNS does; else follow the peer, as a LAC does. */
  readonly lnsMode: boolean;
  /** Milliseconds that a frame waits for those before it; 0: never queue. */
  readonly reorderTimeoutMs: number;
  /** Milliseconds, at least 1, without a number near the expected one, after which any is where numbering goes on. */
  readonly restartAfterMs: number;
  /** So many numbers in a row (at least 1), far before the expected one, show that numbering began anew. */
  readonly restartRun: number;
  /** Whether PPP frames leave behind an address and control field, `FF 03` (RFC 1662 §3.2); absent: as they come. */
  readonly addressControl?: "keep" | "add" | "strip";
  /** It carries one VLAN (RFC 4719): frames have a tag, whose VLAN is this one outside of the pseudowire. Absent: not so. */
  readonly vlan?: number | "any";
  /** What its frames are held to. */
  readonly policy?: SessionPolicy;
}

/** A PPPoE session as the datapath needs to know it (RFC 2516). */
export interface PppoeSpec {
  /** The peer's MAC address. */
  readonly peer: Uint8Array;
  /** Ours. */
  readonly own: Uint8Array;
  /** VLAN tags as numbers (TPID 2 octets | tag control information 2 octets), the outer one first; at most two. */
  readonly tags: readonly number[];
  /** 1 to 65534. */
  readonly sessionId: number;
}

/** What the frames of a session are held to; nothing where absent. */
export interface SessionPolicy {
  /** Kilobits a second from (`rx`) and to (`tx`) the peer, frames without L2TP's header; absent: no limit. */
  readonly rateLimit?: {
    readonly rx?: number;
    readonly tx?: number;
    /** Octets that may pass at once, each way. */
    readonly burst: number;
  };
  /** Whose frames the peer may send: a MAC address, an IPv4 address, an IPv6 prefix. Of a family without one: none. */
  readonly source?: {
    readonly mac?: Uint8Array;
    readonly v4?: Uint8Array;
    readonly v6?: { readonly prefix: Uint8Array; readonly bits: number };
  };
  /** The largest segment that TCP may be asked for, both ways: in octets, or what fits frames of so many octets. */
  readonly mss?: number | { readonly frame: number };
}

/** How fast a port may be, both ways. */
export interface PortLimit {
  /** Kilobits a second of what comes in; 0: no limit. */
  readonly rx: number;
  /** Kilobits a second of what leaves; 0: no limit. */
  readonly tx: number;
  /** Bytes that may pass at once. */
  readonly burst: number;
}

/** What may change in a session while it runs. */
export type SessionChange = Partial<Omit<SessionSpec, "sessionId" | "peerSessionId" | "frameType">>;

/** What a device with IFF_VNET_HDR takes beyond plain frames: the TUNSETOFFLOAD that succeeded. */
export interface VnetSpec {
  /** Frames with unfinished transport checksums. */
  readonly checksum: boolean;
  /** TCP super-frames of both families. */
  readonly tcp: boolean;
  /** UDP super-frames of both families. */
  readonly udp: boolean;
}

/** A counter's name (a session's). Values are frames, or bytes of frames without any L2TP header. */
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
/** One of {@linkcode sessionCounters}. */
export type SessionCounter = typeof sessionCounters[number];
/** A session's or a tunnel's counters. */
export type Counters = Record<SessionCounter, number>;
