/**
 * The few formats that an Ethernet host needs to answer and to ping: Ethernet II, ARP for IPv4 (RFC 826), IPv4
 * (RFC 791) and ICMP echo (RFC 792). Pure; no byte string makes a parser throw.
 *
 * @module
 */

import { equalBytes, internetChecksum } from "../../core/wire/bytes.ts";
import { ETHERNET_HEADER, type Mac } from "../mac.ts";

/** An IPv4 address in network order, as a number. */
export type Ip4 = number;

/** The broadcast MAC address. */
export const BROADCAST: Mac = new Uint8Array(6).fill(0xff);

const ARP_LENGTH = 28;
const IPV4_HEADER = 20;
const ICMP_HEADER = 8;
/** The least that an Ethernet frame holds, without its FCS (IEEE 802.3 §3.2.7). */
const MIN_FRAME = 60;
const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_ARP = 0x0806;
/** ARP's fixed part: Ethernet, IPv4, 6 and 4 bytes of address. */
const ARP_PREFIX = [0x00, 0x01, 0x08, 0x00, 6, 4] as const;
const PROTOCOL_ICMP = 1;
const TTL = 64;

/** An ARP packet for IPv4 on Ethernet. */
export interface Arp {
  readonly kind: "arp";
  readonly operation: "request" | "reply";
  readonly senderMac: Mac;
  readonly senderIp: Ip4;
  readonly targetMac: Mac;
  readonly targetIp: Ip4;
}

/** An ICMP echo request or reply. */
export interface Echo {
  readonly kind: "echo";
  readonly operation: "request" | "reply";
  readonly sourceMac: Mac;
  readonly source: Ip4;
  readonly destination: Ip4;
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** What a frame is: something to act on, something for others or of no interest, or nonsense. */
export type Parsed = Arp | Echo | { readonly kind: "other" } | { readonly kind: "malformed" };

const OTHER = { kind: "other" } as const;
const MALFORMED = { kind: "malformed" } as const;

/** Reads a frame that came for `mac`. Byte arrays in the result are views of `frame`. */
export function parseFrame(frame: Uint8Array, mac: Mac): Parsed {
  if (frame.length < ETHERNET_HEADER) return MALFORMED;
  const destination = frame.subarray(0, 6);
  if (!equalBytes(destination, mac) && !equalBytes(destination, BROADCAST)) return OTHER;
  const payload = frame.subarray(ETHERNET_HEADER);
  switch (u16(frame, 12)) {
    case ETHERTYPE_ARP:
      return parseArp(payload);
    case ETHERTYPE_IPV4:
      return parseIpv4(payload, frame.subarray(6, 12));
    default:
      return OTHER;
  }
}

/** A frame from `source` to `destination` with an ARP packet, padded to Ethernet's minimum. */
export function emitArp(destination: Mac, source: Mac, arp: Omit<Arp, "kind">): Uint8Array {
  const frame = ethernet(destination, source, ETHERTYPE_ARP, ARP_LENGTH);
  const view = new DataView(frame.buffer);
  frame.set(ARP_PREFIX, 14);
  view.setUint16(20, arp.operation === "request" ? 1 : 2);
  frame.set(arp.senderMac, 22);
  view.setUint32(28, arp.senderIp);
  frame.set(arp.targetMac, 32);
  view.setUint32(38, arp.targetIp);
  return frame;
}

/** A frame to `destination` with an ICMP echo message; `echo.sourceMac` is the frame's source. */
export function emitEcho(destination: Mac, echo: Omit<Echo, "kind">): Uint8Array {
  const length = IPV4_HEADER + ICMP_HEADER + echo.data.length;
  const frame = ethernet(destination, echo.sourceMac, ETHERTYPE_IPV4, length);
  const view = new DataView(frame.buffer);
  view.setUint8(14, 0x45);
  view.setUint16(16, length);
  view.setUint16(20, 0x4000); // don't fragment
  view.setUint8(22, TTL);
  view.setUint8(23, PROTOCOL_ICMP);
  view.setUint32(26, echo.source);
  view.setUint32(30, echo.destination);
  view.setUint16(24, internetChecksum([frame.subarray(14, 34)]));
  view.setUint8(34, echo.operation === "request" ? 8 : 0);
  view.setUint16(38, echo.identifier);
  view.setUint16(40, echo.sequence);
  frame.set(echo.data, 42);
  view.setUint16(36, internetChecksum([frame.subarray(34, 14 + length)]));
  return frame;
}

function parseArp(packet: Uint8Array): Parsed {
  if (packet.length < ARP_LENGTH) return MALFORMED;
  if (!ARP_PREFIX.every((byte, i) => packet[i] === byte)) return OTHER;
  const operation = u16(packet, 6);
  if (operation !== 1 && operation !== 2) return OTHER;
  return {
    kind: "arp",
    operation: operation === 1 ? "request" : "reply",
    senderMac: packet.subarray(8, 14),
    senderIp: u32(packet, 14),
    targetMac: packet.subarray(18, 24),
    targetIp: u32(packet, 24),
  };
}

function parseIpv4(packet: Uint8Array, sourceMac: Mac): Parsed {
  if (packet.length < IPV4_HEADER || packet[0]! >> 4 !== 4) return MALFORMED;
  const headerLength = (packet[0]! & 0xf) * 4;
  const length = u16(packet, 2);
  if (headerLength < IPV4_HEADER || length < headerLength || length > packet.length) {
    return MALFORMED;
  }
  if (internetChecksum([packet.subarray(0, headerLength)]) !== 0) return MALFORMED;
  const fragment = (u16(packet, 6) & 0x3fff) !== 0; // more fragments, or an offset
  if (packet[9] !== PROTOCOL_ICMP || fragment) return OTHER;
  const message = packet.subarray(headerLength, length);
  if (message.length < ICMP_HEADER || internetChecksum([message]) !== 0) return MALFORMED;
  const type = message[0];
  if (type !== 0 && type !== 8) return OTHER;
  if (message[1] !== 0) return MALFORMED;
  return {
    kind: "echo",
    operation: type === 8 ? "request" : "reply",
    sourceMac,
    source: u32(packet, 12),
    destination: u32(packet, 16),
    identifier: u16(message, 4),
    sequence: u16(message, 6),
    data: message.subarray(ICMP_HEADER),
  };
}

function ethernet(destination: Mac, source: Mac, ethertype: number, length: number): Uint8Array {
  const frame = new Uint8Array(Math.max(MIN_FRAME, ETHERNET_HEADER + length));
  frame.set(destination, 0);
  frame.set(source, 6);
  new DataView(frame.buffer).setUint16(12, ethertype);
  return frame;
}

function u16(data: Uint8Array, at: number): number {
  return data[at]! << 8 | data[at + 1]!;
}

function u32(data: Uint8Array, at: number): number {
  return (u16(data, at) << 16 | u16(data, at + 2)) >>> 0;
}
