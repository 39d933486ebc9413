/**
 * RADIUS packets (RFC 2865 §3): a header of 20 octets (Code, Identifier, Length, Authenticator), then attributes. Sans-I/O;
 * whether a packet is to be believed is the part of `authenticity.ts`.
 *
 * @module
 */

import { concat } from "../../../../core/wire/bytes.ts";

/** The codes of RFC 2865 §4, RFC 2866 §4, RFC 5176 §2.3 and RFC 5997 §4. */
export const CODE = {
  accessRequest: 1,
  accessAccept: 2,
  accessReject: 3,
  accountingRequest: 4,
  accountingResponse: 5,
  accessChallenge: 11,
  statusServer: 12,
  disconnectRequest: 40,
  disconnectAck: 41,
  disconnectNak: 42,
  coaRequest: 43,
  coaAck: 44,
  coaNak: 45,
} as const;

/** The type of Vendor-Specific (RFC 2865 §5.26), Message-Authenticator and Proxy-State. */
export const VENDOR_SPECIFIC = 26;
/** Of 16 octets, over the whole packet (RFC 3579 §3.2). */
export const MESSAGE_AUTHENTICATOR = 80;
/** What a proxy put there for itself (RFC 2865 §5.33). */
export const PROXY_STATE = 33;

/** Octets before the attributes. */
export const HEADER = 20;
/** The longest packet, in octets (RFC 2865 §3). */
export const LONGEST = 4096;
/** The longest value of an attribute, and of one within a Vendor-Specific with a header of 1 + 1 octets. */
const LONGEST_VALUE = 253;

/** One attribute. */
export interface Attribute {
  /** 0: the IETF's own; else the vendor's enterprise number. */
  readonly vendor: number;
  readonly type: number;
  /** Without headers; with its tag, where it has one. */
  readonly value: Uint8Array;
}

/** A packet, read. */
export interface Packet {
  readonly code: number;
  readonly id: number;
  /** 16 octets. */
  readonly authenticator: Uint8Array;
  readonly attributes: readonly Attribute[];
  /** Vendor-Specific attributes whose inside made no sense: they are left out. */
  readonly malformed: number;
  /** As it came, padding cut off. */
  readonly octets: Uint8Array;
}

/** How many octets type and length have in a vendor's attributes; `length` 0: one attribute fills what is left. */
export interface VendorFormat {
  readonly type: 1 | 2 | 4;
  readonly length: 0 | 1 | 2;
  /** Octets between that header and the value that say nothing of a whole attribute (WiMAX's continuation octet). */
  readonly more?: number;
}

/** Vendors that do not do as RFC 2865 recommends (1 + 1), by enterprise number. */
export type VendorFormats = ReadonlyMap<number, VendorFormat>;

const USUAL: VendorFormat = { type: 1, length: 1 };

/**
 * Reads a packet; its values are copies. A string says why there is none: a chain of attributes that does not end where the
 * packet does leaves nothing in it that could be believed.
 */
export function parsePacket(datagram: Uint8Array, formats: VendorFormats): Packet | string {
  if (datagram.length < HEADER) return "shorter than a header";
  const length = datagram[2]! << 8 | datagram[3]!;
  if (length < HEADER || length > LONGEST) return "a length that no packet has";
  if (length > datagram.length) return "cut off";
  // Not by slice(): that of a Buffer of Node's is no copy.
  const octets = new Uint8Array(datagram.subarray(0, length));
  const attributes: Attribute[] = [];
  let malformed = 0;
  for (let at = HEADER; at < length;) {
    const size = octets[at + 1] ?? 0;
    if (size < 2 || at + size > length) return "an attribute that does not end in the packet";
    const [type, value] = [octets[at]!, octets.subarray(at + 2, at + size)];
    if (type !== VENDOR_SPECIFIC) attributes.push({ vendor: 0, type, value });
    else {
      const inside = parseVendor(value, formats);
      if (inside) attributes.push(...inside);
      else malformed++;
    }
    at += size;
  }
  return {
    code: octets[0]!,
    id: octets[1]!,
    authenticator: octets.subarray(4, HEADER),
    attributes,
    malformed,
    octets,
  };
}

/** What is in a Vendor-Specific; undefined where it makes no sense. */
function parseVendor(value: Uint8Array, formats: VendorFormats): Attribute[] | undefined {
  if (value.length < 5) return undefined;
  const vendor = readNumber(value, 0, 4);
  const format = formats.get(vendor) ?? USUAL;
  const header = format.type + format.length + (format.more ?? 0);
  const attributes: Attribute[] = [];
  for (let at = 4; at < value.length;) {
    if (at + header > value.length) return undefined;
    const type = readNumber(value, at, format.type);
    const size = format.length === 0
      ? value.length - at
      : readNumber(value, at + format.type, format.length);
    if (size < header || at + size > value.length) return undefined;
    attributes.push({ vendor, type, value: value.subarray(at + header, at + size) });
    at += size;
  }
  return attributes;
}

