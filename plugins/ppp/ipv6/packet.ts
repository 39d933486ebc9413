/**
 * IPv6 packets as far as a router needs them on a link (RFC 8200 §3, RFC 4443 §2.1, RFC 768): ICMPv6 and UDP without
 * extension headers. No byte string makes a parser throw: what is none gives undefined.
 *
 * @module
 */

import { equalBytes, internetChecksum } from "../../../core/wire/bytes.ts";

const HEADER = 40;
const UDP_HEADER = 8;

/** Next Header numbers. */
export const Next = { Udp: 17, Icmp: 58 } as const;

/** All nodes, all routers, and all DHCPv6 servers and relays of a link. */
export const ALL_NODES: Uint8Array = group(0x01);
/** `ff02::2`. */
export const ALL_ROUTERS: Uint8Array = group(0x02);
/** `ff02::1:2`. */
export const ALL_DHCP: Uint8Array = group(0x0001_0002);

/** A packet. Views of what was read. */
export interface Packet6 {
  /** 16 octets each. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly hopLimit: number;
  readonly next: number;
  /** An ICMPv6 message or a UDP datagram, header and all; its checksum is right. */
  readonly payload: Uint8Array;
}

/** A UDP datagram. */
export interface Datagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly data: Uint8Array;
}

/** Reads an IPv6 packet of ICMPv6 or UDP whose checksum is right. */
export function parsePacket6(bytes: Uint8Array): Packet6 | undefined {
  if (bytes.length < HEADER || bytes[0]! >> 4 !== 6) return undefined;
  const length = bytes[4]! << 8 | bytes[5]!;
  const next = bytes[6]!;
  if (length > bytes.length - HEADER || (next !== Next.Udp && next !== Next.Icmp)) return undefined;
  const source = bytes.subarray(8, 24);
  const destination = bytes.subarray(24, 40);
  const payload = bytes.subarray(HEADER, HEADER + length);
  if (payload.length < (next === Next.Udp ? UDP_HEADER : 4)) return undefined;
  if (checksum6(source, destination, next, payload) !== 0) return undefined;
  return { source, destination, hopLimit: bytes[7]!, next, payload };
}

/** A packet; the checksum of its payload is put in at octet 2 (ICMPv6) or 6 (UDP). */
export function emitPacket6({ destination, hopLimit, next, payload, source }: Packet6): Uint8Array {
  const packet = new Uint8Array(HEADER + payload.length);
  packet[0] = 0x60;
  packet[4] = payload.length >> 8;
  packet[5] = payload.length;
  packet[6] = next;
  packet[7] = hopLimit;
  packet.set(source, 8);
  packet.set(destination, 24);
  packet.set(payload, HEADER);
  const at = HEADER + (next === Next.Udp ? 6 : 2);
  packet[at] = packet[at + 1] = 0;
  // A sum of zero means that there is none (RFC 8200 §8.1).
  const sum = checksum6(source, destination, next, packet.subarray(HEADER)) || 0xffff;
  packet[at] = sum >> 8;
  packet[at + 1] = sum;
  return packet;
}

/** Reads a UDP datagram out of a packet's payload. */
export function parseDatagram(payload: Uint8Array): Datagram | undefined {
  if (payload.length < UDP_HEADER) return undefined;
  const length = payload[4]! << 8 | payload[5]!;
  if (length < UDP_HEADER || length > payload.length) return undefined;
  return {
    sourcePort: payload[0]! << 8 | payload[1]!,
    destinationPort: payload[2]! << 8 | payload[3]!,
    data: payload.subarray(UDP_HEADER, length),
  };
}

/** A UDP datagram without its checksum. */
export function emitDatagram({ data, destinationPort, sourcePort }: Datagram): Uint8Array {
  const length = UDP_HEADER + data.length;
  const payload = new Uint8Array(length);
  payload.set([
    sourcePort >> 8,
    sourcePort,
    destinationPort >> 8,
    destinationPort,
    length >> 8,
    length,
  ]);
  payload.set(data, UDP_HEADER);
  return payload;
}

/** The Internet checksum over pseudo-header and payload; 0 over a payload that carries its own right one. */
export function checksum6(
  source: Uint8Array,
  destination: Uint8Array,
  next: number,
  payload: Uint8Array,
): number {
  return internetChecksum([source, destination, payload], payload.length + next);
}

/** Whether an address is the unspecified one (`::`). */
export function isUnspecified(address: Uint8Array): boolean {
  return equalBytes(address, new Uint8Array(16));
}

function group(id: number): Uint8Array {
  const address = new Uint8Array(16);
  address.set([0xff, 0x02]);
  address.set([id >>> 24, id >>> 16, id >>> 8, id], 12);
  return address;
}
