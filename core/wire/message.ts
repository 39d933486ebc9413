/**
 * Control messages, typed: which AVPs each message must and may carry in each version (RFC 2661 §6, RFC 3931 §6),
 * and the way between a message and its octets.
 *
 * @module
 */

import { type Avp, AVP_HEADER, emitAvp, MAX_HIDDEN_VALUE, parseAvps } from "./avp.ts";
import {
  type AvpName,
  type AvpValue,
  type AvpValues,
  catalogue,
  nameOf,
  sectionOf,
} from "./catalogue.ts";
import type { MessageDigest } from "./codec.ts";
import { ErrorCode, PeerError } from "../errors.ts";
import { hide, unhide } from "./hiding.ts";
import type { ProtoVersion } from "../pseudowire.ts";
import type { RawAvp } from "./raw_avp.ts";
import { emitRaw, isExtended, parseRaw } from "./raw_codec.ts";

/** Message types and their numbers (RFC 2661 §3.2, RFC 3931 §3.1). */
export const messageTypes = {
  SCCRQ: 1,
  SCCRP: 2,
  SCCCN: 3,
  StopCCN: 4,
  HELLO: 6,
  OCRQ: 7,
  OCRP: 8,
  OCCN: 9,
  ICRQ: 10,
  ICRP: 11,
  ICCN: 12,
  CDN: 14,
  WEN: 15,
  SLI: 16,
  ACK: 20,
} as const;
export type MessageType = keyof typeof messageTypes;

const call2 = ["txConnectSpeed", "framingType"] as const;
const call3 = ["localSessionId", "remoteSessionId"] as const;
/** Serial Number is for people to tell calls apart (RFC 3931 §5.4.4): one that lacks it is good enough. */
const request3 = [
  ...call3,
  "pseudowireType",
  "remoteEndId",
  "circuitStatus",
] as const;

/** The AVPs that a message must carry, beside Message Type. */
const required = {
  2: {
    SCCRQ: ["protocolVersion", "hostName", "framingCapabilities", "assignedTunnelId"],
    SCCRP: ["protocolVersion", "hostName", "framingCapabilities", "assignedTunnelId"],
    SCCCN: [],
    StopCCN: ["resultCode"],
    HELLO: [],
    OCRQ: [
      "assignedSessionId",
      "callSerialNumber",
      "minimumBps",
      "maximumBps",
      "bearerType",
      "framingType",
      "calledNumber",
    ],
    OCRP: ["assignedSessionId"],
    OCCN: call2,
    ICRQ: ["assignedSessionId", "callSerialNumber"],
    ICRP: ["assignedSessionId"],
    ICCN: call2,
    CDN: ["resultCode", "assignedSessionId"],
    // News that say nothing that we know are no reason to end a call.
    WEN: [],
    SLI: [],
    ACK: [],
  },
  3: {
    SCCRQ: ["hostName", "routerId", "assignedConnectionId", "pseudowireCapabilities"],
    SCCRP: ["hostName", "routerId", "assignedConnectionId", "pseudowireCapabilities"],
    SCCCN: [],
    StopCCN: ["resultCode"],
    HELLO: [],
    OCRQ: request3,
    OCRP: [...call3, "circuitStatus"],
    OCCN: call3,
    ICRQ: request3,
    ICRP: [...call3, "circuitStatus"],
    ICCN: call3,
    CDN: ["resultCode", ...call3],
    WEN: [],
    SLI: [],
    ACK: [],
  },
} as const satisfies Record<ProtoVersion, Record<MessageType, readonly AvpName[]>>;

type Required<V extends ProtoVersion, T extends MessageType> = typeof required[V][T][number];

/** A control message of a version and type. */
export interface Message<
  V extends ProtoVersion = ProtoVersion,
  T extends MessageType = MessageType,
> {
  readonly version: V;
  readonly type: T;
  readonly avps: AvpValues & { readonly [Name in Required<V, T>]: AvpValue<Name> };
  /** Vendors' AVPs, and optional ones that nobody knows. */
  readonly others: readonly RawAvp[];
}

/** Every message that a peer of a version can send. */
export type AnyMessage<V extends ProtoVersion = ProtoVersion> = {
  [T in MessageType]: Message<V, T>;
}[MessageType];

