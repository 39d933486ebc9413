/**
 * What differs between L2TPv2 and L2TPv3 in a control connection: the AVPs that say the same thing, and how a message
 * names the call that it is for.
 *
 * @module
 */

import type { Call, PeerCall } from "./call.ts";
import type { AvpValues } from "./catalogue.ts";
import type { Result } from "./errors.ts";
import type { ControlHeader } from "./header.ts";
import type { AnyMessage, MessageType } from "./message.ts";
import { type ProtoVersion, PseudowireType } from "./pseudowire.ts";
import type { PeerSettings } from "./settings.ts";

/** What a side says of itself in SCCRQ and SCCRP. */
export interface Introduction {
  readonly settings: PeerSettings;
  readonly localId: number;
  readonly tieBreaker?: Uint8Array;
  /** v2's challenge, or v3's nonce; where a secret is shared. */
  readonly nonce?: Uint8Array;
  /** v2, SCCRP: the response to the peer's challenge. */
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
  /** The AVPs of ICRQ, ICRP, ICCN, OCRQ, OCRP and OCCN. */
  call(type: MessageType, call: Call): AvpValues;
  disconnect(ids: SessionIds, result: Result): AvpValues;
  /** The AVPs that name a call in SLI and WEN. */
  naming(ids: SessionIds): AvpValues;
  /** Our session id that a message is for; 0 where it is for a new or not yet known one. */
  localSession(header: ControlHeader, avps: AvpValues): number;
  /** The peer's own session id, where the message says it. */
  remoteSession(avps: AvpValues): number | undefined;
  /** What the peer says of the call, over what it said before. */
  learn(before: PeerCall | undefined, avps: AvpValues): PeerCall;
}

const NO_COOKIE = new Uint8Array(0);
const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder();

const v2: Dialect = {
  version: 2,
  introduce: ({ settings, localId, tieBreaker, nonce, response }) => ({
    protocolVersion: 0x0100,
    hostName: settings.hostName,
    vendorName: settings.vendorName,
    framingCapabilities: settings.framing,
    bearerCapabilities: settings.bearer,
    assignedTunnelId: localId,
    receiveWindowSize: settings.receiveWindow,
    ...(tieBreaker && { tieBreaker }),
    ...(nonce && { challenge: nonce }),
    ...(response && { challengeResponse: response }),
  }),
  assignedId: (avps) => avps.assignedTunnelId,
  nonce: (avps) => avps.challenge,
  stop: (localId, resultCode) => ({ assignedTunnelId: localId, resultCode }),
  call(type, { localId, serial, parameters }) {
    const { name, callingNumber, speed, sequencing } = parameters!;
    switch (type) {
      case "ICRQ":
        return {
          assignedSessionId: localId,
          callSerialNumber: serial,
          bearerType: 0,
          ...(name && { calledNumber: name }),
          ...(callingNumber !== undefined && { callingNumber }),
        };
      case "OCRQ":
        return {
          assignedSessionId: localId,
          callSerialNumber: serial,
          minimumBps: 0,
          maximumBps: speed,
          bearerType: 0,
          framingType: 1,
          calledNumber: name,
        };
      case "ICRP":
      case "OCRP":
        return { assignedSessionId: localId };
      default:
        return {
          txConnectSpeed: speed,
          framingType: 1,
          ...(sequencing && { sequencingRequired: true }),
        };
    }
  },
  disconnect: ({ localId }, resultCode) => ({ resultCode, assignedSessionId: localId }),
  naming: () => ({}),
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
  introduce: ({ settings, localId, tieBreaker, nonce }) => ({
    hostName: settings.hostName,
    routerId: settings.routerId,
    assignedConnectionId: localId,
    pseudowireCapabilities: settings.pseudowires,
    vendorName: settings.vendorName,
    receiveWindowSize: settings.receiveWindow,
    ...(tieBreaker && { tieBreaker }),
    ...(nonce && { nonce }),
  }),
  assignedId: (avps) => avps.assignedConnectionId,
  nonce: (avps) => avps.nonce,
  stop: (localId, resultCode) => ({ resultCode, assignedConnectionId: localId }),
  call(type, call) {
    const { pseudowireType, name, cookie, l2spec, sequencing, active } = call.parameters!;
    const requirements: AvpValues = {
      ...(cookie.length > 0 && { assignedCookie: cookie }),
      ...(l2spec === "default" && { l2SpecificSublayer: 1 }),
      ...(sequencing && { dataSequencing: 2 }),
    };
    const circuitStatus = { active, new: true };
    switch (type) {
      case "ICRQ":
      case "OCRQ":
        return {
          ...v3.naming(call),
          callSerialNumber: call.serial,
          pseudowireType,
          remoteEndId: UTF8.encode(name),
          circuitStatus,
          ...(call.tieBreaker && { tieBreaker: call.tieBreaker }),
          ...requirements,
        };
      case "ICRP":
      case "OCRP":
        return { ...v3.naming(call), circuitStatus, ...requirements };
      default:
        return v3.naming(call);
    }
  },
  disconnect: (ids, resultCode) => ({ resultCode, ...v3.naming(ids) }),
  naming: ({ localId, remoteId }) => ({ localSessionId: localId, remoteSessionId: remoteId }),
  localSession: (_header, avps) => avps.remoteSessionId ?? 0,
  remoteSession: (avps) => avps.localSessionId,
  learn: (before, avps) => ({
    name: avps.remoteEndId ? FROM_UTF8.decode(avps.remoteEndId) : before?.name ?? "",
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

export const dialects: Readonly<Record<ProtoVersion, Dialect>> = { 2: v2, 3: v3 };

/** A message of ours. */
export function messageOf(version: ProtoVersion, type: MessageType, avps: AvpValues): AnyMessage {
  return { version, type, avps, vendorAvps: [] } as unknown as AnyMessage;
}
