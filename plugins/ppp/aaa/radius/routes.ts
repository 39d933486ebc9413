/** Routes as RADIUS writes them. @module */

import { formatIp, parseIp } from "../../../../core/endpoint.ts";
import type { Route } from "../authenticator.ts";

/**
 * Framed-Route (RFC 2865 §5.22) and Framed-IPv6-Route (RFC 3162 §2.5): `prefix [gateway [metric …]]`. The gateway is the
 * client, whatever is written there. A prefix without a length has that of its class. Undefined: it is none.
 */
export function parseRoute(text: string): Route | undefined {
  const [destination = "", , metric] = text.trim().split(/\s+/);
  const prefix = parsePrefix(destination);
  if (prefix === undefined) return undefined;
  return { prefix, ...(/^\d{1,9}$/.test(metric ?? "") && { metric: Number(metric) }) };
}

/** `ip route` of IOS: `10.1.0.0 255.255.0.0 [gateway [metric]]`, or as {@linkcode parseRoute}. */
export function parseCiscoRoute(text: string): Route | undefined {
  const words = text.trim().split(/\s+/);
  const mask = maskLength(words[1] ?? "");
  const start = words[0] === "vrf" ? 2 : 0;
  if (start > 0) return parseCiscoRoute(words.slice(start).join(" "));
  if (mask === undefined) return parseRoute(text);
  return parseRoute([`${words[0]}/${mask}`, ...words.slice(2)].join(" "));
}

/** The network of an address with a length, its other bits zero; undefined where the text is none. */
export function parsePrefix(text: string): string | undefined {
  const [address = "", length, rest] = text.split("/");
  const octets = address.includes("%") ? undefined : parseIp(address);
  if (!octets || rest !== undefined || (length !== undefined && !/^\d{1,3}$/.test(length))) return;
  const bits = length === undefined ? classLength(octets) : Number(length);
  if (bits > octets.length * 8) return undefined;
  return `${formatIp(network(octets, bits))}/${bits}`;
}

/** The network of an address under a netmask; undefined where these are none. */
export function networkOf(address: string, mask: string): string | undefined {
  const length = maskLength(mask);
  return length === undefined ? undefined : parsePrefix(`${address}/${length}`);
}

/** How many bits a netmask has; undefined where it is none. */
export function maskLength(mask: string): number | undefined {
  const octets = parseIp(mask);
  if (octets?.length !== 4) return undefined;
  const number = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const bits = 32 - Math.log2(0x1_0000_0000 - number);
  return Number.isInteger(bits) ? bits : undefined;
}

function network(octets: Uint8Array, bits: number): Uint8Array {
  return octets.map((octet, i) => octet & 0xff << 8 - Math.min(8, Math.max(0, bits - 8 * i)));
}

function classLength(octets: Uint8Array): number {
  if (octets.length === 16) return 128;
  const first = octets[0]!;
  return first < 128 ? 8 : first < 192 ? 16 : first < 224 ? 24 : 32;
}
