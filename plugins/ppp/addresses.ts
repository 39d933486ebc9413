/** Addresses and networks of both families, as numbers, octets and text. @module */

import { formatIp, parseIp } from "../../core/endpoint.ts";

/** A network: its first address, and how many bits are its own. */
export interface Network {
  /** 32 or 128. */
  readonly bits: number;
  readonly base: bigint;
  readonly length: number;
}

/** The number of an address, and its family; undefined where the text is none. */
export function parseAddress(text: string): { bits: number; value: bigint } | undefined {
  const octets = /[%/]/.test(text) ? undefined : parseIp(text);
  return octets && { bits: octets.length * 8, value: toNumber(octets) };
}

/** `10.0.0.0/8`, `2001:db8::/32`; undefined where the text is none, or has bits beyond its length. */
export function parseNetwork(text: string): Network | undefined {
  const [first = "", length = "", ...more] = text.split("/");
  const address = parseAddress(first);
  if (!address || more.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  const { bits, value } = address;
  const own = Number(length);
  if (own > bits || value & (1n << BigInt(bits - own)) - 1n) return undefined;
  return { bits, base: value, length: own };
}

/** The text of an address. */
export function formatAddress(bits: number, value: bigint): string {
  return formatIp(toOctets(bits, value));
}

/** The text of a network. */
export function formatNetwork({ base, bits, length }: Network): string {
  return `${formatAddress(bits, base)}/${length}`;
}

/** The octets of an address; throws where the text is none. */
export function octetsOfAddress(text: string): Uint8Array {
  const octets = parseIp(text);
  if (!octets) throw new RangeError(`${text} is no address`);
  return octets;
}

/** Whether an address lies in a network. */
export function contains(network: Network, address: { bits: number; value: bigint }): boolean {
  const { base, bits, length } = network;
  if (bits !== address.bits) return false;
  const shift = BigInt(bits - length);
  return base >> shift === address.value >> shift;
}

/** Whether the text is an IPv6 address. */
export function isV6(address: string): boolean {
  return address.includes(":");
}

function toNumber(octets: Uint8Array): bigint {
  return octets.reduce((sum, octet) => sum << 8n | BigInt(octet), 0n);
}

function toOctets(bits: number, value: bigint): Uint8Array {
  return Uint8Array.from(
    { length: bits / 8 },
    (_, i) => Number(value >> BigInt(bits - 8 * (i + 1)) & 0xffn),
  );
}
