/** What the appliance holds: tunnels and sessions as configured, and as they are. @module */

import type { Endpoint } from "../core/endpoint.ts";
import type { SessionId, TunnelId } from "../core/ids.ts";
import type { EncapType, L2SpecType, ProtoVersion, PseudowireType } from "../core/pseudowire.ts";
import type { Json } from "../plugins/plugin.ts";
import type { Counters } from "../wasm/mod.ts";

/** An address that the appliance receives tunnels on; port 0 with protocol 115. */
export interface Listener extends Endpoint {
  readonly encap: EncapType;
}

/** The admin endpoint: TCP or a Unix socket. */
export interface AdminConfig {
  readonly listen: { readonly host: string; readonly port: number } | { readonly path: string };
  /** Required beyond loopback. A secret. */
  readonly token?: string;
}

/** A whole configuration, validated. */
export interface Config {
  readonly listen: readonly Listener[];
  readonly admin: AdminConfig;
  readonly log: {
    readonly level: "debug" | "info" | "warn" | "error";
    readonly format: "text" | "json";
  };
  readonly tunnels: readonly TunnelConfig[];
}

/** A tunnel as asked for. */
export interface TunnelConfig {
  readonly name: string;
  readonly version: ProtoVersion;
  readonly tunnelId: TunnelId;
  readonly peerTunnelId: TunnelId;
  readonly encap: EncapType;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** UDP checksums: sent over IPv4; left out in what is sent over IPv6; accepted as zero over IPv6 (RFC 6936). */
  readonly checksum: {
    readonly udp: boolean;
    readonly zero6Tx: boolean;
    readonly zero6Rx: boolean;
  };
  readonly sessions: readonly SessionConfig[];
}

/** A session as asked for. */
export interface SessionConfig {
  readonly name: string;
  readonly sessionId: SessionId;
  readonly peerSessionId: SessionId;
  readonly pseudowireType: PseudowireType;
  readonly l2spec: L2SpecType;
  /** 0, 8 or 16 lower-case hexadecimal digits. */
  readonly cookie: string;
  readonly peerCookie: string;
  readonly sendSeq: boolean;
  readonly recvSeq: boolean;
  readonly lnsMode: boolean;
  readonly reorderTimeoutMs: number;
  /** Absent: worked out from the path. */
  readonly mtu?: number;
  /** The plugin's name and its options, checked by the plugin's schema. Absent: frames are dropped as `no-forwarder`. */
  readonly circuit?: { readonly plugin: string; readonly options: Json };
}

/** Where a tunnel or session was asked for: a reload touches only the file's. */
export type Origin = "config" | "api";

/** A tunnel as it is. */
export interface TunnelState {
  readonly config: TunnelConfig;
  readonly origin: Origin;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Path MTU to the peer, in bytes of IP; absent: not known. */
  readonly pathMtu?: number;
  readonly counters: Counters;
  readonly sessions: readonly SessionState[];
}

/** A session as it is. */
export interface SessionState {
  readonly config: SessionConfig;
  readonly origin: Origin;
  readonly createdAt: number;
  /** What the datapath does now; differs from the configuration where a LAC follows its LNS (`lns-mode`). */
  readonly counters: Counters;
  /** `up`, or why not. */
  readonly status: "up" | "down";
  readonly reason?: string;
  readonly ifname?: string;
  readonly mtu?: number;
  readonly circuit?: {
    readonly plugin: string;
    readonly summary?: string;
    readonly details?: Json;
  };
}
