/**
 * What differs between L2TPv2 and L2TPv3 in a control connection: the AVPs that say the same thing, and how a message
 * names the call that it is for.
 *
 * @module
 */

import type { Call, PeerCall } from "./call.ts";
import type { CallAvps, CallEnd, CallMessage } from "./wire/call_avps.ts";
import type { AvpValues } from "./wire/catalogue.ts";
import { formatEndId, parseEndId } from "./wire/end_id.ts";
import type { Result } from "./errors.ts";
import type { ControlHeader } from "./wire/header.ts";
import type { AnyMessage, MessageType } from "./wire/message.ts";
import { type ProtoVersion, PseudowireType } from "./pseudowire.ts";
import type { RawAvp } from "./wire/raw_avp.ts";
import { endToSay, toSay } from "./wire/saying.ts";
import type { PeerSettings } from "./settings.ts";

/** What a side says of itself in SCCRQ and SCCRP. */
export interface Introduction {
  readonly settings: PeerSettings;
  readonly localId: number;
  readonly tieBreaker?: Uint8Array;
  /** v3's nonce, where a secret is shared. */
  readonly nonce?: Uint8Array;
  /** The challenge, where one is used: in v2 wherever a secret is shared. */
  readonly challenge?: Uint8Array;
  /** SCCRP: the response to the peer's challenge. */
  readonly response?: Uint8Array;
}

/** Both ends' names for a session. */
export type SessionIds = Pick<Call, "localId" | "remoteId">;

/** One version's way of saying things. */
export interface Dialect {
  readonly version: ProtoVersion;
  introduce(self: Introduction): AvpValues;
  /** The id that the peer wants to be called by. */
  assignedId(avps: AvpValues): number | undefined;
  /** The challenge or nonce that the peer sent. */
  nonce(avps: AvpValues): Uint8Array | undefined;
  stop(localId: number, result: Result): AvpValues;
  /** The AVPs of a message for a call; `said`: what the call's owner has it say. */
  call(type: CallMessage, call: Call, said: CallAvps): AvpValues;
  disconnect(ids: SessionIds, end: CallEnd): AvpValues;
  /** Our session id that a message is for; 0 where it is for a new or not yet known one. */
  localSession(header: ControlHeader, avps: AvpValues): number;
  /** The peer's own session id, where the message says it. */
  remoteSession(avps: AvpValues): number | undefined;
  /** What the peer says of the call, over what it said before. */
  learn(before: PeerCall | undefined, avps: AvpValues): PeerCall;
}

const NO_COOKIE = new Uint8Array(0);

const v2: Dialect = {
  version: 2,
  introduce: ({ settings, localId, tieBreaker, nonce, challenge = nonce, response }) => ({
    protocolVersion: 0x0100,
    hostName: settings.hostName,
    vendorName: settings.vendorName,
    framingCapabilities: settings.framing,
    bearerCapabilities: settings.bearer,
    assignedTunnelId: localId,
    receiveWindowSize: settings.receiveWindow,
    ...(tieBreaker && { tieBreaker }),
    ...(challenge && { challenge }),
    ...(response && { challengeResponse: response }),
  }),
  assignedId: (avps) => avps.assignedTunnelId,
  nonce: (avps) => avps.challenge,
  stop: (localId, resultCode) => ({ assignedTunnelId: localId, resultCode }),
  call(type, call, said) {
    const { localId, serial, parameters } = call;
    const { name, sequencing, speed } = parameters!;
    const request = {
      assignedSessionId: localId,
      callSerialNumber: serial,
      bearerType: 0,
      ...(name && { calledNumber: name }),
    };
    const connected = {
      txConnectSpeed: speed,
      framingType: 1,
      ...(sequencing && { sequencingRequired: true as const }),
    };
    const own: Readonly<Record<CallMessage, AvpValues>> = {
      ICRQ: request,
      OCRQ: { ...request, minimumBps: 0, maximumBps: speed, framingType: 1, calledNumber: name },
      ICRP: { assignedSessionId: localId },
      OCRP: { assignedSessionId: localId },
      ICCN: connected,
      OCCN: connected,
      SLI: {},
      WEN: {},
    };
    return { ...own[type], ...toSay(2, type, said) };
  },
  disconnect: ({ localId }, end) => ({ ...endToSay(end), assignedSessionId: localId }),
  localSession: (header) => header.sessionId,
  remoteSession: (avps) => avps.assignedSessionId,
  learn: (before, avps) => ({
    name: avps.calledNumber ?? before?.name ?? "",
    pseudowireType: PseudowireType.Ppp,
    l2spec: "none",
    cookie: NO_COOKIE,
    sequencing: avps.sequencingRequired ?? before?.sequencing ?? false,
    active: true,
  }),
};

