/**
 * PPP frames, packets and options as octets (RFC 1661 §2, §5, §6): what LCP, the NCPs and the authentication protocols
 * share. No byte string makes a parser throw: what is none gives undefined.
 *
 * @module
 */

/** Protocol numbers (RFC 1661 §2, RFC 1332, RFC 5072, RFC 1334, RFC 1994). */
export const Protocol = {
  Ip: 0x0021,
  Ipv6: 0x0057,
  Ipcp: 0x8021,
  Ecp: 0x8053,
  Ipv6cp: 0x8057,
  Ccp: 0x80fd,
  Lcp: 0xc021,
  Pap: 0xc023,
  Chap: 0xc223,
  Eap: 0xc227,
} as const;

/** Codes of LCP packets (RFC 1661 §5, RFC 1570); the NCPs use the first seven. */
export const Code = {
  ConfigureRequest: 1,
  ConfigureAck: 2,
  ConfigureNak: 3,
  ConfigureReject: 4,
  TerminateRequest: 5,
  TerminateAck: 6,
  CodeReject: 7,
  ProtocolReject: 8,
  EchoRequest: 9,
  EchoReply: 10,
  DiscardRequest: 11,
  Identification: 12,
  TimeRemaining: 13,
} as const;

/** Octets of a packet before its data: code, identifier, length. */
export const PACKET_HEADER = 4;

/** The largest information field that every PPP takes unless it says otherwise (RFC 1661 §6.1). */
export const DEFAULT_MRU = 1500;

/** A PPP frame. */
export interface Frame {
  readonly protocol: number;
  /** The information field: a view of the frame. */
  readonly payload: Uint8Array;
}

/** A packet of a control protocol. */
export interface Packet {
  readonly code: number;
  readonly id: number;
  /** A view of the frame; padding is cut off. */
  readonly data: Uint8Array;
}

/** A configuration option (RFC 1661 §6). */
export interface Option {
  readonly type: number;
  readonly value: Uint8Array;
}

/**
 * Reads a frame, with or without address and control field, the protocol field of one octet or two, whatever was agreed
 * on: peers do not always do as they said.
 */
export function parseFrame(bytes: Uint8Array): Frame | undefined {
  const at = bytes[0] === 0xff && bytes[1] === 0x03 ? 2 : 0;
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first & 1) return { protocol: first, payload: bytes.subarray(at + 1) };
  const second = bytes[at + 1];
  // The last octet of a protocol number is odd (RFC 1661 §2).
  if (second === undefined || !(second & 1)) return undefined;
  return { protocol: first << 8 | second, payload: bytes.subarray(at + 2) };
}

/** A frame with all of its fields: `FF 03`, two octets of protocol, the payload. LCP is always sent so (RFC 1661 §6.5). */
export function emitFrame(protocol: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + payload.length);
  frame[0] = 0xff;
  frame[1] = 0x03;
  frame[2] = protocol >> 8;
  frame[3] = protocol;
  frame.set(payload, 4);
  return frame;
}

/** Reads a packet; what follows its length is padding (RFC 1661 §5). */
export function parsePacket(payload: Uint8Array): Packet | undefined {
  if (payload.length < PACKET_HEADER) return undefined;
  const length = payload[2]! << 8 | payload[3]!;
  if (length < PACKET_HEADER || length > payload.length) return undefined;
  return { code: payload[0]!, id: payload[1]!, data: payload.subarray(PACKET_HEADER, length) };
}

/** A packet: code, identifier, length, data. */
export function emitPacket({ code, id, data }: Packet): Uint8Array {
  const length = PACKET_HEADER + data.length;
  const packet = new Uint8Array(length);
  packet[0] = code;
  packet[1] = id;
  packet[2] = length >> 8;
  packet[3] = length;
  packet.set(data, PACKET_HEADER);
  return packet;
}

/** Reads options; undefined where the last of them does not end where the data does. Values are views. */
export function parseOptions(data: Uint8Array): Option[] | undefined {
  const options: Option[] = [];
  for (let at = 0; at < data.length;) {
    const length = data[at + 1];
    if (length === undefined || length < 2 || at + length > data.length) return undefined;
    options.push({ type: data[at]!, value: data.subarray(at + 2, at + length) });
    at += length;
  }
  return options;
}

/** Options, one after the other: type, length, value. */
export function emitOptions(options: readonly Option[]): Uint8Array {
  const data = new Uint8Array(options.reduce((sum, { value }) => sum + 2 + value.length, 0));
  let at = 0;
  for (const { type, value } of options) {
    data[at] = type;
    data[at + 1] = 2 + value.length;
    data.set(value, at + 2);
    at += 2 + value.length;
  }
  return data;
}

/** Two octets, in network order. */
export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value);
}

/** Four octets, in network order. */
export function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/** The number of two or four octets in network order. */
export function numberOf(octets: Uint8Array): number {
  return octets.reduce((sum, octet) => sum * 256 + octet, 0);
}
