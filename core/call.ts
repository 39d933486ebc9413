/**
 * Calls: one session's way from request to established, in the RFCs' states (RFC 2661 §7.3, §7.4; RFC 3931 §7.3, §7.4).
 * The table knows roles and messages; what a message says is the dialect's business.
 *
 * @module
 */

import type { CallAvps } from "./wire/call_avps.ts";
import type { MessageType } from "./wire/message.ts";
import { PseudowireType } from "./pseudowire.ts";
import type { CallParameters, SessionParameters } from "./settings.ts";

/** Who asked, and for what: an incoming call (ICRQ) or an outgoing one (OCRQ). */
export type CallRole =
  | "incoming-caller"
  | "incoming-answerer"
  | "outgoing-caller"
  | "outgoing-answerer";

export type CallState =
  /** Not requested yet: too many calls are being set up. */
  | "idle"
  /** Our own side decides whether to accept. */
  | "deciding"
  | "wait-reply"
  /**
   * Both ends said what they require, and our own side makes ready for the frames that come once the peer is told to
   * go on: by ICRP, OCRP or ICCN.
   */
  | "wait-proceed"
  | "wait-connect"
  /** The LAC places the outgoing call. */
  | "wait-cs-answer"
  | "established"
  | "closed";

/** What a message leads to; that a state has no entry for is a finite state machine error. */
export type CallAction =
  /** ICRP: it is agreed on what the session is like. */
  | "agree"
  /** OCRP: it is agreed on, and OCCN is still to come. */
  | "await-connect"
  /** ICCN, OCCN: be established. */
  | "establish"
  /** SLI, WEN: news of the circuit, at whatever moment (RFC 3931 §5.4.5). */
  | "hear"
  | "close";

const always = { CDN: "close", SLI: "hear", WEN: "hear" } as const;
/** The states in which our own side is to act. */
const ours = { deciding: always, "wait-proceed": always, established: always } as const;

/** What each message means in each state of each role. */
export const callTable: Readonly<
  Record<CallRole, Partial<Record<CallState, Partial<Record<MessageType, CallAction>>>>>
> = {
  "incoming-caller": { ...ours, "wait-reply": { ...always, ICRP: "agree" } },
  "incoming-answerer": { ...ours, "wait-connect": { ...always, ICCN: "establish" } },
  "outgoing-caller": {
    ...ours,
    "wait-reply": { ...always, OCRP: "await-connect" },
    "wait-connect": { ...always, OCCN: "establish" },
  },
  "outgoing-answerer": { ...ours, "wait-cs-answer": always },
};

/** A call of a connection. */
export interface Call {
  /** Who asked, and for what. */
  readonly role: CallRole;
  /** Our session id. */
  readonly localId: number;
  /** Call Serial Number: counts a connection's calls from 1. */
  readonly serial: number;
  /** v3: what decides when both ends request the same circuit at once (RFC 3931 §5.4.4). */
  readonly tieBreaker: Uint8Array | undefined;
  /** What we ask for; of a call that the peer requested, once it is accepted. */
  parameters: CallParameters | undefined;
  /** v3: the circuit status that the peer was told last. */
  toldActive: boolean;
  /** Where it is on its way. */
  state: CallState;
  /** The peer's session id; 0: not known yet. */
  remoteId: number;
  /** What the peer asked for, as far as its messages said. */
  peer: PeerCall;
  /** All else that its messages said so far. */
  said: CallAvps;
  /** When the call counts as failed, unless established. */
  deadline: number | undefined;
}

/** What the peer said of a call. */
export interface PeerCall {
  /** v2: Called Number. v3: Remote End ID, as {@linkcode formatEndId} writes it. */
  readonly name: string;
  readonly pseudowireType: number;
  readonly l2spec: "none" | "default";
  readonly cookie: Uint8Array;
  readonly sequencing: boolean;
  readonly active: boolean;
}

/** What was agreed on, once both sides have said what they require. v2 has neither cookies nor sublayers. */
export function sessionParameters(
  { parameters, peer, localId, remoteId, role }: Call,
  version: 2 | 3,
): SessionParameters {
  const ours = parameters!;
  const ids = { version, localSessionId: localId, remoteSessionId: remoteId };
  const lns = role === "incoming-answerer" || role === "outgoing-caller";
  if (version === 2) {
    const sequenced = ours.sequencing || peer.sequencing;
    // RFC 2661 §5.4: a LAC that did not say Sequencing Required numbers only once we do; what comes before is good enough.
    const required = lns ? peer.sequencing : sequenced;
    return {
      ...ids,
      lns,
      pseudowireType: PseudowireType.Ppp,
      receiveL2spec: "none",
      sendL2spec: "none",
      receiveCookie: NO_COOKIE,
      sendCookie: NO_COOKIE,
      receiveSequence: required,
      sendSequence: sequenced,
    };
  }
  return {
    ...ids,
    lns,
    pseudowireType: isCaller(role) ? ours.pseudowireType : peer.pseudowireType,
    receiveL2spec: ours.l2spec,
    sendL2spec: peer.l2spec,
    receiveCookie: ours.cookie,
    sendCookie: peer.cookie,
    receiveSequence: ours.sequencing,
    sendSequence: peer.sequencing,
  };
}

const NO_COOKIE = new Uint8Array(0);

/** Whether the call is one that we requested. */
export function isCaller(role: CallRole): role is "incoming-caller" | "outgoing-caller" {
  return role === "incoming-caller" || role === "outgoing-caller";
}

/** Whether a call is on its way up. */
export function isPending({ state }: Call): boolean {
  return state !== "idle" && state !== "established" && state !== "closed";
}
