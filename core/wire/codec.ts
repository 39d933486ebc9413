/** Codecs of AVP values: bytes to typed values and back. @module */

import { readU16, readU32, writeU16, writeU32 } from "./bytes.ts";
import type { Result } from "../errors.ts";

/** How a value stands in an AVP. `parse` returns undefined where the bytes cannot be one. */
export interface Codec<T> {
  parse(bytes: Uint8Array): T | undefined;
  emit(value: T): Uint8Array;
}

const utf8 = new TextDecoder();
const toUtf8 = new TextEncoder();

/** A codec of `length` octets exactly. */
function fixed<T>(
  length: number,
  parse: (bytes: Uint8Array) => T | undefined,
  write: (bytes: Uint8Array, value: T) => void,
): Codec<T> {
  return {
    parse: (bytes) => bytes.length === length ? parse(bytes) : undefined,
    emit(value) {
      const bytes = new Uint8Array(length);
      write(bytes, value);
      return bytes;
    },
  };
}

export const u16: Codec<number> = fixed(2, (b) => readU16(b, 0), (b, v) => writeU16(b, 0, v));
export const u32: Codec<number> = fixed(4, (b) => readU32(b, 0), (b, v) => writeU32(b, 0, v));

/** 64 bits, as RFC 3931's speeds. */
export const u64: Codec<bigint> = fixed(
  8,
  (b) => BigInt(readU32(b, 0)) << 32n | BigInt(readU32(b, 4)),
  (b, v) => (writeU32(b, 0, Number(v >> 32n)), writeU32(b, 4, Number(v & 0xffff_ffffn))),
);

/** An identifier that is never 0. */
export function nonZero(codec: Codec<number>): Codec<number> {
  return { parse: (bytes) => codec.parse(bytes) || undefined, emit: codec.emit };
}

/** Octets of any number between `min` and `max`; the parsed value is a copy. */
export function octets(min = 0, max = Infinity): Codec<Uint8Array> {
  return {
    parse: (bytes) => bytes.length >= min && bytes.length <= max ? bytes.slice() : undefined,
    emit: (value) => value,
  };
}

/** UTF-8 text (US-ASCII where the RFC says so) of at least `min` octets. What is no UTF-8 is shown as U+FFFD. */
export function text(min = 0): Codec<string> {
  return {
    parse: (bytes) => bytes.length >= min ? utf8.decode(bytes) : undefined,
    emit: (value) => toUtf8.encode(value),
  };
}

/** A list of 16-bit numbers, at least one. */
export const u16List: Codec<readonly number[]> = {
  parse(bytes) {
    if (bytes.length === 0 || bytes.length % 2 !== 0) return undefined;
    return Array.from({ length: bytes.length / 2 }, (_, i) => readU16(bytes, 2 * i));
  },
  emit(values) {
    const bytes = new Uint8Array(2 * values.length);
    values.forEach((value, i) => writeU16(bytes, 2 * i, value));
    return bytes;
  },
};

/** An AVP whose presence is all that it says. */
export const presence: Codec<true> = {
  parse: (bytes) => bytes.length === 0 ? true : undefined,
  emit: () => new Uint8Array(0),
};

/** An assigned cookie: 4 or 8 octets (RFC 3931 §5.4.4). */
export const cookie: Codec<Uint8Array> = {
  parse: (bytes) => bytes.length === 4 || bytes.length === 8 ? bytes.slice() : undefined,
  emit: (value) => value,
};

/** Result Code: result, then perhaps error code, then perhaps text (RFC 2661 §4.4.2). */
export const resultCode: Codec<Result> = {
  parse(bytes) {
    if (bytes.length < 2 || bytes.length === 3) return undefined;
    const result = readU16(bytes, 0);
    if (bytes.length === 2) return { result };
    const error = readU16(bytes, 2);
    return bytes.length === 4
      ? { result, error }
      : { result, error, message: utf8.decode(bytes.subarray(4)) };
  },
  emit({ result, error, message }) {
    const tail = message === undefined
      ? new Uint8Array(0)
      : toUtf8.encode(message).subarray(0, 512);
    const bytes = new Uint8Array(error === undefined && tail.length === 0 ? 2 : 4 + tail.length);
    writeU16(bytes, 0, result);
    if (bytes.length > 2) writeU16(bytes, 2, error ?? 0);
    bytes.set(tail, 4 * Number(bytes.length > 2));
    return bytes;
  },
};

