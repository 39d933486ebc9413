/** Values of attributes, as what they mean: octets to texts and numbers and back, by their kinds. @module */

import { formatIp, parseIp } from "../../../../core/endpoint.ts";
import type { Definition, Kind } from "./dictionary.ts";
import { readNumber } from "./packet.ts";

/** A value that means something: addresses and prefixes are text, dates are Unix seconds. */
export type Value = string | number | bigint | Uint8Array;

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** How many octets kinds of fixed length have. */
const LENGTHS: Partial<Record<Kind, number>> = {
  integer: 4,
  signed: 4,
  integer64: 8,
  short: 2,
  byte: 1,
  date: 4,
  ipaddr: 4,
  ipv6addr: 16,
  ipv4prefix: 6,
  ifid: 8,
  ether: 6,
};

/** What octets mean, a tag taken off before; undefined: they are malformed. */
export function decodeValue(kind: Kind, octets: Uint8Array): Value | undefined {
  const length = LENGTHS[kind];
  if (length !== undefined && octets.length !== length) return undefined;
  switch (kind) {
    case "octets":
    case "ifid":
      return octets;
    case "string":
      return decoder.decode(octets);
    case "integer":
    case "short":
    case "byte":
    case "date":
      return readNumber(octets, 0, octets.length);
    case "signed":
      return readNumber(octets, 0, 4) | 0;
    case "integer64":
      return octets.reduce((sum, octet) => sum << 8n | BigInt(octet), 0n);
    case "ipaddr":
    case "ipv6addr":
      return formatIp(octets);
    case "ipv4prefix":
      return octets[1]! <= 32 ? `${formatIp(octets.subarray(2))}/${octets[1]}` : undefined;
    case "ipv6prefix":
      return decodePrefix(octets);
    case "ether":
      return [...octets].map((octet) => octet.toString(16).padStart(2, "0")).join(":");
  }
}

/** RFC 3162 §2.3: a reserved octet, the length in bits, as many octets as it needs (or more). Bits beyond it are zero. */
function decodePrefix(octets: Uint8Array): string | undefined {
  const bits = octets[1] ?? 255;
  const given = octets.length - 2;
  if (bits > 128 || given > 16 || given * 8 < bits) return undefined;
  const address = new Uint8Array(16);
  address.set(octets.subarray(2));
  for (let i = 0; i < 16; i++) {
    const kept = Math.min(8, Math.max(0, bits - 8 * i));
    address[i]! &= 0xff << (8 - kept);
  }
  return `${formatIp(address)}/${bits}`;
}

/** The octets of a value; undefined where it is none of that kind. Numbers by the names that the dictionary has are taken. */
export function encodeValue(
  definition: Pick<Definition, "kind" | "values">,
  value: Value,
): Uint8Array | undefined {
  const { kind, values } = definition;
  if (value instanceof Uint8Array) return value;
  switch (kind) {
    case "string":
      return encoder.encode(String(value));
    case "octets":
      return encodeOctets(String(value));
    case "ifid":
      return exactly(8, encodeOctets(String(value).replaceAll(":", "")));
    case "integer":
    case "signed":
    case "short":
    case "byte":
    case "date":
    case "integer64":
      return encodeNumber(values.get(String(value)) ?? value, LENGTHS[kind]!, kind === "signed");
    case "ipaddr":
    case "ipv6addr":
      return exactly(LENGTHS[kind]!, parseIp(String(value)));
    case "ipv4prefix":
    case "ipv6prefix":
      return encodePrefix(String(value), kind === "ipv4prefix" ? 4 : 16);
    case "ether":
      return exactly(6, encodeOctets(`0x${String(value).replaceAll(/[:.-]/g, "")}`));
  }
}

/** `0x0102` as octets; another text as itself. */
function encodeOctets(text: string): Uint8Array {
  const hex = /^0x((?:[\da-f]{2})*)$/i.exec(text)?.[1];
  return hex === undefined ? encoder.encode(text) : Uint8Array.fromHex(hex);
}

function encodeNumber(value: Value, size: number, signed: boolean): Uint8Array | undefined {
  const number = typeof value === "bigint" ? value : parseInteger(value);
  const least = signed ? -(1n << BigInt(8 * size - 1)) : 0n;
  const most = (1n << BigInt(8 * size - (signed ? 1 : 0))) - 1n;
  if (number === undefined || number < least || number > most) return undefined;
  const octets = new Uint8Array(size);
  for (let i = 0; i < size; i++) octets[size - 1 - i] = Number(number >> BigInt(8 * i) & 0xffn);
  return octets;
}

function parseInteger(value: Value): bigint | undefined {
  const text = String(value);
  return /^-?\d+$/.test(text) ? BigInt(text) : undefined;
}

function encodePrefix(text: string, size: 4 | 16): Uint8Array | undefined {
  const [address = "", length = "", rest] = text.split("/");
  const octets = exactly(size, parseIp(address));
  const bits = Number(length);
  if (!octets || rest !== undefined || !/^\d{1,3}$/.test(length) || bits > size * 8) return;
  const kept = size === 4 ? 4 : Math.ceil(bits / 8);
  const value = new Uint8Array(2 + kept);
  value[1] = bits;
  value.set(octets.subarray(0, kept), 2);
  return value;
}

function exactly(length: number, octets: Uint8Array | undefined): Uint8Array | undefined {
  return octets?.length === length ? octets : undefined;
}

/** Takes the tag off a value (RFC 2868 §3): 0 to 31. A first octet beyond that is the value's own, but for passwords. */
export function untag(definition: Pick<Definition, "kind" | "hidden">, value: Uint8Array): {
  readonly tag: number;
  readonly value: Uint8Array;
} {
  const tag = value[0] ?? 0;
  if (definition.kind === "integer") {
    // The tag has the place of the highest of four octets.
    const number = value.slice();
    if (number.length > 0) number[0] = 0;
    return { tag: tag <= 0x1f ? tag : 0, value: number };
  }
  if (definition.hidden === 2) return { tag: tag <= 0x1f ? tag : 0, value: value.subarray(1) };
  return tag <= 0x1f && value.length > 0 ? { tag, value: value.subarray(1) } : { tag: 0, value };
}
