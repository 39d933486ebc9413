/** Hiding of AVP values with MD5 and a Random Vector (RFC 2661 §4.3, RFC 3931 §5.3). @module */

import { createHash } from "node:crypto";
import { concat, readU16, writeU16 } from "./bytes.ts";
import { ErrorCode, PeerError } from "../errors.ts";

/**
 * The value of a hidden AVP: the original's length, the original, then `padding`, all of it ciphered.
 * @param key The shared secret (v2), or the key derived from it (v3).
 */
export function hide(
  type: number,
  value: Uint8Array,
  key: Uint8Array,
  randomVector: Uint8Array,
  padding: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const hidden = new Uint8Array(2 + value.length + padding.length);
  writeU16(hidden, 0, value.length);
  hidden.set(value, 2);
  hidden.set(padding, 2 + value.length);
  cipher(type, hidden, key, randomVector, (at) => hidden.subarray(at - 16, at));
  return hidden;
}

/**
 * The original value of a hidden AVP.
 * @throws {PeerError} where the length inside does not fit: the wrong key, most likely.
 */
export function unhide(
  type: number,
  hidden: Uint8Array,
  key: Uint8Array,
  randomVector: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const plain = Uint8Array.from(hidden);
  cipher(type, plain, key, randomVector, (at) => hidden.subarray(at - 16, at));
  const length = plain.length < 2 ? Infinity : readU16(plain, 0);
  if (length > plain.length - 2) {
    throw new PeerError(
      ErrorCode.OutOfRange,
      `AVP ${type}: hidden with another secret, or damaged`,
    );
  }
  return plain.slice(2, 2 + length);
}

/** XORs `text` in place with b₁ = MD5(type + key + vector), bᵢ = MD5(key + cᵢ₋₁); `previous(at)` is the 16 octets of ciphertext before `at`. */
function cipher(
  type: number,
  text: Uint8Array,
  key: Uint8Array,
  randomVector: Uint8Array,
  previous: (at: number) => Uint8Array,
): void {
  const attribute = new Uint8Array(2);
  writeU16(attribute, 0, type);
  for (let at = 0; at < text.length; at += 16) {
    const block = md5(at === 0 ? [attribute, key, randomVector] : [key, previous(at)]);
    for (let i = 0; i < 16 && at + i < text.length; i++) text[at + i]! ^= block[i]!;
  }
}

/** MD5 of all parts, one after the other. */
export function md5(parts: readonly Uint8Array[]): Uint8Array {
  return createHash("md5").update(concat(parts)).digest();
}