/** What a parser made of a message's body. */
export type Parsed<V extends ProtoVersion = ProtoVersion> =
  | { readonly kind: "message"; readonly message: AnyMessage<V> }
  /** An empty body: ZLB, a bare acknowledgement. */
  | { readonly kind: "zlb" }
  /** A message type we do not know, its M bit clear: acknowledged and otherwise ignored (RFC 2661 §4.4.1). */
  | { readonly kind: "ignored"; readonly messageType: number }
  /**
   * A message that must not be acted on. `type` and `avps` are what could be read of it: who it was for decides
   * whether a call or the control connection is cleared.
   */
  | {
    readonly kind: "refused";
    readonly error: PeerError;
    readonly type: MessageType | undefined;
    readonly avps: AvpValues;
  };

/** What the parser and the emitter need to know beside the octets. */
export interface BodyContext {
  readonly version: ProtoVersion;
  /** The key of hidden AVPs; absent: none can be read. */
  readonly hidingKey?: Uint8Array;
  /** Vendor AVPs that some plugin understands: mandatory ones of others refuse the message. */
  readonly knowsVendor?: (vendorId: number, type: number) => boolean;
}

const byNumber: ReadonlyMap<number, MessageType> = new Map(
  (Object.keys(messageTypes) as MessageType[]).map((type) => [messageTypes[type], type]),
);

/** The message type of a number; v2 has no ACK. */
export function typeOf(number: number, version: ProtoVersion): MessageType | undefined {
  const type = byNumber.get(number);
  return type === "ACK" && version === 2 ? undefined : type;
}

/** Reads a message's body (what follows the control header). Never throws. */
export function parseBody<V extends ProtoVersion>(
  body: Uint8Array,
  context: BodyContext & { version: V },
): Parsed<V> {
  if (body.length === 0) return { kind: "zlb" };
  const avps: { [Name in AvpName]?: AvpValue<AvpName> } = {};
  const others: RawAvp[] = [];
  let type: MessageType | undefined;
  try {
    const { list, malformed } = listAvps(body);
    const first = list[0];
    if (!first) throw malformed;
    const number = first.type === 0 && !first.hidden
      ? catalogue.messageType.codec.parse(first.value)
      : undefined;
    // A vendor's own message type has its Vendor ID here (RFC 3931 §5.4.1).
    type = number === undefined || first.vendorId !== 0
      ? undefined
      : typeOf(number, context.version);
    if (type === undefined) {
      if (number !== undefined && !first.mandatory) return { kind: "ignored", messageType: number };
      throw new PeerError(
        number === undefined ? ErrorCode.OutOfRange : ErrorCode.UnknownMandatoryAvp,
        number === undefined
          ? "the first AVP is no Message Type"
          : `unknown mandatory message type ${number}`,
      );
    }
    readAvps(list, context, avps, others);
    if (malformed) throw malformed;
    for (const name of required[context.version][type]) {
      if (avps[name] === undefined) {
        const { type: number } = catalogue[name];
        const section = sectionOf(name, context.version);
        const message = `${type} lacks AVP ${number} (${name}, ${section})`;
        throw new PeerError(ErrorCode.OutOfRange, message, number);
      }
    }
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return { kind: "refused", error, type, avps: avps as AvpValues };
  }
  return {
    kind: "message",
    message: { version: context.version, type, avps, others } as unknown as AnyMessage<V>,
  };
}

/** The AVPs of a body up to the first that does not fit: they may say whose message it is. */
export function listAvps(body: Uint8Array): { list: Avp[]; malformed?: PeerError } {
  const list: Avp[] = [];
  try {
    parseAvps(body, list);
    return { list };
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    return { list, malformed: error };
  }
}

