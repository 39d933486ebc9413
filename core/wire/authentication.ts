/**
 * Who the peer is: v2's challenge and response (RFC 2661 §4.4.3, §5.1.1), v3's Message Digest over every message
 * (RFC 3931 §4.3, §5.4.1), and the keys that are derived from a shared secret.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import { AVP_HEADER } from "./avp.ts";
import { concat, equalConstantTime, readU16 } from "./bytes.ts";
import { CONTROL_HEADER } from "./header.ts";
import { md5 } from "./hiding.ts";

/** Digest Type 0 is HMAC-MD5, 1 is HMAC-SHA-1 (RFC 3931 §5.4.1). */
export type DigestType = 0 | 1;

/** The response to a challenge: MD5 over the message type (2, SCCRP; 3, SCCCN) that carries it, the secret and the challenge. */
export function challengeResponse(
  messageType: 2 | 3,
  secret: Uint8Array,
  challenge: Uint8Array,
): Uint8Array {
  return md5([Uint8Array.of(messageType), secret, challenge]);
}

/** The key of hidden AVPs in v3 (RFC 3931 §5.3); in v2 it is the secret itself. */
export function deriveHidingKey(secret: Uint8Array): Uint8Array {
  return hmac(0, secret, [Uint8Array.of(1)]);
}

/** The key of v3's Message Digest (RFC 3931 §5.4.1). Without authentication the secret is empty, and so is the key. */
export function deriveDigestKey(secret: Uint8Array): Uint8Array {
  return hmac(0, secret, [Uint8Array.of(2)]);
}

/** Where the digest stands in a datagram. */
interface DigestPlace {
  readonly type: DigestType;
  readonly at: number;
  readonly length: number;
}

const DIGEST_LENGTH: Readonly<Record<DigestType, number>> = { 0: 16, 1: 20 };
const MESSAGE_DIGEST = 59;

/**
 * Fills in the Message Digests of a message of ours: their AVPs must stand behind Message Type, and Ns and Nr be final.
 * @param keys The key of each digest, in their order.
 * @param nonces Ours, then the peer's; both empty for an SCCRQ.
 */
export function sign(
  datagram: Uint8Array,
  keys: readonly Uint8Array[],
  nonces: readonly [Uint8Array, Uint8Array],
): void {
  const places = digestPlaces(datagram);
  const digests = places.map(({ type }, i) => digestOf(datagram, type, keys[i]!, nonces));
  places.forEach(({ at }, i) => datagram.set(digests[i]!, at));
}

/** What a message's digests are worth; `key`: which of the keys a right one was made with. */
export type DigestVerdict =
  | { readonly verdict: "valid"; readonly key: number }
  | { readonly verdict: "missing" | "wrong"; readonly key?: undefined };

/**
 * Whether a received message carries a right digest: one of at most two, under one of at most two keys. Nothing else
 * of the message is read before this.
 * @param nonces The sender's, then ours; both empty for an SCCRQ.
 */
export function verify(
  datagram: Uint8Array,
  keys: readonly Uint8Array[],
  nonces: readonly [Uint8Array, Uint8Array],
): DigestVerdict {
  const places = digestPlaces(datagram);
  if (places.length === 0) return { verdict: "missing" };
  let valid: number | undefined;
  for (const place of places) {
    const received = datagram.subarray(place.at, place.at + place.length);
    for (const [i, key] of keys.entries()) {
      const expected = digestOf(datagram, place.type, key, nonces);
      if (equalConstantTime(received, expected)) valid ??= i;
    }
  }
  return valid === undefined ? { verdict: "wrong" } : { verdict: "valid", key: valid };
}

/** HMAC over both nonces and the message with all of its digests zeroed. */
function digestOf(
  datagram: Uint8Array,
  type: DigestType,
  key: Uint8Array,
  nonces: readonly [Uint8Array, Uint8Array],
): Uint8Array {
  const message = datagram.slice();
  for (const { at, length } of digestPlaces(message)) message.fill(0, at, at + length);
  return hmac(type, key, [...nonces, message]);
}

/** The Message Digests of a datagram: they follow Message Type at a fixed offset, one or two of them. */
function digestPlaces(datagram: Uint8Array): DigestPlace[] {
  const places: DigestPlace[] = [];
  let at = CONTROL_HEADER + AVP_HEADER + 2;
  while (places.length < 2 && at + AVP_HEADER < datagram.length) {
    const length = readU16(datagram, at) & 0x3ff;
    const type = datagram[at + AVP_HEADER];
    const isDigest = readU16(datagram, at + 2) === 0 &&
      readU16(datagram, at + 4) === MESSAGE_DIGEST;
    if (!isDigest || (type !== 0 && type !== 1)) break;
    if (length !== AVP_HEADER + 1 + DIGEST_LENGTH[type] || at + length > datagram.length) break;
    places.push({ type, at: at + AVP_HEADER + 1, length: DIGEST_LENGTH[type] });
    at += length;
  }
  return places;
}

function hmac(type: DigestType, key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  return createHmac(type === 0 ? "md5" : "sha1", key).update(concat(parts)).digest();
}
