/** Raw AVPs on the wire, those of vendors with 32-bit IDs included. @module */

import type { Avp } from "./avp.ts";
import { readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import type { RawAvp } from "./raw_avp.ts";

/** Extended Vendor ID, the IETF's AVP for those of vendors whose ID takes 32 bits (RFC 3931 §5.1): ID, type, value. */
const EXTENDED_VENDOR_ID = 58;
const EXTENDED_HEADER = 6;

/** Whether an AVP holds another one, of a vendor. */
export function isExtended({ vendorId, type }: Pick<Avp, "vendorId" | "type">): boolean {
  return vendorId === 0 && type === EXTENDED_VENDOR_ID;
}

/** An AVP that is not ours to read, with its `value` unhidden. */
export function parseRaw(avp: Avp, value: Uint8Array): RawAvp {
  const { vendorId, type, mandatory } = avp;
  if (!isExtended(avp) || value.length < EXTENDED_HEADER) {
    return { vendorId, type, mandatory, value: value.slice() };
  }
  return {
    vendorId: readU32(value, 0),
    type: readU16(value, 4),
    mandatory: false,
    value: value.slice(EXTENDED_HEADER),
  };
}

/** The other way. */
export function emitRaw({ vendorId, type, mandatory, value }: RawAvp): Avp {
  if (vendorId <= 0xffff) return { vendorId, type, mandatory, hidden: false, value };
  const extended = new Uint8Array(EXTENDED_HEADER + value.length);
  writeU32(extended, 0, vendorId);
  writeU16(extended, 4, type);
  extended.set(value, EXTENDED_HEADER);
  return {
    vendorId: 0,
    type: EXTENDED_VENDOR_ID,
    mandatory: false,
    hidden: false,
    value: extended,
  };
}
