/** What the appliance holds: tunnels and sessions as configured, and as they are. @module */

import type { Endpoint } from "../../core/endpoint.ts";
import type { PeerSettings } from "../../core/settings.ts";
import type { ChannelCounters } from "../../core/channel.ts";
import type { ConnectionState } from "../../core/events.ts";
import type { EncapType } from "../../core/pseudowire.ts";
import type { Offload, Row } from "../../plugins/plugin.ts";
import type { Counters } from "../../wasm/mod.ts";
import type { KeepaliveView } from "../keepalive/prober.ts";
import type { callOptions, sessionOptions, tunnelOptions, wayOptions } from "./attributes.ts";
import { connectionOptions, peerOptions, remoteOptions } from "./peer_attributes.ts";
import type { Fields } from "./option.ts";

/** An address that the appliance receives tunnels on; port 0 with protocol 115. */
export interface Listener extends Endpoint {
  readonly encap: EncapType;
  /** The network device or VRF that it is bound to. */
  readonly device?: string;
  /** Peers of one address are told apart by the kernel's marks of what they send (SO_RCVMARK). */
  readonly marks?: boolean;
}

/** The admin endpoint: TCP or a Unix socket. */
export interface AdminConfig {
  readonly listen: { readonly host: string; readonly port: number } | { readonly path: string };
  /** One of them is to come with every request; none: whoever may open the socket may ask. */
  readonly tokens: readonly AdminToken[];
}

/** Who knows the token may ask anything. */
export interface AdminToken {
  /** What the log calls whoever came with it. */
  readonly name: string;
  /** A secret. */
  readonly token: string;
}

/** A whole configuration, validated. */
export interface Config {
  readonly listen: readonly Listener[];
  readonly admin: AdminConfig;
  readonly log: {
    readonly level: "debug" | "info" | "warn" | "error";
    readonly format: "text" | "json";
    /** Levels of their own, by the name of a tunnel or a peer. */
    readonly levels?: Readonly<Record<string, "debug" | "info" | "warn" | "error">>;
  };
  /** What devices may do whose own options do not say. */
  readonly offload?: Offload;
  /** Our Host Name. */
  readonly hostName: string;
  /** v3's Router ID. */
  readonly routerId: number;
  /** How to treat peers; the first that fits counts. */
  readonly peers: readonly PeerConfig[];
  /** Static tunnels. */
  readonly tunnels: readonly TunnelConfig[];
  /** Tunnels with a control connection. */
  readonly managed: readonly ManagedTunnelConfig[];
  /** Files of plugins beyond those that are built in: absolute paths. */
  readonly plugins: readonly string[];
  /** Plugins' own sections, by plugin. */
  readonly sections: Readonly<Record<string, PluginSection>>;
  /** Circuits that sessions name. */
  readonly circuits: readonly NamedCircuit[];
  /** Commands by event: program and arguments. */
  readonly hooks: Readonly<Record<string, readonly string[]>>;
  /** Where plugins keep what outlives us. */
  readonly stateFolder: string;
}

/** A plugin's own part of the file. */
export interface PluginSection {
  /** Where it stands at the top of the file. */
  readonly key: string;
  readonly value: Row;
}

/** A circuit that any number of sessions may name. */
export interface NamedCircuit {
  readonly name: string;
  readonly plugin: string;
  readonly options: Row;
}

/** How to treat a peer, whoever of the two dials; its other fields are those of {@linkcode peerOptions}. */
export interface PeerConfig extends Fields<typeof peerOptions> {
  readonly name: string;
  /** Who it may be: addresses and networks in canonical text; empty: anybody. */
  readonly addresses: readonly string[];
  /** What its control connections are set up with; holds its secrets. */
  readonly settings:
    & Fields<typeof connectionOptions>
    & Pick<PeerSettings, "secret" | "otherSecret" | "framing" | "bearer">;
  /** The calls that it may place; the first that fits counts. */
  readonly accept: readonly CallConfig[];
}

/** A session's circuit: one of its own, or a named one. */
export interface CircuitConfig {
  /** The named circuit; absent: one of the session's own. */
  readonly name?: string;
  /** The circuit's plugin. */
  readonly plugin: string;
  /** The circuit's options, or the session's own with a named circuit; checked by the plugin's schema. */
  readonly options: Row;
}

/**
 * A call of a managed tunnel: one that we place, or that a peer may; its other fields are those of
 * {@linkcode callOptions}.
 */
export interface CallConfig extends Fields<typeof callOptions> {
  /** Placed: the session's name. Accepted: a glob over Remote End ID (v3) or Called Number (v2). */
  readonly name: string;
  /** Placed: what the peer shall know the call by; the session's name where nothing is said. Accepted: empty. */
  readonly remoteEndId: string;
  /** Placed: the peer is asked to place a call for us (OCRQ); absent: we tell it of one of ours (ICRQ). */
  readonly direction?: "outgoing";
  /** Absent: frames are dropped as `no-forwarder`. */
  readonly circuit?: CircuitConfig;
}

