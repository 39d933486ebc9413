/** Networks in CIDR notation. Pure. @module */

import { canonicalIp, formatIp, parseIp, zoneOf } from "../../core/endpoint.ts";

/**
 * An address or network in canonical text (`10.0.0.2`, `10.0.0.0/8`, `fd77::/16`, `fe80::1%eth0`); a network of one
 * address becomes the address. Undefined where the text is neither, or has bits set beyond the prefix.
 */
export function canonicalNetwork(text: string): string | undefined {
  const slash = text.indexOf("/");
  if (slash < 0) return canonicalIp(text);
  const bytes = parseIp(text.slice(0, slash));
  const prefix = /^(?:0|[1-9]\d{0,2})$/.test(text.slice(slash + 1))
    ? Number(text.slice(slash + 1))
    : undefined;
  if (!bytes || prefix === undefined || zoneOf(text) !== undefined) return undefined;
  if (prefix > 8 * bytes.length || !samePrefix(bytes, masked(bytes, prefix), 8 * bytes.length)) {
    return undefined;
  }
  return prefix === 8 * bytes.length ? formatIp(bytes) : `${formatIp(bytes)}/${prefix}`;
}

/** Whether `address` is, or lies in, what {@linkcode canonicalNetwork} made. One without a zone is met in any zone. */
export function inNetwork(address: string, network: string): boolean {
  const [base, prefix] = network.split("/", 2) as [string, string?];
  const bytes = parseIp(address);
  const baseBytes = parseIp(base);
  if (!bytes || !baseBytes || bytes.length !== baseBytes.length) return false;
  const zone = zoneOf(base);
  if (zone !== undefined && zone !== zoneOf(address)) return false;
  return samePrefix(bytes, baseBytes, prefix === undefined ? 8 * bytes.length : Number(prefix));
}

function masked(bytes: Uint8Array, prefix: number): Uint8Array {
  return bytes.map((byte, i) => byte & maskOf(prefix - 8 * i));
}

function samePrefix(a: Uint8Array, b: Uint8Array, prefix: number): boolean {
  return a.every((byte, i) => ((byte ^ b[i]!) & maskOf(prefix - 8 * i)) === 0);
}

/** The octet whose first `bits` bits are set. */
function maskOf(bits: number): number {
  return 0xff00 >> Math.min(Math.max(bits, 0), 8) & 0xff;
}
