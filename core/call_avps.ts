/**
 * What the messages of a call say beyond who is meant by them, in their RFCs' words: the same for L2TPv2 and L2TPv3,
 * for what a peer said and for what it is to be told. Plugins read and write these.
 *
 * @module
 */

import { AVP_HEADER, MAX_AVP_VALUE, MAX_HIDDEN_VALUE } from "./avp.ts";
import { type AvpName, type AvpValues, catalogue, nameOf } from "./catalogue.ts";
import type { CircuitStatus, Codec, PppDisconnectCause, Q931Cause } from "./codec.ts";
import { type Result, UnsendableAvp } from "./errors.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import { emitRaw, type RawAvp } from "./raw_avp.ts";

export type { CircuitStatus, PppDisconnectCause, Q931Cause, RawAvp };

/** The messages of a call that say something of it; CDN says {@linkcode CallEnd}. */
export type CallMessage = "ICRQ" | "ICRP" | "ICCN" | "OCRQ" | "OCRP" | "OCCN" | "SLI" | "WEN";

/** What a LAC and its client negotiated in LCP before the call (RFC 2661 §4.4.5): options of Configure-Requests. */
export interface ProxyLcp {
  /** Initial Received LCP CONFREQ: the client's first. */
  readonly initialReceived?: Uint8Array;
  /** Last Sent LCP CONFREQ: the LAC's, which the client acknowledged. */
  readonly lastSent?: Uint8Array;
  /** Last Received LCP CONFREQ: the client's, which the LAC acknowledged. */
  readonly lastReceived?: Uint8Array;
}

/** How a client authenticated itself to its LAC (RFC 2661 §4.4.5). May hold a password: a secret. */
export interface ProxyAuth {
  /** Proxy Authen Type: 1 text, 2 CHAP, 3 PAP, 4 none, 5 MSCHAPv1. */
  readonly type: number;
  /** Whom the client says to be. */
  readonly name?: Uint8Array;
  /** The challenge that the LAC sent. */
  readonly challenge?: Uint8Array;
  /** The identifier of the client's answer. */
  readonly id?: number;
  /** The client's answer: CHAP's response, or PAP's password. */
  readonly response?: Uint8Array;
}

/** AVPs of a call's messages. What is absent was not said. */
export interface CallAvps {
  /** The number that was dialed, or is to be; v3 has {@linkcode CallAvps.remoteEndId} for it. */
  readonly calledNumber?: string;
  /** Who calls. */
  readonly callingNumber?: string;
  readonly subAddress?: string;
  /** Bearer Type, a bit mask: 1 digital, 2 analog. */
  readonly bearerType?: number;
  /** Framing Type, a bit mask: 1 synchronous, 2 asynchronous. */
  readonly framingType?: number;
  readonly physicalChannelId?: number;
  /** Call Serial Number; of a call that we place, the LCCE's own count unless it is given. */
  readonly callSerialNumber?: number;
  /** OCRQ: the slowest line that will do, in bits a second. */
  readonly minimumBps?: number;
  /** OCRQ: the fastest line that is wanted, in bits a second. */
  readonly maximumBps?: number;
  /** From the LAC to its client, in bits a second; v2 has 32 bits for it, and says no more than they hold. */
  readonly txConnectSpeed?: bigint;
  /** From the client to the LAC, in bits a second; as {@linkcode CallAvps.txConnectSpeed}. */
  readonly rxConnectSpeed?: bigint;
  readonly privateGroupId?: Uint8Array;
  /** v3: which circuit is meant, as its octets (RFC 3931 §5.4.4). Of a call that we place it follows from its name. */
  readonly remoteEndId?: Uint8Array;
  /** v3: the circuit behind the sender's end. */
  readonly circuitStatus?: CircuitStatus;
  readonly proxyLcp?: ProxyLcp;
  readonly proxyAuth?: ProxyAuth;
  /** SLI in v2: the characters that the client's line needs escaped (RFC 2661 §4.4.6). */
  readonly accm?: { readonly send: number; readonly receive: number };
  /** WEN: errors on the line since the call came up (RFC 2661 §4.4.6). */
  readonly callErrors?: Readonly<Record<LineError, number>>;
  /** Vendors' AVPs, and optional ones of the IETF that nobody knows. */
  readonly others?: readonly RawAvp[];
}

/** What a WEN counts. */
export type LineError =
  | "crcErrors"
  | "framingErrors"
  | "hardwareOverruns"
  | "bufferOverruns"
  | "timeoutErrors"
  | "alignmentErrors";