const v3: Dialect = {
  version: 3,
  introduce: ({ settings, localId, tieBreaker, nonce, challenge, response }) => ({
    hostName: settings.hostName,
    routerId: settings.routerId,
    assignedConnectionId: localId,
    pseudowireCapabilities: settings.pseudowires,
    vendorName: settings.vendorName,
    receiveWindowSize: settings.receiveWindow,
    ...(tieBreaker && { tieBreaker }),
    ...(nonce && { nonce }),
    ...(challenge && { challenge }),
    ...(response && { challengeResponse: response }),
  }),
  assignedId: (avps) => avps.assignedConnectionId,
  nonce: (avps) => avps.nonce,
  stop: (localId, resultCode) => ({ resultCode, assignedConnectionId: localId }),
  call(type, call, said) {
    const { pseudowireType, name, cookie, l2spec, sequencing, active } = call.parameters!;
    const requirements: AvpValues = {
      circuitStatus: { active, new: true },
      ...(cookie.length > 0 && { assignedCookie: cookie }),
      ...(l2spec === "default" && { l2SpecificSublayer: 1 }),
      ...(sequencing && { dataSequencing: 2 }),
    };
    const request: AvpValues = {
      callSerialNumber: call.serial,
      pseudowireType,
      remoteEndId: parseEndId(name),
      ...(call.tieBreaker && { tieBreaker: call.tieBreaker }),
      ...requirements,
    };
    const own: Readonly<Record<CallMessage, AvpValues>> = {
      ICRQ: request,
      OCRQ: request,
      ICRP: requirements,
      OCRP: requirements,
      ICCN: {},
      OCCN: {},
      SLI: {},
      WEN: {},
    };
    return { ...naming(call), ...own[type], ...toSay(3, type, said) };
  },
  disconnect: (ids, end) => ({ ...endToSay(end), ...naming(ids) }),
  localSession: (_header, avps) => avps.remoteSessionId ?? 0,
  remoteSession: (avps) => avps.localSessionId,
  learn: (before, avps) => ({
    name: avps.remoteEndId ? formatEndId(avps.remoteEndId) : before?.name ?? "",
    pseudowireType: avps.pseudowireType ?? before?.pseudowireType ?? 0,
    l2spec: avps.l2SpecificSublayer === undefined
      ? before?.l2spec ?? "none"
      : avps.l2SpecificSublayer === 0
      ? "none"
      : "default",
    cookie: avps.assignedCookie ?? before?.cookie ?? NO_COOKIE,
    sequencing: avps.dataSequencing === undefined
      ? before?.sequencing ?? false
      : avps.dataSequencing > 0,
    active: avps.circuitStatus?.active ?? before?.active ?? true,
  }),
};

/** The AVPs that name a call in v3. */
function naming({ localId, remoteId }: SessionIds): AvpValues {
  return { localSessionId: localId, remoteSessionId: remoteId };
}

export const dialects: Readonly<Record<ProtoVersion, Dialect>> = { 2: v2, 3: v3 };

/** A message of ours. */
export function messageOf(
  version: ProtoVersion,
  type: MessageType,
  avps: AvpValues,
  others: readonly RawAvp[] = [],
): AnyMessage {
  return { version, type, avps, others } as unknown as AnyMessage;
}
