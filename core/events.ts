/** What an LCCE tells its owner. @module */

import type { CallRole, CallState, PeerCall } from "./call.ts";
import type { CallAvps, CallEnd } from "./wire/call_avps.ts";
import type { Result } from "./errors.ts";
import type { RawAvp } from "./wire/raw_avp.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import type { Path, SessionParameters } from "./settings.ts";

/** The states of a control connection (RFC 2661 §7.2.1, RFC 3931 §7.2), and the two that its end goes through. */
export type ConnectionState =
  | "wait-ctl-reply"
  | "wait-ctl-conn"
  | "established"
  | "stopping"
  | "closed";

/** Why a control connection or a call ended. */
export interface Cause {
  /** Whose doing it was. */
  readonly by:
    /** We ended it. */
    | "local"
    /** The peer said so. */
    | "peer"
    /** The peer stopped answering. */
    | "timeout"
    /** The peer broke the protocol, or could not prove who it is. */
    | "protocol"
    /** Both sides dialed at once, and the other connection won. */
    | "tie"
    /** Its control connection ended. */
    | "connection";
  /** What the StopCCN or CDN carried, or would have. */
  readonly result: Result;
  /** The AVP that was wrong or lacking, where that was why. */
  readonly avp?: number;
}

/** Why a call ended. */
export interface CallCause extends Cause {
  readonly result: CallEnd;
}

/** What a would-be peer says of itself, before anything of it is believed. */
export interface ConnectionRequest {
  /** The highest version that it offers. */
  readonly version: ProtoVersion;
  /** Where it came from. */
  readonly path: Path;
  /** Host Name, in U+FFFD where it is no UTF-8. */
  readonly hostName: string;
  /** Vendor Name; empty where it says none. */
  readonly vendorName: string;
  /** v3's Router ID. */
  readonly routerId?: number;
}

/** What is known of a peer once it has introduced itself. */
export interface PeerIdentity {
  /** Host Name. */
  readonly hostName: string;
  /** Vendor Name; empty where it says none. */
  readonly vendorName: string;
  /** v3's Router ID. */
  readonly routerId?: number;
  /** Messages that it takes before it has acknowledged any. */
  readonly receiveWindow: number;
  /** v3: the pseudowire types that it offers, by their IANA numbers. */
  readonly pseudowires: readonly number[];
  /** Vendors' AVPs of its SCCRQ or SCCRP. */
  readonly others: readonly RawAvp[];
}

/** A control connection's handle: never reused within an LCCE. */
export type ConnectionHandle = number;
/** A call, by its connection and our session id. */
export interface CallHandle {
  /** Its control connection. */
  readonly connection: ConnectionHandle;
  /** Our session id. */
  readonly localSessionId: number;
}