/** Why a call ends, as its CDN says (RFC 2661 §4.4.2, RFC 3931 §5.4.2). */
export interface CallEnd extends Result {
  /** Why the line was hung up (RFC 2661 §4.4.2, Q.931 Cause Code). */
  readonly q931?: Q931Cause;
  /** Why PPP ended (RFC 3145). */
  readonly ppp?: PppDisconnectCause;
  /** Vendors' AVPs, and optional ones of the IETF that nobody knows. */
  readonly others?: readonly RawAvp[];
}

/** Those of {@linkcode CallAvps} that stand in an AVP of the same name and form. */
const plain = [
  "calledNumber",
  "callingNumber",
  "subAddress",
  "bearerType",
  "framingType",
  "physicalChannelId",
  "callSerialNumber",
  "minimumBps",
  "maximumBps",
  "privateGroupId",
  "remoteEndId",
  "circuitStatus",
  "accm",
  "callErrors",
] as const satisfies readonly (AvpName & keyof CallAvps)[];

/** What a message says of a call; empty where it says nothing but ids. */
export function saidBy(avps: AvpValues, others: readonly RawAvp[]): CallAvps {
  const alike = plain.flatMap((name) => avps[name] === undefined ? [] : [[name, avps[name]]]);
  const said: { -readonly [Name in keyof CallAvps]: CallAvps[Name] } = Object.fromEntries(alike);
  const tx = avps.txConnectSpeedBps ?? avps.txConnectSpeed;
  const rx = avps.rxConnectSpeedBps ?? avps.rxConnectSpeed;
  if (tx !== undefined) said.txConnectSpeed = BigInt(tx);
  if (rx !== undefined) said.rxConnectSpeed = BigInt(rx);
  const lcp = present({
    initialReceived: avps.initialReceivedLcp,
    lastSent: avps.lastSentLcp,
    lastReceived: avps.lastReceivedLcp,
  });
  if (Object.keys(lcp).length > 0) said.proxyLcp = lcp;
  if (avps.proxyAuthenType !== undefined) {
    said.proxyAuth = {
      type: avps.proxyAuthenType,
      ...present({
        name: avps.proxyAuthenName,
        challenge: avps.proxyAuthenChallenge,
        // The first of its two octets is reserved.
        id: avps.proxyAuthenId === undefined ? undefined : avps.proxyAuthenId & 0xff,
        response: avps.proxyAuthenResponse,
      }),
    };
  }
  if (others.length > 0) said.others = others;
  return said;
}

/** What a CDN says. */
export function endSaidBy(avps: AvpValues, others: readonly RawAvp[], result: Result): CallEnd {
  return {
    ...(avps.resultCode ?? result),
    ...present({ q931: avps.q931Cause, ppp: avps.pppDisconnectCause }),
    ...(others.length > 0 && { others }),
  };
}

const connected = ["txConnectSpeed", "rxConnectSpeed"] as const;
const proxy = [
  "initialReceivedLcp",
  "lastSentLcp",
  "lastReceivedLcp",
  "proxyAuthenType",
  "proxyAuthenName",
  "proxyAuthenChallenge",
  "proxyAuthenId",
  "proxyAuthenResponse",
] as const;

/**
 * What each message has a place for (RFC 2661 §6, RFC 3931 §6). RFC 2661's AVPs keep their places in v3, where they go
 * without their M bit: a peer that has no use for them passes over them.
 */
const places: Readonly<Record<CallMessage, readonly AvpName[]>> = {
  ICRQ: [
    "callSerialNumber",
    "bearerType",
    "physicalChannelId",
    "callingNumber",
    "calledNumber",
    "subAddress",
  ],
  ICRP: ["physicalChannelId"],
  ICCN: [...connected, "framingType", "privateGroupId", ...proxy],
  OCRQ: [
    "callSerialNumber",
    "minimumBps",
    "maximumBps",
    "bearerType",
    "framingType",
    "calledNumber",
    "callingNumber",
    "subAddress",
  ],
  OCRP: ["physicalChannelId"],
  OCCN: [...connected, "framingType"],
  SLI: ["accm"],
  WEN: ["callErrors"],
};
/** v3 has its own AVPs for these, and in more messages. */
const places3: Readonly<Record<CallMessage, readonly AvpName[]>> = {
  ICRQ: connected,
  ICRP: connected,
  ICCN: [],
  OCRQ: connected,
  OCRP: connected,
  OCCN: [],
  SLI: ["circuitStatus"],
  WEN: [],
};

