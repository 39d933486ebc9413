/**
 * Attribute Value Pairs on the wire (RFC 2661 §4.1, RFC 3931 §5.1):
 *
 * ```text
 * |M|H| rsvd(4) | length(10) | vendor id(16) | attribute type(16) | value … |
 * ```
 *
 * @module
 */

import { readU16, writeU16 } from "./bytes.ts";
import { ApiMisuse, ErrorCode, PeerError } from "../errors.ts";

/** Octets before the value. */
export const AVP_HEADER = 6;
/** The longest value: the length field has 10 bits and counts the header. */
export const MAX_AVP_VALUE = 1023 - AVP_HEADER;
/** The longest value that can be hidden: its length stands before it (RFC 2661 §4.3). */
export const MAX_HIDDEN_VALUE = MAX_AVP_VALUE - 2;

/** One AVP, its value still bytes (and still hidden, where `hidden`). */
export interface Avp {
  readonly vendorId: number;
  readonly type: number;
  readonly mandatory: boolean;
  readonly hidden: boolean;
  /** A reserved bit was set: to be treated as unrecognized (RFC 2661 §4.1). */
  readonly reserved?: true;
  readonly value: Uint8Array;
}

/**
 * The AVPs in `body`. Values are views of it.
 * @param avps takes them one by one: those before the one that does not fit, too
 * @throws {PeerError} where a length does not fit.
 */
export function parseAvps(body: Uint8Array, avps: Avp[] = []): Avp[] {
  for (let at = 0; at < body.length;) {
    const left = body.length - at;
    const flags = left >= AVP_HEADER ? readU16(body, at) : 0;
    const length = flags & 0x3ff;
    if (length < AVP_HEADER || length > left) {
      throw new PeerError(
        ErrorCode.WrongLength,
        `AVP at octet ${at}: length ${length}, ${left} octets left`,
      );
    }
    avps.push({
      vendorId: readU16(body, at + 2),
      type: readU16(body, at + 4),
      mandatory: (flags & 0x8000) !== 0,
      hidden: (flags & 0x4000) !== 0,
      ...((flags & 0x3c00) !== 0 ? { reserved: true as const } : {}),
      value: body.subarray(at + AVP_HEADER, at + length),
    });
    at += length;
  }
  return avps;
}

/** Writes an AVP into `out` at `at` and returns where the next one goes. */
export function emitAvp(avp: Avp, out: Uint8Array, at: number): number {
  const { value } = avp;
  if (value.length > MAX_AVP_VALUE) {
    throw new ApiMisuse(
      `AVP ${avp.vendorId}/${avp.type}: ${value.length} octets do not fit into an AVP`,
    );
  }
  const flags = (avp.mandatory ? 0x8000 : 0) | (avp.hidden ? 0x4000 : 0);
  writeU16(out, at, flags | (AVP_HEADER + value.length));
  writeU16(out, at + 2, avp.vendorId);
  writeU16(out, at + 4, avp.type);
  out.set(value, at + AVP_HEADER);
  return at + AVP_HEADER + value.length;
}