/** Reads all AVPs into `avps` and `others`: of an AVP that stands twice the first counts. */
function readAvps(
  list: readonly Avp[],
  { version, hidingKey, knowsVendor }: BodyContext,
  avps: { [Name in AvpName]?: AvpValue<AvpName> },
  others: RawAvp[],
): void {
  let randomVector: Uint8Array | undefined;
  let problem: PeerError | undefined;
  for (const avp of list) {
    const label = avp.vendorId === 0 ? `AVP ${avp.type}` : `AVP ${avp.vendorId}/${avp.type}`;
    // RFC 2661 §4.1: as if unknown; RFC 3931 §5.1: to be ignored.
    const reserved = avp.reserved === true && version === 2;
    const refuse = (code: number, why: string) => {
      const number = avp.vendorId === 0 ? avp.type : undefined;
      if (avp.mandatory) problem ??= new PeerError(code, `${label}: ${why}`, number);
    };
    const name = avp.vendorId === 0 && !reserved ? nameOf(version, avp.type) : undefined;
    const known = name !== undefined || isExtended(avp) ||
      (avp.vendorId !== 0 && !reserved && knowsVendor?.(avp.vendorId, avp.type));
    if (!known) {
      refuse(
        ErrorCode.UnknownMandatoryAvp,
        reserved ? "a reserved bit is set" : "unknown, and its M bit is set",
      );
      if (reserved) continue;
    }
    let value = avp.value;
    if (avp.hidden) {
      if (!hidingKey || !randomVector) {
        refuse(
          ErrorCode.OutOfRange,
          hidingKey ? "hidden without a Random Vector" : "hidden, and no secret is shared",
        );
        continue;
      }
      try {
        value = unhide(avp.type, avp.value, hidingKey, randomVector);
      } catch (error) {
        refuse(ErrorCode.OutOfRange, (error as PeerError).message);
        continue;
      }
    }
    if (name === undefined) {
      others.push(parseRaw(avp, value));
      continue;
    }
    const parsed = catalogue[name].codec.parse(value) as AvpValue<AvpName> | undefined;
    if (parsed === undefined) {
      refuse(ErrorCode.WrongLength, `${name} cannot be ${value.length} octets with this value`);
      continue;
    }
    if (name === "randomVector") randomVector = parsed as Uint8Array;
    avps[name] ??= parsed;
  }
  if (problem) throw problem;
}

/** How to hide AVPs in what is sent. */
export interface Hiding {
  readonly key: Uint8Array;
  /** At least 16 unpredictable octets, new for each message. */
  readonly randomVector: Uint8Array;
  /** The AVPs to hide, each with its random padding. */
  readonly padding: ReadonlyMap<AvpName, Uint8Array>;
}

/**
 * Writes a message's body. Message Type comes first, then Message Digests with their digests as given (RFC 3931
 * §5.4.1), then Random Vector where AVPs are hidden, then the rest.
 * @param digests Up to two, where the message itself holds none.
 */
export function emitBody(
  message: AnyMessage,
  hiding?: Hiding,
  digests: readonly MessageDigest[] = [],
): Uint8Array<ArrayBuffer> {
  const { version } = message;
  const list: Avp[] = [
    avpOf(version, "messageType", catalogue.messageType.codec.emit(messageTypes[message.type])),
  ];
  const { messageDigest, ...rest } = message.avps as AvpValues;
  for (const digest of messageDigest ? [messageDigest] : digests) {
    list.push(avpOf(version, "messageDigest", catalogue.messageDigest.codec.emit(digest)));
  }
  if (hiding) list.push(avpOf(version, "randomVector", hiding.randomVector));
  for (const name of Object.keys(rest) as (keyof typeof rest)[]) {
    if (name === "messageType" || name === "randomVector") continue;
    const value = emitValue(name, rest[name]);
    if (value === undefined) continue;
    const padding = hiding?.padding.get(name);
    if (hiding && padding) {
      const { type } = catalogue[name];
      const room = Math.max(0, MAX_HIDDEN_VALUE - value.length);
      const hidden = hide(type, value, hiding.key, hiding.randomVector, padding.subarray(0, room));
      list.push({ ...avpOf(version, name, hidden), hidden: true });
    } else {
      list.push(avpOf(version, name, value));
    }
  }
  list.push(...message.others.map(emitRaw));
  const body = new Uint8Array(
    list.reduce((length, { value }) => length + AVP_HEADER + value.length, 0),
  );
  let at = 0;
  for (const avp of list) at = emitAvp(avp, body, at);
  return body;
}

function avpOf(version: ProtoVersion, name: AvpName, value: Uint8Array): Avp {
  const { type, mandatory, versions } = catalogue[name];
  // What the other version's RFC defines must not cost a call of a peer that does not know it.
  const known = versions.includes(version);
  return { vendorId: 0, type, mandatory: mandatory && known, hidden: false, value };
}

function emitValue<Name extends AvpName>(
  name: Name,
  value: AvpValue<Name> | undefined,
): Uint8Array | undefined {
  if (value === undefined) return undefined;
  return (catalogue[name].codec as { emit(value: AvpValue<Name>): Uint8Array }).emit(value);
}
