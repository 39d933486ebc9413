/** What IPv6 needs of the link that it is on. @module */

import type { Scope } from "../scope.ts";

/** A link, for IPv6. */
export interface Line6 {
  readonly scope: Scope;
  /** Sends an IPv6 packet. */
  send(packet: Uint8Array): void;
  /** Addresses, prefixes or name servers came or went. */
  changed(): void;
}
