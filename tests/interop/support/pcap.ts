/** Writes datagrams that never were on a wire into a pcap file, for other programs to judge. @module */

import { parseIp } from "../../../core/endpoint.ts";

/** A control message on its way. */
export interface Passed {
  /** Virtual time in milliseconds. */
  readonly at: number;
  /** IPv4 addresses. */
  readonly from: string;
  readonly to: string;
  readonly encap: "udp" | "ip";
  readonly data: Uint8Array;
}

const LINKTYPE_IPV4 = 228;
const UDP = 17, L2TP = 115;

/** A pcap file of IPv4 packets: UDP between ports 1701, or protocol 115 with its all-zero session id. */
export function pcapOf(passed: readonly Passed[]): Uint8Array {
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xa1b2c3d4);
  header.setUint16(4, 2);
  header.setUint16(6, 4);
  header.setUint32(16, 0xffff);
  header.setUint32(20, LINKTYPE_IPV4);
  return join([new Uint8Array(header.buffer), ...passed.flatMap(recordOf)]);
}

function recordOf({ at, from, to, encap, data }: Passed): Uint8Array[] {
  const source = parseIp(from)!;
  const destination = parseIp(to)!;
  const payload = encap === "ip"
    ? join([new Uint8Array(4), data])
    : udpOf(source, destination, data);
  const ip = new DataView(new ArrayBuffer(20));
  ip.setUint16(0, 0x4500);
  ip.setUint16(2, 20 + payload.length);
  ip.setUint8(8, 64);
  ip.setUint8(9, encap === "ip" ? L2TP : UDP);
  const bytes = new Uint8Array(ip.buffer);
  bytes.set(source, 12);
  bytes.set(destination, 16);
  ip.setUint16(10, checksum(bytes));
  const record = new DataView(new ArrayBuffer(16));
  record.setUint32(0, Math.floor(at / 1000));
  record.setUint32(4, Math.floor(at % 1000 * 1000));
  record.setUint32(8, 20 + payload.length);
  record.setUint32(12, 20 + payload.length);
  return [new Uint8Array(record.buffer), bytes, payload];
}

function udpOf(source: Uint8Array, destination: Uint8Array, data: Uint8Array): Uint8Array {
  const length = 8 + data.length;
  const udp = new DataView(new ArrayBuffer(8));
  udp.setUint16(0, 1701);
  udp.setUint16(2, 1701);
  udp.setUint16(4, length);
  const pseudo = Uint8Array.of(0, UDP, length >> 8, length & 0xff);
  udp.setUint16(6, checksum(join([source, destination, pseudo, new Uint8Array(udp.buffer), data])));
  return join([new Uint8Array(udp.buffer), data]);
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += bytes[i]! << 8 | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
