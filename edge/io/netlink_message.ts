/**
 * Netlink messages (RFC 3549 §2.2), emitted and parsed. Pure; numbers are in host order, little-endian here.
 *
 * ```text
 * nlmsghdr  length 4 | type 2 | flags 2 | sequence 4 | port 4
 * rtattr    length 2 | type 2 | value, padded to 4
 * ```
 *
 * @module
 */

import type { Buffer } from "./libc.ts";

const headerLength = 16;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
/** The flags of an acknowledgement: the request is not repeated in it; attributes follow. */
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
/** The attribute that carries the kernel's explanation, in text. */
const NLMSGERR_ATTR_MSG = 1;
/** The type without its flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER). */
const attributeTypeMask = 0x3fff;

/** An attribute: its type and value. */
export type Attribute = readonly [type: number, value: Uint8Array];

/** One message of an answer. */
export type NetlinkMessage =
  | {
    readonly kind: "data";
    readonly sequence: number;
    readonly type: number;
    readonly body: Uint8Array;
  }
  /** An acknowledgement, or the end of a dump; errno 0 is success. */
  | {
    readonly kind: "end";
    readonly sequence: number;
    readonly errno: number;
    readonly message?: string;
  };

/** A request: `body` is the fixed structure of its type. */
export function emitNetlink(
  type: number,
  flags: number,
  sequence: number,
  body: Uint8Array,
  attributes: readonly Attribute[] = [],
): Buffer {
  const size = attributes.reduce(
    (sum, [, value]) => sum + align(4 + value.length),
    headerLength + align(body.length),
  );
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, size, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, headerLength);
  let at = headerLength + align(body.length);
  for (const [type, value] of attributes) {
    view.setUint16(at, 4 + value.length, true);
    view.setUint16(at + 2, type, true);
    bytes.set(value, at + 4);
    at += align(4 + value.length);
  }
  return bytes;
}

/** The messages of one received buffer, as views of it; what is cut short ends the list. */
export function* parseNetlink(bytes: Uint8Array): Generator<NetlinkMessage> {
  const view = viewOf(bytes);
  for (let at = 0; at + headerLength <= bytes.length;) {
    const length = view.getUint32(at, true);
    if (length < headerLength || at + length > bytes.length) return;
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    const sequence = view.getUint32(at + 8, true);
    const body = bytes.subarray(at + headerLength, at + length);
    if (type === NLMSG_ERROR || type === NLMSG_DONE) {
      yield { kind: "end", sequence, ...parseEnd(type, flags, body) };
    } else {
      yield { kind: "data", sequence, type, body };
    }
    at += align(length);
  }
}

/** The attributes of a body from `offset` on, the last of each type, as views. */
export function parseAttributes(body: Uint8Array, offset: number): Map<number, Uint8Array> {
  const view = viewOf(body);
  const found = new Map<number, Uint8Array>();
  for (let at = align(offset); at + 4 <= body.length;) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > body.length) break;
    found.set(view.getUint16(at + 2, true) & attributeTypeMask, body.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** A 32-bit value. */
export function u32(value: number): Buffer {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** The 32-bit value of an attribute. */
export function readU32(value: Uint8Array): number | undefined {
  return value.length < 4 ? undefined : viewOf(value).getUint32(0, true);
}

/** The text of an attribute, up to its NUL. */
export function readText(value: Uint8Array): string {
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}

/** `nlmsgerr`: error 4, negative | the request's header 16 | the request, unless capped | attributes. */
function parseEnd(
  type: number,
  flags: number,
  body: Uint8Array,
): { errno: number; message?: string } {
  if (body.length < 4) return { errno: 0 };
  const errno = -viewOf(body).getInt32(0, true);
  if (!(flags & NLM_F_ACK_TLVS)) return { errno };
  let offset = 4;
  if (type === NLMSG_ERROR) {
    if (body.length < 4 + headerLength) return { errno };
    offset += flags & NLM_F_CAPPED ? headerLength : viewOf(body).getUint32(4, true);
  }
  const message = parseAttributes(body, offset).get(NLMSGERR_ATTR_MSG);
  return message ? { errno, message: readText(message) } : { errno };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function align(length: number): number {
  return (length + 3) & ~3;
}
