/** Between what a call's messages say and the AVPs of either version that say it. @module */

import { AVP_HEADER, MAX_AVP_VALUE, MAX_HIDDEN_VALUE } from "./avp.ts";
import type { CallAvps, CallEnd, CallMessage } from "./call_avps.ts";
import { type AvpName, type AvpValues, catalogue, nameOf } from "./catalogue.ts";
import type { Codec } from "./codec.ts";
import { type Result, UnsendableAvp } from "../errors.ts";
import type { ProtoVersion } from "../pseudowire.ts";
import type { RawAvp } from "./raw_avp.ts";
import { emitRaw } from "./raw_codec.ts";

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
