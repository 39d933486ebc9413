/** What runs in the control plane, and what its parts work with. @module */

import type { CallAvps, CallEnd, CallMessage } from "../../core/wire/call_avps.ts";
import type { Connection } from "../../core/connection.ts";
import type { Endpoint } from "../../core/endpoint.ts";
import type { Result } from "../../core/errors.ts";
import type { CallHandle, Cause, ConnectionHandle } from "../../core/events.ts";
import type { Lcce } from "../../core/lcce.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { PeerSettings, SessionParameters } from "../../core/settings.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { Attachment } from "../../plugins/plugin.ts";
import type { SessionEntry, TunnelEntry } from "../sessions/table.ts";
import type { NamedInOrder } from "../sorted.ts";
import type { CallFacts, Circuits, RunningCircuit, SharedCircuit } from "../circuits/circuits.ts";
import type {
  CallConfig,
  Config,
  ManagedTunnelConfig,
  PeerConfig,
  RemoteConfig,
} from "../config/model.ts";
import type { PlacedSession } from "../circuits/placed.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { Logger } from "../log/log.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { SocketLease, Sockets } from "../sessions/sockets.ts";
import type { Tunnels } from "../sessions/tunnels.ts";
import type { Driver, Due } from "./driver.ts";
import type { EventBus } from "./events.ts";
import type { Failures } from "./failures.ts";
import type { ManagedTunnels } from "./managed_tunnels.ts";
import type { PeerIndex } from "./peer_index.ts";

/** What the control plane is made from. */
export interface ControlDependencies {
  readonly circuits: Circuits;
  readonly clock: Clock;
  readonly datapath: Datapath;
  readonly log: Logger;
  readonly sessions: Sessions;
  readonly sockets: Sockets;
  readonly tunnels: Tunnels;
  random(length: number): Uint8Array;
  /** Whether some plugin understands a vendor's AVP. */
  knowsVendor(vendorId: number, type: number): boolean;
  /** The pseudowire types that are offered to peers. */
  readonly pseudowires: readonly number[];
  /** Unix milliseconds. */
  wallClock(): number;
}

/** All that runs. Shared by the parts of the control plane, and changed in their turns only. */
export interface ControlState {
  readonly peers: Map<string, PeerEntry>;
  /** By name. */
  readonly managedTunnels: ManagedTunnels<ManagedTunnel>;
  /** Servers that plugins call and no file names, by the names of their tunnels. */
  readonly servers: NamedInOrder<CalledServer>;
  readonly links: Map<ConnectionHandle, ManagedConnection>;
  /** The connection of each tunnel in the datapath that has one. */
  readonly linkOf: WeakMap<TunnelEntry, ManagedConnection>;
  /** How many connections are established, by peer. */
  readonly established: Map<string, number>;
  /** Peers at their tunnel limit whose connections are being asked whether they are there, for the sake of a newer one. */
  readonly asking: Set<string>;
  config: Pick<Config, "peers" | "managed" | "hostName" | "routerId">;
  /** Of the peers of {@linkcode config}. */
  index: PeerIndex;
  stopping: boolean;
}

/** What the parts of the control plane work with. */
export interface ControlContext extends ControlDependencies {
  readonly bus: EventBus;
  readonly dialer: Dialer;
  readonly driver: Driver;
  readonly failures: Failures;
  readonly links: ManagedConnections;
  readonly state: ControlState;
  readonly takeover: Takeover;
  /** Ends all calls of a template. */
  endCalls(template: CallTemplate, result: Result): void;
}

/** A server that a plugin called, for as long as calls to it need it. */
export interface CalledServer {
  /** What tells it from others: calls of one key share its tunnel. */
  readonly key: string;
  readonly peer: PeerConfig;
  readonly managed: ManagedTunnel;
}

/** A template of calls that runs. */
export interface CallTemplate {
  call: CallConfig;
  /** Where it stands: `peers/hq/accept/0`, `tunnels/to-hq/sessions/office`. */
  path: string;
  /** Undefined: it wants none, or could not have it, or it broke. */
  circuit: SharedCircuit | undefined;
  /** The circuit is being made. */
  making: Promise<void> | undefined;
  /** The calls that are made by it, and whose they are. */
  readonly calls: Map<ManagedCall, ManagedConnection>;
}

