/** Branded identifiers of tunnels and sessions; a brand exists in types only. @module */

import type { ProtoVersion } from "./pseudowire.ts";

/** A tunnel id (v2, 16 bits: RFC 2661 §3.1) or control connection id (v3, 32 bits: RFC 3931 §3.2.1); never 0. */
export type TunnelId = number & { readonly brand: "TunnelId" };

/** A session id: 16 bits in v2, 32 bits in v3 (RFC 3931 §4.1); never 0. */
export type SessionId = number & { readonly brand: "SessionId" };

/** The largest id that a protocol version can carry. */
export function maxId(version: ProtoVersion): number {
  return version === 2 ? 0xffff : 0xffff_ffff;
}

/** Whether `value` can be an id in `version`. */
export function isId(value: number, version: ProtoVersion): boolean {
  return Number.isInteger(value) && value > 0 && value <= maxId(version);
}
