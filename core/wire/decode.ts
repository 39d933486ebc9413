/**
 * Control messages as people read them: every AVP by name, hidden ones too, whatever is wrong with them. What must
 * stay a secret is masked. For looking on only: nothing is decided by what is found here.
 *
 * @module
 */

import { type Avp, AVP_HEADER } from "./avp.ts";
import { readU16 } from "./bytes.ts";
import { type AvpName, catalogue, nameOf } from "./catalogue.ts";
import { PeerError } from "../errors.ts";
import { CONTROL_HEADER, type ControlHeader, parseHeader, tryHeader } from "./header.ts";
import { unhide } from "./hiding.ts";
import { listAvps, typeOf } from "./message.ts";
import type { ProtoVersion } from "../pseudowire.ts";
import { isExtended, parseRaw } from "./raw_codec.ts";

/** A value that can be written down: octets are hexadecimal text, 64-bit numbers are text where a number has no room. */
export type Readable =
  | string
  | number
  | boolean
  | readonly Readable[]
  | { readonly [key: string]: Readable };

/** An AVP as it was said. */
export interface DecodedAvp {
  /** As this program calls it; absent: unknown. */
  readonly name?: AvpName;
  /** The SMI Private Enterprise Code; 0: one of the IETF's. */
  readonly vendorId: number;
  /** The attribute type. */
  readonly type: number;
  /** The M bit. */
  readonly mandatory: boolean;
  /** The H bit. */
  readonly hidden: boolean;
  /** Octets of the value, as it is before it is hidden where that can be told. */
  readonly octets: number;
  /** What it says; absent where it is a secret, or cannot be read. */
  readonly value?: Readable;
  /** It was read, and is not shown. */
  readonly secret?: true;
  /** Why it cannot be read. */
  readonly problem?: string;
}

/** A control message as it was said. */
export interface DecodedMessage extends ControlHeader {
  /** `SCCRQ`, …; `ZLB` for an empty one (v2), `type 5` for one that has no name. */
  readonly type: string;
  /** All AVPs but the first, Message Type. */
  readonly avps: readonly DecodedAvp[];
  /** Why the rest cannot be read. */
  readonly problem?: string;
}

/** What lets somebody in, or lets somebody else guess a password: a PAP password or an answer to a challenge. */
const secrets: ReadonlySet<AvpName> = new Set<AvpName>([
  "challengeResponse",
  "proxyAuthenResponse",
]);

/**
 * Reads a control message, from its header on (without the all-zero session id of protocol 115).
 * @param hidingKey what the sender hides AVPs with, where it is known
 * @throws {PeerError} where not even the header can be read
 */
export function decodeMessage(datagram: Uint8Array, hidingKey?: Uint8Array): DecodedMessage {
  const { header, body } = parseHeader(datagram);
  const { list, malformed } = listAvps(body);
  const problem = malformed && { problem: malformed.message };
  const [first, ...rest] = list;
  const avps: DecodedAvp[] = [];
  let randomVector: Uint8Array | undefined;
  for (const avp of rest) {
    if (avp.vendorId === 0 && avp.type === catalogue.randomVector.type) randomVector = avp.value;
    avps.push(decodeAvp(header.version, avp, hidingKey, randomVector));
  }
  return { ...header, type: saidType(header.version, first), avps, ...problem };
}

/**
 * A message's octets without secrets: a copy where the values of AVPs that {@linkcode decodeMessage} does not show are
 * zeros, and all that cannot be told apart. Those that are hidden stay: they cannot be read without the secret.
 */
export function withoutSecrets(datagram: Uint8Array): Uint8Array<ArrayBuffer> {
  const copy = Uint8Array.from(datagram);
  const parsed = tryHeader(copy);
  if (!parsed) return copy.fill(0, CONTROL_HEADER);
  const { body, header: { version } } = parsed;
  const { list, malformed } = listAvps(body);
  for (const { hidden, type, value, vendorId } of list) {
    const name = vendorId === 0 ? nameOf(version, type) : undefined;
    if (!hidden && name && secrets.has(name)) value.fill(0);
  }
  const readable = list.reduce((end, { value }) => end + AVP_HEADER + value.length, CONTROL_HEADER);
  return copy.fill(0, malformed ? readable : CONTROL_HEADER + body.length);
}

/** The message's type, as its first AVP has it. */
function saidType(version: ProtoVersion, first: Avp | undefined): string {
  if (!first) return "ZLB";
  const { hidden, type, value, vendorId } = first;
  if (type !== 0 || hidden || value.length !== 2) return "no Message Type";
  const number = readU16(value, 0);
  const name = vendorId === 0 ? typeOf(number, version) : undefined;
  return name ?? `type ${vendorId === 0 ? "" : `${vendorId}/`}${number}`;
}

function decodeAvp(
  version: ProtoVersion,
  avp: Avp,
  hidingKey: Uint8Array | undefined,
  randomVector: Uint8Array | undefined,
): DecodedAvp {
  const { hidden, mandatory, type, vendorId } = avp;
  const name = vendorId === 0 ? nameOf(version, type) : undefined;
  const known = { ...(name && { name }), vendorId, type, mandatory, hidden };
  let { value } = avp;
  if (hidden) {
    const octets = value.length;
    if (!randomVector) return { ...known, octets, problem: "hidden without a Random Vector" };
    if (!hidingKey) return { ...known, octets, problem: "hidden, and no secret is known" };
    try {
      value = unhide(type, value, hidingKey, randomVector);
    } catch (error) {
      return { ...known, octets, problem: (error as PeerError).message };
    }
  }
  const octets = value.length;
  // What somebody hid, and nobody here knows, may be a secret.
  if (name === undefined) return hidden ? { ...known, octets, secret: true } : raw(avp, value);
  const parsed = catalogue[name].codec.parse(value);
  if (parsed === undefined) {
    return { ...known, octets, problem: `cannot be ${octets} octets with this value` };
  }
  if (secrets.has(name)) return { ...known, octets, secret: true };
  return { ...known, octets, value: readable(parsed) };
}

/** One of a vendor, or one that nobody knows. */
function raw(avp: Avp, value: Uint8Array): DecodedAvp {
  const { hidden, mandatory } = avp;
  const { type, value: inner, vendorId } = isExtended(avp)
    ? parseRaw(avp, value)
    : { ...avp, value };
  return { vendorId, type, mandatory, hidden, octets: inner.length, value: readable(inner) };
}

function readable(value: unknown): Readable {
  if (value instanceof Uint8Array) return value.toHex();
  if (typeof value === "bigint") {
    return value <= Number.MAX_SAFE_INTEGER ? Number(value) : `${value}`;
  }
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value === "object" && value !== null) {
    const said = Object.entries(value).filter(([, inner]) => inner !== undefined);
    return Object.fromEntries(said.map(([key, inner]) => [key, readable(inner)]));
  }
  return value as string | number | boolean;
}