/** What is to be written. */
export interface PacketDraft extends Pick<Packet, "code" | "id" | "authenticator" | "attributes"> {
  /** Attributes that are octets already, to stand before the others. */
  readonly written?: readonly Uint8Array[];
}

/** Where packets are written: one at a time. */
const scratch = new Uint8Array(LONGEST);

/**
 * Writes a packet. Values that are too long for one attribute become several of the same type, one behind the other
 * (RFC 3579 §3.1 has EAP-Message so).
 *
 * @throws {RangeError} where it would be longer than {@linkcode LONGEST}
 */
export function emitPacket(
  packet: PacketDraft,
  formats: VendorFormats,
): Uint8Array<ArrayBuffer> {
  const octets = scratch;
  let at = HEADER;
  for (const part of packet.written ?? []) {
    if (at + part.length > LONGEST) throw new RangeError("longer than a packet may be");
    octets.set(part, at);
    at += part.length;
  }
  for (const attribute of packet.attributes) at = emitAttribute(octets, at, attribute, formats);
  octets[0] = packet.code;
  octets[1] = packet.id;
  octets[2] = at >> 8;
  octets[3] = at & 0xff;
  octets.set(packet.authenticator, 4);
  return octets.slice(0, at);
}

/** Attributes as octets, written one behind the other into room that is used again and again. */
export class AttributeWriter {
  readonly #formats: VendorFormats;
  readonly #octets = new Uint8Array(LONGEST);
  #at = 0;

  constructor(formats: VendorFormats) {
    this.#formats = formats;
  }

  /** Begins anew, whatever became of what was written before. */
  begin(): this {
    this.#at = 0;
    return this;
  }

  /** One of any vendor. @throws {RangeError} where there is more than a packet takes */
  add(attribute: Attribute): void {
    this.#at = emitAttribute(this.#octets, this.#at, attribute, this.#formats);
  }

  /** One of the IETF's, with a text. */
  text(type: number, value: string): void {
    const at = this.#at;
    const [octets, end] = [this.#octets, at + 2 + value.length];
    if (value.length > LONGEST_VALUE || end > LONGEST) return this.#long(type, value);
    for (let i = 0; i < value.length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) return this.#long(type, value);
      octets[at + 2 + i] = unit;
    }
    octets[at] = type;
    octets[at + 1] = 2 + value.length;
    this.#at = end;
  }

  /** One of the IETF's, with a number of 32 bits. */
  number(type: number, value: number): void {
    const [octets, at] = [this.#octets, this.#at];
    if (at + 6 > LONGEST) throw new RangeError("longer than a packet may be");
    octets[at] = type;
    octets[at + 1] = 6;
    writeNumber(octets, at + 2, 4, value);
    this.#at = at + 6;
  }

  /** One of the IETF's, with octets. */
  octets(type: number, value: Uint8Array): void {
    this.add({ vendor: 0, type, value });
  }

  /** What was written since {@linkcode begin}, as a copy. */
  end(): Uint8Array<ArrayBuffer> {
    return this.#octets.slice(0, this.#at);
  }

  /** What is of several octets a character, or of several attributes. */
  #long(type: number, value: string): void {
    this.octets(type, encoder.encode(value));
  }
}

const encoder = new TextEncoder();

function emitAttribute(
  octets: Uint8Array,
  start: number,
  { vendor, type, value }: Attribute,
  formats: VendorFormats,
): number {
  const format = formats.get(vendor) ?? USUAL;
  const header = vendor === 0 ? 2 : 6 + format.type + format.length + (format.more ?? 0);
  const most = LONGEST_VALUE + 2 - header;
  let at = start;
  for (let from = 0; from === 0 || from < value.length; from += most) {
    const part = value.subarray(from, from + most);
    if (at + header + part.length > LONGEST) throw new RangeError("longer than a packet may be");
    octets[at] = vendor === 0 ? type : VENDOR_SPECIFIC;
    octets[at + 1] = header + part.length;
    if (vendor !== 0) {
      writeNumber(octets, at + 2, 4, vendor);
      writeNumber(octets, at + 6, format.type, type);
      if (format.length > 0) {
        writeNumber(octets, at + 6 + format.type, format.length, header - 6 + part.length);
      }
    }
    octets.set(part, at + header);
    at += header + part.length;
  }
  return at;
}

/** The values of one type joined, in order; undefined where there is none. */
export function joined(
  attributes: readonly Attribute[],
  vendor: number,
  type: number,
): Uint8Array | undefined {
  const values = attributes.filter((one) => one.vendor === vendor && one.type === type)
    .map(({ value }) => value);
  return values.length === 0 ? undefined : concat(values);
}

/** An unsigned number of up to 6 octets, the first the highest. */
export function readNumber(octets: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + octets[at + i]!;
  return value;
}

function writeNumber(octets: Uint8Array, at: number, size: number, value: number): void {
  for (let i = size - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) {
    octets[at + i] = rest % 256;
  }
}