/** A peer that runs. */
export interface PeerEntry {
  config: PeerConfig;
  /** What its next connection is set up with. */
  settings: PeerSettings;
  /** By the entries of {@linkcode PeerConfig.accept}. */
  templates: Map<CallConfig, CallTemplate>;
}

/** Whom a managed tunnel dials: a remote, at one of its addresses where it is a name. */
export interface Target {
  readonly remote: RemoteConfig;
  readonly endpoint: Endpoint;
}

/** A managed tunnel of the configuration. */
export interface ManagedTunnel extends Due {
  config: ManagedTunnelConfig;
  /** What its next connection is set up with. */
  settings: PeerSettings;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** By the name of the call. */
  readonly placedCalls: Map<string, PlacedCall>;
  /** Its control connection, in whatever state. */
  link: ManagedConnection | undefined;
  /** The tunnel of its last connection, on its way out of the datapath; the next one has the same name. */
  leaving: Promise<void> | undefined;
  /** A socket is being opened for it. */
  dialing: boolean;
  /** Whom to try next, in this round. */
  left: Target[];
  /** Whom it dialed last. */
  target: Target | undefined;
  /** Until when others are preferred to a remote, in monotonic milliseconds. */
  readonly denied: Map<RemoteConfig, number>;
  /** Whom to try once more, from a fresh port: it did not answer port 1701. */
  again: Target | undefined;
  /** When the SCCRQ under way counts as unanswered, in monotonic milliseconds; undefined: it may take its time. */
  answerBy: number | undefined;
  /** It ended its connection to dial another remote at once. */
  elsewhere: boolean;
  /** Its last connection was up: the peer is expected back at once. */
  lost: boolean;
  /** Rounds in a row in which nobody was reached. */
  failures: number;
  /** Monotonic milliseconds. */
  redialAt: number | undefined;
  /** An operator ended it: it stays down until a reload. */
  held: boolean;
  /** It is not in the configuration any more. */
  gone: boolean;
  /** Why the last connection ended. */
  reason: string | undefined;
  /** Calls that plugins have in it, or wait to place: it is wanted as long as there are some. */
  callers: number;
  /** Who waits for it to come up. */
  readonly waiting: Set<TunnelWaiter>;
}

/** Who waits for a tunnel to come up. */
export interface TunnelWaiter {
  up(link: ManagedConnection): void;
  /** Nobody of those whom it dials was reached. */
  failed(reason: string): void;
}

/** A call that we place. */
export interface PlacedCall extends Due {
  readonly managed: ManagedTunnel;
  template: CallTemplate;
  call: ManagedCall | undefined;
  failures: number;
  retryAt: number | undefined;
  held: boolean;
  gone: boolean;
}

/** A control connection and what it carries. */
export interface ManagedConnection {
  readonly handle: ConnectionHandle;
  /** The peer's name in the configuration. */
  readonly peer: string;
  /** That of the offer, until the connection is established: it may fall back (RFC 3931 §4.7.3). */
  version: ProtoVersion;
  /** The tunnel's name; that of accepted ones may still change until they are established. */
  name: string;
  /** The managed tunnel that it is; undefined: the peer dialed, and we configured no tunnel for it. */
  managed: ManagedTunnel | undefined;
  /** By our session id. */
  readonly calls: Map<number, ManagedCall>;
  /** Names of its sessions. */
  readonly names: Set<string>;
  /** Keeps the socket open until the peer's last message was acknowledged. */
  lease: SocketLease | undefined;
  established: boolean;
  /** What its peer asked for while others were asked whether they still need the place that it claims. */
  waiting: ((lcce: Lcce, now: number) => void)[] | undefined;
  /** When it was established: Unix and monotonic milliseconds. */
  establishedAt: number | undefined;
  upSince: number | undefined;
  /** The tunnel, on its way into the datapath. */
  opening: Promise<TunnelEntry | undefined> | undefined;
  entry: TunnelEntry | undefined;
  /** Its way out again. */
  closing: Promise<void> | undefined;
  /** Sessions on their way out. */
  readonly leaving: Set<Promise<unknown>>;
  /** Why it ended, for programs and for operators. */
  cause: Cause | undefined;
  reason: string | undefined;
  /** Resolves once the tunnel has left the datapath. */
  readonly gone: PromiseWithResolvers<void>;
}

