/** The steps between two configurations. @module */

import type {
  AdminConfig,
  CallConfig,
  Config,
  Listener,
  ManagedTunnelConfig,
  PeerConfig,
  SessionConfig,
  TunnelConfig,
} from "./model.ts";

/** What makes a tunnel another one: where any of these changes, it is removed and added anew. */
export const tunnelIdentity = ["name", "version", "tunnelId", "encap"] as const;
/** What makes a session another one. */
export const sessionIdentity = ["name", "sessionId", "pseudowireType"] as const;
/** What makes a tunnel with a control connection another one. */
export const managedIdentity = ["name", "peer", "encap"] as const;

/** What may change in a tunnel that stays. */
export type TunnelAttribute = Exclude<
  keyof TunnelConfig,
  typeof tunnelIdentity[number] | "sessions"
>;
/** What may change in a session that stays. */
export type SessionAttribute = Exclude<keyof SessionConfig, typeof sessionIdentity[number]>;
/** What may change in a tunnel with a control connection that stays. */
export type ManagedTunnelAttribute = Exclude<
  keyof ManagedTunnelConfig,
  typeof managedIdentity[number] | "calls"
>;
/** What may change in a call, or a peer, that stays. */
export type CallAttribute = Exclude<keyof CallConfig, "name">;
export type PeerAttribute = Exclude<keyof PeerConfig, "name">;
/** Who we are to peers. */
export type Identity = Pick<Config, "hostName" | "routerId">;

/** One step. A tunnel comes and goes with its sessions; steps for single sessions are about tunnels that stay. */
export type Operation =
  | {
    readonly kind: "remove-session";
    readonly tunnel: TunnelConfig;
    readonly session: SessionConfig;
  }
  | { readonly kind: "remove-tunnel"; readonly tunnel: TunnelConfig }
  | { readonly kind: "remove-listener"; readonly listener: Listener }
  | { readonly kind: "change-log"; readonly log: Config["log"] }
  | { readonly kind: "change-admin"; readonly admin: AdminConfig }
  | { readonly kind: "add-listener"; readonly listener: Listener }
  | {
    readonly kind: "change-tunnel";
    /** As it shall be. Its sessions are not part of this step. */
    readonly tunnel: TunnelConfig;
    readonly changed: ReadonlySet<TunnelAttribute>;
  }
  | {
    readonly kind: "change-session";
    /** The tunnel as it shall be. */
    readonly tunnel: TunnelConfig;
    /** As it shall be. */
    readonly session: SessionConfig;
    readonly changed: ReadonlySet<SessionAttribute>;
  }
  | { readonly kind: "add-tunnel"; readonly tunnel: TunnelConfig }
  | {
    readonly kind: "add-session";
    /** The tunnel as it shall be. */
    readonly tunnel: TunnelConfig;
    readonly session: SessionConfig;
  }
  | {
    /** Bears on every peer, as `change-peer` does on one. */
    readonly kind: "change-identity";
    readonly identity: Identity;
    readonly changed: ReadonlySet<keyof Identity>;
  }
  | { readonly kind: "add-peer" | "remove-peer"; readonly peer: PeerConfig }
  | {
    /**
     * Bears on every tunnel of the peer, those that it dialed and those that we configured, though there are no steps
     * for them: what `changed` means for connections that are up is for who carries the steps out to say.
     */
    readonly kind: "change-peer";
    /** As it shall be. */
    readonly peer: PeerConfig;
    readonly changed: ReadonlySet<PeerAttribute>;
  }
  | {
    /** The first peer that fits counts, and the steps for single peers do not lead to the order that it shall be. */
    readonly kind: "change-peer-order";
    readonly names: readonly string[];
  }
  | {
    readonly kind: "add-managed-tunnel" | "remove-managed-tunnel";
    readonly tunnel: ManagedTunnelConfig;
  }
  | {
    readonly kind: "change-managed-tunnel";
    /** As it shall be. Its calls are not part of this step. */
    readonly tunnel: ManagedTunnelConfig;
    readonly changed: ReadonlySet<ManagedTunnelAttribute>;
  }
  | {
    readonly kind: "add-call" | "remove-call";
    /** The tunnel as it shall be, or for `remove-call` as it was. */
    readonly tunnel: ManagedTunnelConfig;
    readonly call: CallConfig;
  }
  | {
    readonly kind: "change-call";
    /** The tunnel as it shall be. */
    readonly tunnel: ManagedTunnelConfig;
    /** As it shall be. */
    readonly call: CallConfig;
    readonly changed: ReadonlySet<CallAttribute>;
  };

/** The steps in the order in which they can be carried out, and how many listeners, peers, tunnels and sessions stay as they are. */
export interface ConfigDiff {
  readonly operations: readonly Operation[];
  readonly unchanged: number;
}

/** The order of steps: first what frees ids, addresses and devices, last what takes them. */
export const operationOrder: readonly Operation["kind"][] = [
  "remove-call",
  "remove-managed-tunnel",
  "remove-session",
  "remove-tunnel",
  "remove-listener",
  "remove-peer",
  "change-log",
  "change-admin",
  "change-identity",
  "add-listener",
  "change-peer",
  "add-peer",
  "change-peer-order",
  "change-tunnel",
  "change-session",
  "change-managed-tunnel",
  "change-call",
  "add-tunnel",
  "add-session",
  "add-managed-tunnel",
  "add-call",
];