/**
 * The AVPs by which a message says what it has a place for; the rest is left out, so that one may hand on all that
 * another call's peer said. Without {@linkcode CallAvps.others}. The status of a circuit goes by the call's own.
 */
export function toSay(version: ProtoVersion, type: CallMessage, said: CallAvps): AvpValues {
  const { proxyAuth, proxyLcp, rxConnectSpeed, txConnectSpeed } = said;
  const names = new Set<AvpName>(places[type]);
  if (version === 3) { for (const name of places3[type]) names.add(name); }
  const speed = (bps: bigint | undefined) =>
    bps === undefined ? undefined : version === 3 ? bps : Number(bps < U32 ? bps : U32);
  const [tx, rx] = [speed(txConnectSpeed), speed(rxConnectSpeed)];
  const values: { [Name in AvpName]?: unknown } = {
    ...Object.fromEntries(plain.map((name) => [name, said[name]])),
    ...(names.has("txConnectSpeed") &&
      (version === 3
        ? { txConnectSpeedBps: tx, rxConnectSpeedBps: rx }
        : { txConnectSpeed: tx, rxConnectSpeed: rx })),
    initialReceivedLcp: proxyLcp?.initialReceived,
    lastSentLcp: proxyLcp?.lastSent,
    lastReceivedLcp: proxyLcp?.lastReceived,
    proxyAuthenType: proxyAuth?.type,
    proxyAuthenName: proxyAuth?.name,
    proxyAuthenChallenge: proxyAuth?.challenge,
    proxyAuthenId: proxyAuth?.id,
    proxyAuthenResponse: proxyAuth?.response,
  };
  if (version === 3) names.add("txConnectSpeedBps").add("rxConnectSpeedBps");
  const wanted = Object.entries(values).filter(([name, value]) =>
    value !== undefined && names.has(name as AvpName)
  );
  return Object.fromEntries(wanted) as AvpValues;
}

/** The AVPs of a CDN beside those that name the call. */
export function endToSay({ result, error, message, q931, ppp }: CallEnd): AvpValues {
  return {
    resultCode: { result, ...present({ error, message }) },
    ...present({ q931Cause: q931, pppDisconnectCause: ppp }),
  };
}

/**
 * Those of {@linkcode CallAvps.others} that a message takes along. One of the IETF that is no stranger to this version
 * stays out: it says what is not its sender's to say.
 */
export function othersToSay(
  version: ProtoVersion,
  { others = [] }: Pick<CallAvps, "others">,
): readonly RawAvp[] {
  return others.filter(({ vendorId, type }) =>
    vendorId !== 0 || nameOf(version, type) === undefined
  );
}

/**
 * Makes sure that all of it can be sent.
 * @throws {UnsendableAvp} naming what cannot
 */
export function assertSendable(
  avps: AvpValues,
  others: readonly RawAvp[],
  hides: boolean,
): void {
  let octets = 0;
  const check = (label: string, length: number, most: number) => {
    octets += AVP_HEADER + length;
    if (length > most) {
      throw new UnsendableAvp(`${label}: ${length} octets, and ${most} are the most`);
    }
    if (octets > MAX_BODY) {
      throw new UnsendableAvp(`${label} does not fit into its message any more`);
    }
  };
  for (const name of Object.keys(avps) as AvpName[]) {
    if (avps[name] === undefined) continue;
    const { hidable, type } = catalogue[name];
    const codec: Codec<unknown> = catalogue[name].codec;
    const value = codec.emit(avps[name]);
    check(
      `AVP ${type} (${name})`,
      value.length,
      hides && hidable ? MAX_HIDDEN_VALUE : MAX_AVP_VALUE,
    );
    if (codec.parse(value) === undefined) {
      throw new UnsendableAvp(`AVP ${type} (${name}) cannot be ${value.length} octets`);
    }
  }
  for (const avp of others) {
    check(`AVP ${avp.vendorId}/${avp.type}`, emitRaw(avp).value.length, MAX_AVP_VALUE);
  }
}

/** Octets of a call's message at most: what a datagram holds, less headers, digests and padding. */
const MAX_BODY = 60_000;
const U32 = 0xffff_ffffn;

/** The members that are there. */
function present<T extends object>(
  members: T,
): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [Name in keyof T]?: Exclude<T[Name], undefined> };
}
