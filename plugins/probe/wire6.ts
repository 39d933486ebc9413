/**
 * What an Ethernet host needs of IPv6 to be found and to ping: Neighbor Solicitation and Advertisement (RFC 4861 §4.3,
 * §4.4) and ICMPv6 echo (RFC 4443 §4). Pure; no byte string makes a parser throw.
 *
 * @module
 */

import { ETHERNET_HEADER, type Mac } from "../mac.ts";
import { ALL_NODES, emitPacket6, isUnspecified, Next, parsePacket6 } from "../ppp/ipv6/packet.ts";

/** An IPv6 address, 16 bytes. */
export type Ip6 = Uint8Array;

const ETHERTYPE_IPV6 = 0x86dd;
/** The least that an Ethernet frame holds, without its FCS (IEEE 802.3 §3.2.7). */
const MIN_FRAME = 60;
/** What Neighbor Discovery is believed with only: nobody has passed it on (RFC 4861 §7.1). */
const FROM_THE_LINK = 255;
const HOP_LIMIT = 64;
const Type = { EchoRequest: 128, EchoReply: 129, Solicitation: 135, Advertisement: 136 } as const;
const ND_LENGTH = 24;
const ECHO_LENGTH = 8;
/** Source (1) and target (2) link-layer address; 8 bytes long. */
const LINK_LAYER = { source: [1, 1], target: [2, 1] } as const;
/** Solicited, Override. */
const SOLICITED = 0x40;
const OVERRIDE = 0x20;

/** Somebody asks for the MAC address of `target`. */
export interface Solicitation {
  readonly kind: "solicitation";
  readonly sourceMac: Mac;
  /** All zero: who asks has no address yet. */
  readonly source: Ip6;
  readonly target: Ip6;
}

/** Somebody says that `target` is at a MAC address. */
export interface Advertisement {
  readonly kind: "advertisement";
  readonly target: Ip6;
  readonly mac: Mac;
}

