/** AVPs of vendors: no business of ours, but perhaps a plugin's. @module */

/** A vendor's AVP (RFC 2661 §4.1). Its value is a copy, unhidden. */
export interface VendorAvp {
  /** The SMI Private Enterprise Code, never 0. */
  readonly vendorId: number;
  /** The attribute type, unique to the vendor. */
  readonly type: number;
  /** The M bit. */
  readonly mandatory: boolean;
  /** The attribute's value. */
  readonly value: Uint8Array;
}
