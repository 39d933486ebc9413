/** What a file of users keeps in place of passwords, and what can be checked by it. @module */

import { equalConstantTime } from "../../../core/wire/bytes.ts";
import { createHash, scrypt } from "node:crypto";
import {
  authenticatorResponse,
  ntPasswordHash,
  ntResponse,
  parseResponse,
} from "../link/mschapv2.ts";
import type { Asked } from "./authenticator.ts";

/** A user's secret: in clear it serves all protocols, as an NT hash PAP and MS-CHAPv2, salted and hashed PAP alone. */
export type UserSecret =
  | { readonly kind: "clear"; readonly password: string }
  | { readonly kind: "nt"; readonly hash: Uint8Array }
  | {
    readonly kind: "scrypt";
    readonly cost: number;
    readonly salt: Uint8Array;
    readonly hash: Uint8Array;
  };

/** What came of a check. */
export type Checked =
  | { readonly kind: "right"; readonly msChapSuccess?: string }
  | { readonly kind: "wrong" }
  /** The protocol needs more of the secret than is kept. */
  | { readonly kind: "unable"; readonly reason: string };

/** What scrypt takes beside the cost (RFC 7914 §2); a hash of 32 octets takes 128 · r · N octets of memory. */
const BLOCK_SIZE = 8;
const PARALLEL = 1;
const HASH_LENGTH = 32;
/** The lowest and highest cost, as powers of two: 1 to 128 MiB. */
const [LEAST_COST, MOST_COST] = [10, 17];

/** Reads `scrypt:COST:SALT:HASH`, cost as a power of two, the others in hexadecimal; undefined: it is none. */
export function parseScrypt(text: string): UserSecret | undefined {
  const match = /^scrypt:(\d+):((?:[\da-f]{2}){8,64}):((?:[\da-f]{2}){32})$/i.exec(text);
  const cost = Number(match?.[1]);
  if (!match || cost < LEAST_COST || cost > MOST_COST) return undefined;
  return {
    kind: "scrypt",
    cost,
    salt: Uint8Array.fromHex(match[2]!),
    hash: Uint8Array.fromHex(match[3]!),
  };
}

/** Makes what {@linkcode parseScrypt} reads. */
export async function hashPassword(
  password: Uint8Array,
  salt: Uint8Array,
  cost = 14,
): Promise<string> {
  const hash = await derive(password, salt, cost);
  return `scrypt:${cost}:${salt.toHex()}:${hash.toHex()}`;
}

/** Checks what a client said against what is kept. */
export async function checkSecret(secret: UserSecret, asked: Asked): Promise<Checked> {
  switch (asked.kind) {
    case "none":
      return { kind: "right" };
    case "pap":
      return verdict(await checkPassword(secret, asked.password));
    case "chap-md5": {
      if (secret.kind !== "clear") return unable("CHAP-MD5 needs a password in clear");
      const right = createHash("md5").update(Uint8Array.of(asked.id))
        .update(encoder.encode(secret.password)).update(asked.challenge).digest();
      return verdict(equalConstantTime(right, asked.response));
    }
    case "mschapv2": {
      if (secret.kind === "scrypt") {
        return unable("MS-CHAPv2 needs a password in clear, or its NT hash");
      }
      const response = parseResponse(asked.response);
      const hash = secret.kind === "nt" ? secret.hash : ntPasswordHash(secret.password);
      if (!response || asked.challenge.length !== 16) return { kind: "wrong" };
      const right = ntResponse(asked.challenge, response.peerChallenge, asked.name, hash);
      if (!equalConstantTime(right, response.ntResponse)) return { kind: "wrong" };
      const msChapSuccess = authenticatorResponse(asked.challenge, response, asked.name, hash);
      return { kind: "right", msChapSuccess };
    }
  }
}

async function checkPassword(secret: UserSecret, password: Uint8Array): Promise<boolean> {
  switch (secret.kind) {
    case "clear":
      // Digests of one length: the time tells nothing of the password's.
      return equalConstantTime(sha256(encoder.encode(secret.password)), sha256(password));
    case "nt":
      return equalConstantTime(ntPasswordHash(new TextDecoder().decode(password)), secret.hash);
    case "scrypt":
      return equalConstantTime(await derive(password, secret.salt, secret.cost), secret.hash);
  }
}

function derive(password: Uint8Array, salt: Uint8Array, cost: number): Promise<Uint8Array> {
  const N = 2 ** cost;
  const options = { N, r: BLOCK_SIZE, p: PARALLEL, maxmem: 130 * BLOCK_SIZE * N + 65_536 };
  return new Promise((resolve, reject) =>
    scrypt(password, salt, HASH_LENGTH, options, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    })
  );
}

function sha256(octets: Uint8Array): Uint8Array {
  return createHash("sha256").update(octets).digest();
}

function verdict(right: boolean): Checked {
  return { kind: right ? "right" : "wrong" };
}

function unable(reason: string): Checked {
  return { kind: "unable", reason };
}

const encoder = new TextEncoder();
