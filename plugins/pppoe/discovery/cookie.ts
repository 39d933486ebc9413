/**
 * The AC-Cookie (RFC 2516 §5.2 and Appendix A): what shows that whoever sends a PADR has had our PADO, so that nothing is
 * kept of anybody before. It is keyed over interface, VLANs, MAC and time.
 *
 * @module
 */

import { createHmac, timingSafeEqual } from "node:crypto";

/** Octets of a key. */
export const COOKIE_KEY = 32;
/** How long a cookie is good: this and the last such time, in milliseconds. */
const SLOT_MS = 60_000;
/** Octets of the HMAC that are told: enough that nobody guesses one. */
const TOLD = 16;

/** Who a cookie is for. */
export interface CookieHolder {
  readonly interface: string;
  /** As `vlanKey()` says them. */
  readonly vlans: string;
  readonly mac: Uint8Array;
}

/** The cookie for a client at a time: a slot's number (mod 256), and 16 octets. */
export function makeCookie(key: Uint8Array, holder: CookieHolder, now: number): Uint8Array {
  const slot = Math.floor(now / SLOT_MS);
  return cookieOf(key, holder, slot);
}

/** Whether a cookie is the client's, and not too old. */
export function isCookie(
  key: Uint8Array,
  holder: CookieHolder,
  cookie: Uint8Array,
  now: number,
): boolean {
  if (cookie.length !== 1 + TOLD) return false;
  const current = Math.floor(now / SLOT_MS);
  const slot = [current, current - 1].find((each) => (each & 0xff) === cookie[0]);
  return slot !== undefined && timingSafeEqual(cookieOf(key, holder, slot), cookie);
}

function cookieOf(key: Uint8Array, { interface: name, mac, vlans }: CookieHolder, slot: number) {
  const hmac = createHmac("sha256", key).update(`${slot}\0${name}\0${vlans}\0`).update(mac);
  const cookie = new Uint8Array(1 + TOLD);
  cookie[0] = slot & 0xff;
  cookie.set(hmac.digest().subarray(0, TOLD), 1);
  return cookie;
}