/** One whom a managed tunnel dials; its other fields are those of {@linkcode remoteOptions}. */
export interface RemoteConfig extends Fields<typeof remoteOptions> {
  /** With a DNS name in the address's place where one is to be looked up (`isName` of `dns_name.ts`). */
  readonly endpoint: Endpoint;
}

/** A tunnel with a control connection, as asked for; its other fields are those of {@linkcode wayOptions}. */
export interface ManagedTunnelConfig extends Fields<typeof wayOptions> {
  readonly name: string;
  /** A peer's name. */
  readonly peer: string;
  readonly mode: "persistent" | "on-demand" | "passive";
  readonly encap: EncapType;
  /** Port 0: any. */
  readonly local: Endpoint;
  /** The port of {@linkcode local} is but the first to dial from: where nobody answers there, a fresh one follows. */
  readonly freshPort: boolean;
  /** Whom to dial, the lowest preference first; weights share the load among equals. Empty with `passive`. */
  readonly remotes: readonly RemoteConfig[];
  /** Calls to place. */
  readonly calls: readonly CallConfig[];
}

/** A static tunnel as asked for; its other fields are those of {@linkcode tunnelOptions}. */
export interface TunnelConfig extends Fields<typeof tunnelOptions> {
  readonly name: string;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  /** A DNS name in the place of `remote`'s address, which is 0.0.0.0 until it is looked up; every so often it is anew. */
  readonly named?: { readonly name: string; readonly resolveMs: number };
  /** UDP checksums: sent over IPv4; left out in what is sent over IPv6; accepted as zero over IPv6 (RFC 6936). */
  readonly checksum: {
    readonly udp: boolean;
    readonly zero6Tx: boolean;
    readonly zero6Rx: boolean;
  };
  readonly sessions: readonly SessionConfig[];
}

/** A session as asked for; its other fields are those of {@linkcode sessionOptions}. */
export interface SessionConfig extends Fields<typeof sessionOptions> {
  readonly name: string;
  /** Absent: frames are dropped as `no-forwarder`. */
  readonly circuit?: CircuitConfig;
}

/** Where a tunnel or session was asked for: a reload touches only the file's. */
export type Origin = "config" | "api" | "control";

/** The control connection of a managed tunnel, as it is. */
export interface ControlState {
  readonly peer: string;
  readonly mode: ManagedTunnelConfig["mode"] | "accepted";
  readonly state: ConnectionState | "waiting" | "idle";
  /** What the peer calls itself. */
  readonly hostName?: string;
  readonly vendorName?: string;
  /** Unix milliseconds. */
  readonly establishedAt?: number;
  /** When the peer is dialed again; Unix milliseconds. */
  readonly redialAt?: number;
  /** Why the last connection ended. */
  readonly reason?: string;
  readonly window?: { readonly size: number; readonly outstanding: number };
  readonly messages?: Readonly<ChannelCounters>;
}

/** Whether a tunnel's datagrams leave grouped (UDP_SEGMENT), and why not. */
export type Grouping =
  | { readonly state: "on" }
  /** Protocol 115, or UDP without checksums. */
  | { readonly state: "never" }
  /** The kernel refused groups whose datagrams it took singly. */
  | {
    readonly state: "limited" | "off";
    /** Datagrams up to this length are still grouped. */
    readonly longest: number;
    readonly error: string;
    readonly retryInMs: number;
  };

/** A tunnel as it is, without its sessions. */
export interface TunnelSummary {
  /** Of managed tunnels; those that are not up have ids of 0. */
  readonly control?: ControlState;
  readonly config: TunnelConfig;
  readonly origin: Origin;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Why it is not there yet, of a static tunnel; it is tried again. */
  readonly reason?: string;
  /** Path MTU to the peer, in bytes of IP; absent: not known. */
  readonly pathMtu?: number;
  readonly counters: Counters;
  /** Milliseconds since the last valid data message came; absent: none has. */
  readonly heardAgoMs?: number;
  /** Absent while it is not in the datapath. */
  readonly grouping?: Grouping;
  /** ICMP errors that came for what was sent to the peer, by what they said. */
  readonly pathErrors?: Readonly<Record<string, number>>;
  /** Datagrams that the kernel dropped at the tunnel's socket, which it may share with others. */
  readonly socketDrops?: number;
  /** How many sessions it has. */
  readonly sessionCount: number;
}

/** A tunnel as it is. */
export interface TunnelState extends TunnelSummary {
  readonly sessions: readonly SessionState[];
}

/** A session as it is, and its tunnel. */
export interface SessionInTunnel {
  /** Without sessions. */
  readonly tunnel: TunnelConfig;
  readonly session: SessionState;
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
  readonly keepalive?: KeepaliveView;
  readonly circuit?: {
    readonly plugin: string;
    /** What the plugin shows of the session. */
    readonly shown?: Row;
  };
}
