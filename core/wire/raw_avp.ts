/** AVPs as octets: those of vendors, and optional ones that nobody here knows. @module */

/** An AVP as it stands in a message (RFC 2661 §4.1, RFC 3931 §5.1), unhidden. */
export interface RawAvp {
  /** The SMI Private Enterprise Code; 0: one of the IETF's. Beyond 65,535 by the Extended Vendor ID AVP (RFC 3931 §5.1). */
  readonly vendorId: number;
  /** The attribute type, unique to the vendor. */
  readonly type: number;
  /** The M bit. */
  readonly mandatory: boolean;
  /** The attribute's value: a copy. */
  readonly value: Uint8Array;
}