/** Q.931 Cause: cause code, cause message, advisory text (RFC 2661 §4.4.2). */
export interface Q931Cause {
  /** The cause's code (Q.931 §4.5.12). */
  readonly code: number;
  /** The Q.931 message that was sent. */
  readonly message: number;
  /** More for people; empty where there is none. */
  readonly advisory: string;
}
export const q931Cause: Codec<Q931Cause> = {
  parse(bytes) {
    if (bytes.length < 3) return undefined;
    return {
      code: readU16(bytes, 0),
      message: bytes[2]!,
      advisory: utf8.decode(bytes.subarray(3)),
    };
  },
  emit({ code, message, advisory }) {
    const tail = toUtf8.encode(advisory);
    const bytes = new Uint8Array(3 + tail.length);
    writeU16(bytes, 0, code);
    bytes[2] = message;
    bytes.set(tail, 3);
    return bytes;
  },
};

/** PPP Disconnect Cause (RFC 3145 §2). */
export interface PppDisconnectCause {
  /** What ended PPP (RFC 3145 §3). */
  readonly code: number;
  /** The PPP number of the control protocol that ended the link; 0: none in particular. */
  readonly protocol: number;
  /** 0: of neither end alone, 1: at the peer, 2: at the sender. */
  readonly direction: number;
  /** More for people. */
  readonly message?: string;
}
export const pppDisconnectCause: Codec<PppDisconnectCause> = {
  parse(bytes) {
    if (bytes.length < 5) return undefined;
    const message = utf8.decode(bytes.subarray(5));
    return {
      code: readU16(bytes, 0),
      protocol: readU16(bytes, 2),
      direction: bytes[4]!,
      ...(message && { message }),
    };
  },
  emit({ code, protocol, direction, message = "" }) {
    const tail = toUtf8.encode(message);
    const bytes = new Uint8Array(5 + tail.length);
    writeU16(bytes, 0, code);
    writeU16(bytes, 2, protocol);
    bytes[4] = direction;
    bytes.set(tail, 5);
    return bytes;
  },
};

/** 32-bit counters behind 2 reserved octets, as Call Errors, Circuit Errors and ACCM are (RFC 2661 §4.4.6). */
export function counters<Name extends string>(
  ...names: readonly Name[]
): Codec<Record<Name, number>> {
  return fixed(
    2 + 4 * names.length,
    (bytes) =>
      Object.fromEntries(names.map((name, i) => [name, readU32(bytes, 2 + 4 * i)])) as Record<
        Name,
        number
      >,
    (bytes, value) => names.forEach((name, i) => writeU32(bytes, 2 + 4 * i, value[name])),
  );
}

/** Circuit Status (RFC 3931 §5.4.5): the A and N bits. */
export interface CircuitStatus {
  /** Whether the circuit is up (A bit). */
  readonly active: boolean;
  /** Whether it came up just now (N bit). */
  readonly new: boolean;
}
export const circuitStatus: Codec<CircuitStatus> = fixed(
  2,
  (bytes) => ({ active: (bytes[1]! & 1) !== 0, new: (bytes[1]! & 2) !== 0 }),
  (bytes, value) => bytes[1] = Number(value.active) | Number(value.new) << 1,
);

/** Message Digest: a type, then 16 octets (0, HMAC-MD5) or 20 (1, HMAC-SHA-1) (RFC 3931 §5.4.1). */
export interface MessageDigest {
  readonly type: 0 | 1;
  readonly digest: Uint8Array;
}
export const messageDigest: Codec<MessageDigest> = {
  parse(bytes) {
    const type = bytes[0];
    if (!(type === 0 && bytes.length === 17) && !(type === 1 && bytes.length === 21)) {
      return undefined;
    }
    return { type, digest: bytes.slice(1) };
  },
  emit({ type, digest }) {
    const bytes = new Uint8Array(1 + digest.length);
    bytes[0] = type;
    bytes.set(digest, 1);
    return bytes;
  },
};
