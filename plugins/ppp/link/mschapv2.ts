/**
 * The arithmetic of MS-CHAPv2 (RFC 2759 §8), both ends' side of it. MD4, SHA-1 and DES come from node:crypto; DES as
 * triple DES with one key twice.
 *
 * @module
 */

import { concat } from "../../../core/wire/bytes.ts";
import { createCipheriv, createHash } from "node:crypto";

/** Octets of a Response packet's Value: peer challenge, 8 reserved octets, NT response, flags (§4). */
export const RESPONSE_LENGTH = 49;
/** Octets of a challenge (§3). */
export const CHALLENGE_LENGTH = 16;

const SIGN_SERVER = new TextEncoder().encode("Magic server to client signing constant");
const PAD = new TextEncoder().encode("Pad to make it do more than one iteration");

/** The parts of a Response packet's Value. */
export interface ResponseValue {
  readonly peerChallenge: Uint8Array;
  readonly ntResponse: Uint8Array;
}

/** Reads the Value of a Response packet; undefined where it is none. */
export function parseResponse(value: Uint8Array): ResponseValue | undefined {
  if (value.length !== RESPONSE_LENGTH) return undefined;
  return { peerChallenge: value.subarray(0, 16), ntResponse: value.subarray(24, 48) };
}

/** The Value of a Response packet. */
export function emitResponse({ peerChallenge, ntResponse }: ResponseValue): Uint8Array {
  return concat([peerChallenge, new Uint8Array(8), ntResponse, Uint8Array.of(0)]);
}

/** NtPasswordHash (§8.3): what a server may keep in place of the password. 16 octets. */
export function ntPasswordHash(password: string): Uint8Array {
  const unicode = new Uint8Array(password.length * 2);
  for (let i = 0; i < password.length; i++) {
    const unit = password.charCodeAt(i);
    unicode[2 * i] = unit;
    unicode[2 * i + 1] = unit >> 8;
  }
  return digest("md4", unicode);
}

/** GenerateNTResponse (§8.1), from the password's hash. The name is used without a domain before it. 24 octets. */
export function ntResponse(
  challenge: Uint8Array,
  peerChallenge: Uint8Array,
  name: Uint8Array,
  passwordHash: Uint8Array,
): Uint8Array {
  const hash = challengeHash(peerChallenge, challenge, name);
  const key = new Uint8Array(21);
  key.set(passwordHash);
  return concat([0, 7, 14].map((at) => des(key.subarray(at, at + 7), hash)));
}

/** GenerateAuthenticatorResponse (§8.7): `S=` and 40 hexadecimal digits, which a Success packet begins with. */
export function authenticatorResponse(
  challenge: Uint8Array,
  response: ResponseValue,
  name: Uint8Array,
  passwordHash: Uint8Array,
): string {
  const first = digest("sha1", digest("md4", passwordHash), response.ntResponse, SIGN_SERVER);
  const second = digest(
    "sha1",
    first,
    challengeHash(response.peerChallenge, challenge, name),
    PAD,
  );
  return `S=${second.toHex().toUpperCase()}`;
}

/** ChallengeHash (§8.2). 8 octets. */
export function challengeHash(
  peerChallenge: Uint8Array,
  challenge: Uint8Array,
  name: Uint8Array,
): Uint8Array {
  return digest("sha1", peerChallenge, challenge, withoutDomain(name)).subarray(0, 8);
}

/** The name after `DOMAIN\`. */
export function withoutDomain(name: Uint8Array): Uint8Array {
  return name.subarray(name.lastIndexOf(0x5c) + 1);
}

/** One block of DES with a key of 56 bits; the parity bits, which nobody looks at, are put in between. */
function des(key: Uint8Array, block: Uint8Array): Uint8Array {
  const bits = key.reduce((sum, octet) => sum << 8n | BigInt(octet), 0n);
  const spread = Uint8Array.from(
    { length: 8 },
    (_, i) => Number(bits >> BigInt(49 - 7 * i) & 0x7fn) << 1,
  );
  const cipher = createCipheriv(
    "des-ede3-cbc",
    concat([spread, spread, spread]),
    new Uint8Array(8),
  );
  cipher.setAutoPadding(false);
  return new Uint8Array(concat([cipher.update(block), cipher.final()]));
}

function digest(algorithm: string, ...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}
