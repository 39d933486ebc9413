/** MS-CHAPv2 (RFC 2759): what its answers are made of. All octets in and out. @module */

import { createCipheriv, createHash } from "node:crypto";

/** An MS-CHAPv2 Response's Value (RFC 2759 §4): 49 octets. */
export interface MsChapResponse {
  /** 16 octets. */
  readonly peerChallenge: Uint8Array;
  /** 24 octets. */
  readonly ntResponse: Uint8Array;
  readonly flags: number;
}

/** Reads a Response's Value; undefined where it does not have 49 octets. */
export function parseMsChapResponse(value: Uint8Array): MsChapResponse | undefined {
  if (value.length !== 49) return undefined;
  return {
    peerChallenge: value.subarray(0, 16),
    ntResponse: value.subarray(24, 48),
    flags: value[48]!,
  };
}

/** Writes a Response's Value. */
export function emitMsChapResponse(peerChallenge: Uint8Array, ntResponse: Uint8Array): Uint8Array {
  const value = new Uint8Array(49);
  value.set(peerChallenge, 0);
  value.set(ntResponse, 24);
  return value;
}

/** RFC 2759 §8.3: MD4 over the password in UTF-16, lowest octet first. 16 octets. */
export function ntPasswordHash(password: string): Uint8Array {
  const octets = new Uint8Array(password.length * 2);
  for (let i = 0; i < password.length; i++) {
    octets[2 * i] = password.charCodeAt(i) & 0xff;
    octets[2 * i + 1] = password.charCodeAt(i) >> 8;
  }
  return hash("md4", octets);
}

/**
 * RFC 2759 §8.1: the 24 octets that prove a password.
 *
 * @param name as sent; a domain before it is left out here (§4)
 */
export function ntResponse(
  authenticatorChallenge: Uint8Array,
  peerChallenge: Uint8Array,
  name: Uint8Array,
  passwordHash: Uint8Array,
): Uint8Array {
  const challenge = challengeHash(peerChallenge, authenticatorChallenge, name);
  const key = new Uint8Array(21);
  key.set(passwordHash);
  const response = new Uint8Array(24);
  for (let i = 0; i < 3; i++) response.set(des(challenge, key.subarray(7 * i, 7 * i + 7)), 8 * i);
  return response;
}

/** RFC 2759 §8.7: `S=` and 40 hexadecimal digits, which prove to the client that its authenticator knows the password. */
export function authenticatorResponse(
  authenticatorChallenge: Uint8Array,
  { peerChallenge, ntResponse }: Pick<MsChapResponse, "peerChallenge" | "ntResponse">,
  name: Uint8Array,
  passwordHash: Uint8Array,
): string {
  const digest = hash("sha1", hash("md4", passwordHash), ntResponse, MAGIC_1);
  const challenge = challengeHash(peerChallenge, authenticatorChallenge, name);
  const all = hash("sha1", digest, challenge, MAGIC_2);
  return `S=${[...all].map((octet) => octet.toString(16).padStart(2, "0")).join("").toUpperCase()}`;
}

/** The name without `DOMAIN\` before it: hashes are over the user's part alone (RFC 2759 §4). */
export function withoutDomain(name: Uint8Array): Uint8Array {
  return name.subarray(name.indexOf(BACKSLASH) + 1);
}

/** RFC 2759 §8.2: 8 octets. */
function challengeHash(peer: Uint8Array, authenticator: Uint8Array, name: Uint8Array): Uint8Array {
  return hash("sha1", peer, authenticator, withoutDomain(name)).subarray(0, 8);
}

/** RFC 2759 §8.6: one block under a key of 56 bits. DES alone is gone from most libraries; thrice with one key it is the same. */
function des(block: Uint8Array, key56: Uint8Array): Uint8Array {
  const key = new Uint8Array(24);
  for (let i = 0; i < 8; i++) {
    const before = i === 0 ? 0 : key56[i - 1]! << (8 - i);
    key[i] = (before | (key56[i] ?? 0) >> i) & 0xfe;
  }
  key.copyWithin(8, 0, 8).copyWithin(16, 0, 8);
  const cipher = createCipheriv("des-ede3-cbc", key, new Uint8Array(8)).setAutoPadding(false);
  const octets = plain(cipher.update(block));
  cipher.final();
  return octets;
}

function hash(algorithm: "md4" | "sha1", ...parts: readonly Uint8Array[]): Uint8Array {
  const digest = createHash(algorithm);
  for (const part of parts) digest.update(part);
  return plain(digest.digest());
}

/** Node's buffers as what they are. */
function plain({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

const BACKSLASH = "\\".charCodeAt(0);
const encoder = new TextEncoder();
const MAGIC_1 = encoder.encode("Magic server to client signing constant");
const MAGIC_2 = encoder.encode("Pad to make it do more than one iteration");
