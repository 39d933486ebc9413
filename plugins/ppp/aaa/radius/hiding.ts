/** Values that are hidden by the shared secret: User-Password, Tunnel-Password, MS-MPPE keys, CHAP. @module */

import { concat } from "../../../../core/wire/bytes.ts";
import { md5, type Secret } from "./authenticity.ts";

/** The longest password that User-Password carries (RFC 2865 §5.2). */
export const LONGEST_PASSWORD = 128;

/** RFC 2865 §5.2: the password in blocks of 16 octets, each under a digest of the block before. At most 128 octets. */
export function hidePassword(
  password: Uint8Array,
  authenticator: Uint8Array,
  secret: Secret,
): Uint8Array {
  const filled = new Uint8Array(Math.max(16, Math.ceil(password.length / 16) * 16));
  filled.set(password);
  return hide(filled, authenticator, secret);
}

/** The password that was hidden so; undefined where the length cannot be. Zero octets at its end are not part of it. */
export function revealPassword(
  hidden: Uint8Array,
  authenticator: Uint8Array,
  secret: Secret,
): Uint8Array | undefined {
  if (hidden.length === 0 || hidden.length % 16 !== 0 || hidden.length > LONGEST_PASSWORD) return;
  const filled = reveal(hidden, authenticator, secret);
  return filled.subarray(0, filled.findLastIndex((octet) => octet !== 0) + 1);
}

/**
 * RFC 2868 §3.5, without the tag: a salt of 2 octets, then a length and the value, hidden.
 *
 * @param salt its first bit is set here; each value of one packet has a salt of its own
 */
export function hideSalted(
  value: Uint8Array,
  salt: number,
  authenticator: Uint8Array,
  secret: Secret,
): Uint8Array {
  const filled = new Uint8Array(Math.ceil((value.length + 1) / 16) * 16);
  filled[0] = value.length;
  filled.set(value, 1);
  const salted = Uint8Array.of(salt >> 8 | 0x80, salt & 0xff);
  return concat([salted, hide(filled, concat([authenticator, salted]), secret)]);
}

/** The value that was hidden so, the tag taken off before; undefined where it makes no sense. */
export function revealSalted(
  hidden: Uint8Array,
  authenticator: Uint8Array,
  secret: Secret,
): Uint8Array | undefined {
  if (hidden.length < 18 || (hidden.length - 2) % 16 !== 0) return undefined;
  const salt = hidden.subarray(0, 2);
  const filled = reveal(hidden.subarray(2), concat([authenticator, salt]), secret);
  const length = filled[0]!;
  return length < filled.length ? filled.subarray(1, 1 + length) : undefined;
}

function hide(filled: Uint8Array, first: Uint8Array, secret: Secret): Uint8Array {
  const hidden = new Uint8Array(filled.length);
  for (let at = 0, before = first; at < filled.length; at += 16) {
    const pad = md5(secret.octets, before);
    for (let i = 0; i < 16; i++) hidden[at + i] = filled[at + i]! ^ pad[i]!;
    before = hidden.subarray(at, at + 16);
  }
  return hidden;
}

function reveal(hidden: Uint8Array, first: Uint8Array, secret: Secret): Uint8Array {
  const filled = new Uint8Array(hidden.length);
  for (let at = 0, before = first; at < hidden.length; at += 16) {
    const pad = md5(secret.octets, before);
    for (let i = 0; i < 16; i++) filled[at + i] = hidden[at + i]! ^ pad[i]!;
    before = hidden.subarray(at, at + 16);
  }
  return filled;
}