/** An ICMPv6 echo request or reply. */
export interface Echo6 {
  readonly kind: "echo6";
  readonly operation: "request" | "reply";
  readonly sourceMac: Mac;
  readonly source: Ip6;
  readonly destination: Ip6;
  readonly identifier: number;
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** What a frame is. */
export type Parsed6 =
  | Solicitation
  | Advertisement
  | Echo6
  | { readonly kind: "other" }
  | { readonly kind: "malformed" };

const OTHER = { kind: "other" } as const;
const MALFORMED = { kind: "malformed" } as const;

/** Reads an untagged Ethernet frame of IPv6. Byte arrays in the result are views of `frame`. */
export function parseFrame6(frame: Uint8Array): Parsed6 {
  if (frame.length < ETHERNET_HEADER + 40) return MALFORMED;
  // The protocols that are no business of ours have no checksum that could be looked at here.
  if (frame[ETHERNET_HEADER + 6] !== Next.Icmp) return OTHER;
  const packet = parsePacket6(frame.subarray(ETHERNET_HEADER));
  if (!packet) return MALFORMED;
  const { destination, hopLimit, payload, source } = packet;
  const sourceMac = frame.subarray(6, 12);
  const [type, code] = payload;
  switch (type) {
    case Type.EchoRequest:
    case Type.EchoReply:
      if (payload.length < ECHO_LENGTH || code !== 0) return MALFORMED;
      return {
        kind: "echo6",
        operation: type === Type.EchoRequest ? "request" : "reply",
        sourceMac,
        source,
        destination,
        identifier: payload[4]! << 8 | payload[5]!,
        sequence: payload[6]! << 8 | payload[7]!,
        data: payload.subarray(ECHO_LENGTH),
      };
    case Type.Solicitation:
    case Type.Advertisement: {
      if (payload.length < ND_LENGTH || code !== 0 || hopLimit !== FROM_THE_LINK) return MALFORMED;
      const target = payload.subarray(8, 24);
      const said = linkLayer(payload, type === Type.Solicitation ? 1 : 2);
      if (said === null || target[0] === 0xff) return MALFORMED;
      const mac = said ?? sourceMac;
      if (type === Type.Advertisement) return { kind: "advertisement", target, mac };
      if (isUnspecified(source) && said) return MALFORMED;
      return { kind: "solicitation", sourceMac: mac, source, target };
    }
    default:
      return OTHER;
  }
}

/** A Neighbor Solicitation for `target`, to all that its address hashes to. */
export function emitSolicitation(mac: Mac, source: Ip6, target: Ip6): Uint8Array {
  const group = solicitedNode(target);
  const payload = new Uint8Array(ND_LENGTH + 8);
  payload[0] = Type.Solicitation;
  payload.set(target, 8);
  payload.set(LINK_LAYER.source, ND_LENGTH);
  payload.set(mac, ND_LENGTH + 2);
  return inFrame(groupMac(group), mac, { source, destination: group, payload }, FROM_THE_LINK);
}

/** The answer to a solicitation: our address is at `mac`. Who has no address yet is told with all the others (RFC 4861 §7.2.4). */
export function emitAdvertisement(mac: Mac, asked: Solicitation): Uint8Array {
  const anybody = isUnspecified(asked.source);
  const payload = new Uint8Array(ND_LENGTH + 8);
  payload[0] = Type.Advertisement;
  payload[4] = (anybody ? 0 : SOLICITED) | OVERRIDE;
  payload.set(asked.target, 8);
  payload.set(LINK_LAYER.target, ND_LENGTH);
  payload.set(mac, ND_LENGTH + 2);
  const destination = anybody ? ALL_NODES : asked.source;
  const to = anybody ? groupMac(ALL_NODES) : asked.sourceMac;
  return inFrame(to, mac, { source: asked.target, destination, payload }, FROM_THE_LINK);
}

/** A frame to `destination` with an ICMPv6 echo message; `echo.sourceMac` is the frame's source. */
export function emitEcho6(destination: Mac, echo: Omit<Echo6, "kind">): Uint8Array {
  const { data, identifier, operation, sequence } = echo;
  const payload = new Uint8Array(ECHO_LENGTH + data.length);
  payload[0] = operation === "request" ? Type.EchoRequest : Type.EchoReply;
  payload.set([identifier >> 8, identifier, sequence >> 8, sequence], 4);
  payload.set(data, ECHO_LENGTH);
  const { source, destination: target } = echo;
  return inFrame(destination, echo.sourceMac, { source, destination: target, payload }, HOP_LIMIT);
}

/** The link-local address that a MAC address makes (RFC 4291 §2.5.6, appendix A). */
export function linkLocalOf(mac: Mac): Ip6 {
  const address = new Uint8Array(16);
  address.set([0xfe, 0x80]);
  address.set([mac[0]! ^ 2, mac[1]!, mac[2]!, 0xff, 0xfe, mac[3]!, mac[4]!, mac[5]!], 8);
  return address;
}

/** `ff02::1:ffXX:XXXX` (RFC 4291 §2.7.1). */
function solicitedNode(target: Ip6): Ip6 {
  const group = Uint8Array.from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0]);
  group.set(target.subarray(13), 13);
  return group;
}

/** RFC 2464 §7. */
function groupMac(group: Ip6): Mac {
  return Uint8Array.from([0x33, 0x33, ...group.subarray(12)]);
}

/** The link-layer address that an option of a type says; undefined: none does; null: an option is malformed (RFC 4861 §4.6). */
function linkLayer(payload: Uint8Array, type: number): Mac | undefined | null {
  for (let at = ND_LENGTH; at < payload.length;) {
    const length = (payload[at + 1] ?? 0) * 8;
    if (length === 0 || at + length > payload.length) return null;
    if (payload[at] === type && length === 8) return payload.subarray(at + 2, at + 8);
    at += length;
  }
  return undefined;
}

function inFrame(
  destination: Mac,
  source: Mac,
  packet: { readonly source: Ip6; readonly destination: Ip6; readonly payload: Uint8Array },
  hopLimit: number,
): Uint8Array {
  const bytes = emitPacket6({ ...packet, hopLimit, next: Next.Icmp });
  const frame = new Uint8Array(Math.max(MIN_FRAME, ETHERNET_HEADER + bytes.length));
  frame.set(destination, 0);
  frame.set(source, 6);
  frame.set([ETHERTYPE_IPV6 >> 8, ETHERTYPE_IPV6 & 0xff], 12);
  frame.set(bytes, ETHERNET_HEADER);
  return frame;
}
