/** Sessions as plugins see them: calls of peers, calls that were placed, and static sessions. @module */

import type { CallAvps, CallEnd, CallMessage } from "../core/wire/call_avps.ts";
import type { ProtoVersion } from "../core/pseudowire.ts";
import type { Port } from "./ports.ts";
import type { Row } from "./values.ts";

export type { CallAvps, CallEnd, CallMessage };
export type {
  CircuitStatus,
  LineError,
  PppDisconnectCause,
  ProxyAuth,
  ProxyLcp,
  Q931Cause,
} from "../core/wire/call_avps.ts";
export type { Result } from "../core/errors.ts";

/** A session, live: read it, do not copy it. */
export interface Session {
  /** Unique over restarts of the appliance (RADIUS's Acct-Session-Id). */
  readonly id: string;
  /** `<tunnel>/<session>`, unique now. */
  readonly name: string;
  /** What it emulates, by its IANA number. */
  readonly pseudowireType: number;
  /** The message that began it; absent: a static session. */
  readonly request?: "ICRQ" | "OCRQ";
  /** Its tunnel; absent: there is no L2TP below. */
  readonly tunnel?: SessionTunnel;
  /** All that the peer has said so far. */
  readonly said: CallAvps;
  /** Call Serial Number, whoever gave it (RFC 2661 §4.4.4, RFC 3931 §5.4.4); absent: it is no call. */
  readonly serial?: number;
  /** Its end in the datapath. */
  readonly port: Port;
  /** Whether frames can flow; {@linkcode SessionEvents.changed} tells. */
  readonly up: boolean;
  /** Resolves with what the peer has said once ICCN or OCCN came, for a static session at once; rejects if it ends first. */
  connected(): Promise<CallAvps>;
  /** Tells the peer more. Of a static session, and of one that is not connected, nothing is sent. */
  tell(message: "SLI" | "WEN", said: CallAvps): void;
  /**
   * Says whether what is behind our end can carry frames; until it is said, it can. While it cannot, the session is down,
   * and a v3 peer knows it (Circuit Status, RFC 3931 §5.4.5): with the call's first message, or by SLI, once a second at
   * most. It is not about what the peer says of its own end: that is in {@linkcode Session.up}.
   */
  carrier(up: boolean): void;
  /**
   * Decides that this one session shall end: a call by a CDN that says so; a static session goes down, and is attached
   * again later. Only the first end counts. Returns at once; the undoing follows.
   */
  end(why: CallEnd): void;
}

/** The tunnel of a session. */
export interface SessionTunnel {
  /** As the configuration calls it, or its peer. */
  readonly name: string;
  /** The version of L2TP. */
  readonly version: ProtoVersion;
  /** The peer's address. */
  readonly peer: string;
  /** Our own. */
  readonly local: string;
  /** Resolves when it has left; absent: it is static. */
  readonly gone?: Promise<void>;
  /** What the peer calls itself; empty for a static tunnel. */
  readonly hostName: string;
  /** What we call ourselves to it; empty for a static tunnel. */
  readonly localHostName: string;
  /** The peer's name in the configuration; empty for a static tunnel. */
  readonly peerName: string;
}

/** What the host tells while a session lives. */
export interface SessionEvents {
  /** {@linkcode Session.up} or the port's `frameMtu` changed. Where it cannot follow, it throws: the change is refused, or the session ends. */
  changed?(): void | Promise<void>;
  /** The peer said more. `said` is what this message said; {@linkcode Session.said} has it all. */
  heard?(message: CallMessage, said: CallAvps): void;
}

/** What a plugin tells of a joined session. Nothing here undoes: that is the scope's. */
export interface Attachment<PortOptions = object> extends SessionEvents {
  /** The network device. */
  readonly ifname?: string;
  /** The largest payload, in bytes, that it sends into the pseudowire unfragmented. */
  readonly mtu?: number;
  /** What the peer is told with the message that lets it go on. */
  readonly say?: CallAvps;
  /** An OCRQ's OCCN waits for this, and carries it. */
  readonly answered?: Promise<CallAvps>;
  /** As a service's `reconfigure`, for this session's options; called too after its circuit's. */
  reconfigure?(options: PortOptions): boolean | Promise<boolean>;
  /** Cells for the plugin's columns, and what else an operator may want to see; no secrets. */
  show?(): Row;
}

/** A call that we placed and its peer agreed to (ICRP, OCRP): it waits for `proceed`, or for its end. */
export interface PlacedCall extends Session {
  /**
   * Lets the peer go on: ICCN leaves and carries `say` (of an OCRQ's call, nothing leaves: OCCN is the peer's). Resolves
   * when it has left, or with the refusal where the call had ended.
   */
  proceed(say?: CallAvps): Promise<Refusal | undefined>;
}

/** How a call is placed. */
export interface PlaceOptions extends SessionEvents {
  /** What it emulates, by its IANA number. */
  readonly pseudowireType: number;
  /** Who asks: ICRQ where absent. */
  readonly request?: "ICRQ" | "OCRQ";
  /** Ask for sequence numbers in what comes; whether we number follows the peer. */
  readonly sequencing?: boolean;
  /** Called once where the call ends before its scope does, after the peer agreed to it. `lost`: its tunnel ended. */
  ended?(why: CallEnd, lost: boolean): void;
}

/** Whom to call. */
export type Target =
  /** A tunnel of the configuration, or one that is up, by its name. */
  | { readonly tunnel: string }
  /** A peer of the configuration: by a tunnel of its that is up, else by one that is dialed for this. */
  | { readonly peer: string }
  /** One that the configuration does not know (RADIUS Tunnel-Server-Endpoint): dialed, and hung up when it is not used. */
  | ServerTarget;

/** An LCCE to dial. */
export interface ServerTarget {
  /** Address or host name, `[address]:port` too. */
  readonly server: string;
  /** The version of L2TP. */
  readonly version: ProtoVersion;
  /** The tunnel's secret. */
  readonly secret?: string;
  /** What we call ourselves there. */
  readonly hostName?: string;
  /** What its Host Name must be. */
  readonly peerHostName?: string;
  /** Calls of one value share a tunnel (RADIUS Tunnel-Assignment-ID). */
  readonly share?: string;
}

/** A port of ours that is handed to a circuit. */
export interface Channel extends Pick<Session, "name" | "pseudowireType" | "said" | "port"> {
  /** What the session says beside the circuit's name. */
  readonly options?: object;
}

/** The answer of who will not have a call. */
export interface Refusal {
  /** What the CDN says. */
  readonly refuse: CallEnd;
  /** There was no tunnel to place the call in. */
  readonly noTunnel?: true;
}

/** Whether an answer is a refusal. */
export function isRefusal(answer: object): answer is Refusal {
  return "refuse" in answer;
}
