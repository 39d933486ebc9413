/** `struct sockaddr_in` and `sockaddr_in6`, to and from endpoints. @module */

import { type Endpoint, formatIp, ipVersion, parseIp, zoneOf } from "../../core/endpoint.ts";
import type { SockAddr } from "../../wasm/mod.ts";
import { Errno, IoError } from "./errno.ts";
import { type Buffer, cString, type Libc } from "./libc.ts";

export const AF_INET = 2;
export const AF_INET6 = 10;
/** Room for either structure. */
export const sockaddrSize = 28;

/**
 * The bytes of an endpoint. A zone may be a device's name or its number.
 * @throws {IoError} where the address is none or the zone names no device
 */
export function toSockAddr(libc: Libc, endpoint: Endpoint): SockAddr {
  const address = parseIp(endpoint.address);
  if (!address) {
    throw new IoError("inet_pton", Errno.EINVAL, `read the address ${endpoint.address}`);
  }
  const zone = zoneOf(endpoint.address);
  if (zone === undefined) return { address, port: endpoint.port };
  return { address, port: endpoint.port, scopeId: scopeIdOf(libc, zone, endpoint.address) };
}

/**
 * An endpoint in canonical text, spelled as operators spell it: the scope by its device's name (`fe80::1%eth0`), or by
 * its number where that is no device's any more.
 */
export function fromSockAddr(libc: Libc, { address, port, scopeId }: SockAddr): Endpoint {
  return { address: formatIp(address) + (scopeId ? `%${zoneNameOf(libc, scopeId)}` : ""), port };
}

/**
 * ```text
 * sockaddr_in   family 2 (host order) | port 2 | address 4 | zeros 8
 * sockaddr_in6  family 2 (host order) | port 2 | flow 4 | address 16 | scope 4 (host order)
 * ```
 */
export function emitSockaddr({ address, port, scopeId }: SockAddr): Buffer {
  const v6 = address.length === 16;
  const bytes = new Uint8Array(v6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, v6 ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port);
  bytes.set(address, v6 ? 8 : 4);
  if (v6) view.setUint32(24, scopeId ?? 0, true);
  return bytes;
}

/** Reads what {@linkcode emitSockaddr} writes; undefined for another family. */
export function parseSockaddr(bytes: Uint8Array): SockAddr | undefined {
  if (bytes.length < 16) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const family = view.getUint16(0, true);
  const port = view.getUint16(2);
  if (family === AF_INET) return { address: bytes.slice(4, 8), port };
  if (family !== AF_INET6 || bytes.length < 28) return undefined;
  const scopeId = view.getUint32(24, true);
  return { address: bytes.slice(8, 24), port, ...(scopeId === 0 ? {} : { scopeId }) };
}

/** AF_INET or AF_INET6, by the text's shape. */
export function familyOf(address: string): number {
  return ipVersion(address) === 6 ? AF_INET6 : AF_INET;
}

/** Octets of a device's name with its closing zero (`IF_NAMESIZE`). */
const nameSize = 16;

function zoneNameOf(libc: Libc, index: number): string {
  const name: Buffer = new Uint8Array(nameSize);
  if (libc.call.if_indextoname(index, name) === 0n) return `${index}`;
  return new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
}

function scopeIdOf(libc: Libc, zone: string, address: string): number {
  if (/^\d{1,9}$/.test(zone)) return Number(zone);
  const index = libc.call.if_nametoindex(cString(zone));
  if (index === 0) {
    throw new IoError("if_nametoindex", Errno.ENODEV, `find the device of ${address}`);
  }
  return index;
}