/** Something happened. The owner may call the LCCE back as soon as it has the event. */
export type LcceEvent =
  | {
    readonly type: "connection-state";
    readonly connection: ConnectionHandle;
    /** The peer's name in the configuration. */
    readonly peer: string;
    /** Where the peer is, as far as is known. */
    readonly path: Path;
    /** What the peer calls itself, once it has said so. */
    readonly hostName?: string;
    readonly state: ConnectionState;
    /** Why it ended; said once, with `stopping` or `closed`, whichever comes first. */
    readonly cause?: Cause;
    /** Of the peer's StopCCN. Those of its SCCRQ or SCCRP stand in {@linkcode PeerIdentity}. */
    readonly others?: readonly RawAvp[];
  }
  /** The peer was asked whether it is there ({@linkcode Lcce.ask}), and is. */
  | { readonly type: "connection-answered"; readonly connection: ConnectionHandle }
  /**
   * Nothing came from the peer on the control connection for so long that it is about to be asked by HELLO, or given up:
   * answer with {@linkcode Lcce.heard}. Only where {@linkcode LcceOptions.hearsSessions} says so.
   */
  | { readonly type: "connection-silent"; readonly connection: ConnectionHandle }
  /** The policy says `ask`: answer with `decide`, within half a minute. The peer asks again and again meanwhile. */
  | {
    readonly type: "connection-requested";
    /** What `decide` is to be told. */
    readonly request: number;
    readonly from: ConnectionRequest;
  }
  /** The peer requests a call: answer with `acceptCall` or `closeCall`, at once or later. */
  | {
    readonly type: "call-requested";
    readonly call: CallHandle;
    readonly role: CallRole;
    readonly request: PeerCall;
    /** What else the request says. */
    readonly said: CallAvps;
  }
  | {
    readonly type: "call-state";
    readonly call: CallHandle;
    readonly state: CallState;
    /**
     * With `wait-proceed`, and with `wait-connect` of an outgoing call of ours: what frames of the session will be
     * like. The peer may send from the moment on that it is told to go on. With `established`: what they are like.
     */
    readonly session?: SessionParameters;
    /** With `closed`. */
    readonly cause?: CallCause;
    /** What the peer's message that led to this state says. */
    readonly said?: CallAvps;
  }
  /**
   * The circuit behind the peer's end went up or down (SLI, RFC 3931 §5.4.5), or is down as the call comes up. While it
   * is down nothing may be sent to the peer.
   */
  | { readonly type: "circuit-status"; readonly call: CallHandle; readonly active: boolean }
  /** Something was refused that has no state to tell of; each source is told of a few times a second at most. */
  | { readonly type: "refused"; readonly refusal: Refusal }
  /** News of the line at the peer (SLI: ACCM, circuit status; WEN: errors), also of a call that is still on its way up. */
  | {
    readonly type: "call-news";
    readonly call: CallHandle;
    readonly message: "SLI" | "WEN";
    readonly said: CallAvps;
  };

/** What an LCCE wants done. Data is the caller's to keep. */
export type Output =
  | { readonly type: "transmit"; readonly path: Path; readonly data: Uint8Array }
  | { readonly type: "event"; readonly event: LcceEvent };

/** Datagrams that came to nothing, by reason. */
export type ControlDrop =
  | "malformed"
  /** From UDP port 0, which nobody can answer. */
  | "port-zero"
  /** L2TPv2 straight on IP: only v3 has that. */
  | "v2-over-ip"
  | "unknown-connection"
  | "wrong-source"
  | "wrong-version"
  | "digest-missing"
  | "digest-wrong"
  /** To no connection in particular, and neither SCCRQ nor StopCCN. */
  | "not-a-request"
  /** An SCCRQ or StopCCN to id 0, longer than any that means it. */
  | "too-long"
  /** A StopCCN to id 0 for a connection with a secret, which it does not prove to know. */
  | "unproven-stop"
  /** An answer in v2 to an SCCRQ for both versions, without the right Challenge Response. */
  | "unproven-fallback"
  /** The policy knows nobody like this. */
  | "unknown-peer"
  /** An SCCRQ that cannot be answered with a connection: unreadable AVPs, or a challenge where no secret is shared. */
  | "refused-request"
  /** The policy knows who it is, and has a reason not to talk to it. */
  | "policy"
  | "request-limit"
  | "half-open-limit"
  | "lost-tie"
  /** An SCCRQ that was let in, and every id is in use. */
  | "no-free-id"
  | "unknown-call";

/** What was refused before it came to a state of its own. */
export interface Refusal {
  /** An SCCRQ; a message of a control connection that there is; an ICRQ or OCRQ. */
  readonly stage: "tunnel" | "message" | "call";
  /** Where it came from, as far as a datagram can be believed. */
  readonly path: Path;
  /** In a word, of which there are few: for counters. */
  readonly reason: RefusalReason;
  /** In a sentence. */
  readonly message?: string;
  /** The control connection, where there is one. */
  readonly connection?: ConnectionHandle;
  /** The peer's name in the configuration, where it was found out. */
  readonly peer?: string;
  /** Host Name, as it was said. */
  readonly hostName?: string;
  /** Which call was asked for: Remote End ID (v3), Called Number (v2). */
  readonly call?: string;
}

/** Why something was refused. */
export type RefusalReason =
  | ControlDrop
  | `avp-${number}`
  | `result-${number}`
  | "unknown-avp"
  | "wrong-length"
  | "out-of-range"
  | "call-limit"
  | "unsupported-pseudowire"
  | "sequencing-without-sublayer";
