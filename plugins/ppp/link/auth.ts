/**
 * What the authentication protocols have in common: the end that asks who the other is, and the end that says so.
 *
 * @module
 */

import type { Asked } from "../aaa/authenticator.ts";
import type { Packet } from "./wire.ts";

/** Milliseconds between repetitions, as many as LCP has. */
export const REPEAT_MS = 3000;
/** So often something is said before the other end is given up. */
export const MAX_TRIES = 10;

/** One end of an authentication. */
export interface AuthEnd {
  /** The protocol that its packets are of. */
  readonly protocol: number;
  /** When {@linkcode AuthEnd.timeout} is to be called. */
  readonly deadline: number | undefined;
  /** LCP is up. */
  start(now: number): void;
  /** A packet of this protocol came. */
  input(packet: Packet, now: number): void;
  timeout(now: number): void;
}

/** The end that asks. */
export interface Checker extends AuthEnd {
  /** The client is who it says: it is told, and told again where it asks again. */
  accept(message: string, now: number): void;
  /** It is not. */
  reject(message: string): void;
  /** Nobody can say now whether it is, who was let in before: it is asked again later. */
  postpone(now: number): void;
  /** Takes what the client said to another (RFC 2661 §4.4.5), in place of {@linkcode AuthEnd.start}; it is told as asked. */
  adopt(asked: Asked, id: number): void;
}

/** Who is told by the end that asks. */
export interface CheckerSink {
  send(protocol: number, packet: Uint8Array): void;
  /** The client has said who it is; what it says again is not told again. Byte strings are copies; `id` is its packet's. */
  asked(asked: Asked, id: number): void;
  /** The client does not say who it is. */
  silent(protocol: number, reason: string): void;
  ignored(what: string): void;
}

/** Who is told by the end that proves itself. */
export interface ProverSink {
  send(protocol: number, packet: Uint8Array): void;
  accepted(message: string): void;
  /** The other end refuses us, or says nothing. */
  refused(protocol: number, reason: string): void;
  ignored(what: string): void;
}

/** Who we say to be. A secret. */
export interface Credentials {
  readonly name: string;
  readonly secret: string;
}

/** A text of a peer, for logs: what cannot be printed is left out. At most 200 characters. */
export function printable(text: Uint8Array): string {
  return new TextDecoder().decode(text).replaceAll(/[^\P{C}]/gu, "").slice(0, 200);
}

/** A text as octets, as many as one length octet can tell. */
export function octetsOf(text: string): Uint8Array {
  return new TextEncoder().encode(text).subarray(0, 255);
}