/** A call and its session. */
export interface ManagedCall {
  readonly handle: CallHandle;
  readonly name: string;
  readonly template: CallTemplate;
  /** What we configured for it; undefined: the peer called, and it is among what the peer may. */
  readonly placed: PlacedCall | undefined;
  /** The plugin that placed it, and has its session instead of a circuit. */
  owner: PlacedSession | undefined;
  /** Its circuit, once that is asked. */
  circuit: RunningCircuit | undefined;
  /** The session, after all that was asked for so far is done; undefined: it did not come to one. */
  work: Promise<SessionEntry | undefined> | undefined;
  closed: boolean;
  /** Takes what the peer says of its circuit, at a bounded rate; undefined: it has said nothing yet. */
  follow: ((up: boolean) => void) | undefined;
  /** Until it takes more of that. */
  rest: Disposable | undefined;
  /** What comes before its session is kept. */
  expected: boolean;
  upSince: number | undefined;
  /** Called when it is up or has ended. */
  onSettled: (() => void) | undefined;
  /** Called when the session has left the datapath. */
  onGone: (() => void) | undefined;
}

export interface Dialer {
  makeManagedTunnel(config: ManagedTunnelConfig, settings: PeerSettings): ManagedTunnel;
  makePlacedCall(managed: ManagedTunnel, template: CallTemplate): PlacedCall;
  /** Whether a managed tunnel is to be up. */
  isWanted(managed: ManagedTunnel): boolean;
  /** Dials, if the tunnel wants to be dialed and nothing is under way. */
  dial(managed: ManagedTunnel): void;
  /** A managed's connection came up: its calls are placed. */
  up(managed: ManagedTunnel): void;
  /** A managed's connection ended; it may be dialed again. After a tie, the peer's connection gets time to come up first. */
  down(managed: ManagedTunnel, link: ManagedConnection, cause: Cause | undefined): void;
  /** Places a call, if it is wanted and its tunnel is up. */
  place(placed: PlacedCall): void;
  /**
   * A placed call ended; it may be placed again, with the next remote where this one refused it. Where its connection
   * ended, too, the next one places it at once.
   */
  ended(placed: PlacedCall, call: ManagedCall, cause: Cause | undefined): void;
}

export interface ManagedConnections {
  /** The tunnel of an established connection; where it cannot be, the connection is ended. @param before is waited for */
  open(link: ManagedConnection, connection: Connection, before?: Promise<void>): void;
  /** Takes the tunnel out again. */
  close(link: ManagedConnection): void;
  /**
   * It is agreed on what the session of a call is like: it comes into the datapath and to its circuit, and `ready` is
   * called once it carries frames. Where it cannot be, the call is ended.
   */
  openCall(
    link: ManagedConnection,
    call: ManagedCall,
    agreed: SessionParameters,
    facts: CallFacts,
    ready: (attachment: Attachment) => void,
  ): void;
  /** A call is asked for whose peer may send before we know what its session is like (OCRQ). */
  expectCall(link: ManagedConnection, call: ManagedCall): void;
  /** The peer said more: its circuit is told. */
  hear(link: ManagedConnection, call: ManagedCall, message: CallMessage, said: CallAvps): void;
  /** The call is established: its session is up, unless the peer's circuit is not. */
  establishCall(
    link: ManagedConnection,
    call: ManagedCall,
    agreed: SessionParameters,
    up: boolean,
  ): void;
  /** Its template changed in what both ends need not agree on. */
  changeCall(link: ManagedConnection, call: ManagedCall): void;
  /** @param why what its circuit is told */
  /** Resolves once nothing of it is left. */
  closeCall(
    link: ManagedConnection,
    call: ManagedCall,
    why?: CallEnd,
    lost?: boolean,
  ): Promise<void>;
  /** The peer says whether its circuit is up. */
  follow(link: ManagedConnection, call: ManagedCall, active: boolean): void;
}

/** What a peer that is back takes over: see `takeover.ts`. */
export interface Takeover {
  /**
   * Asks connections whether they are there. `settled` is told the first that ended, or, once all have answered,
   * undefined.
   */
  ask(
    holders: readonly ManagedConnection[],
    settled: (ended: ManagedConnection | undefined) => void,
  ): void;
  /** A connection answered. */
  answered(handle: ConnectionHandle): void;
  /** A connection ended. */
  ended(link: ManagedConnection): void;
}
