/**
 * What is left of an LCCE when its process ends, as plain data: enough for another one, in another process or on another
 * machine, to go on with every control connection that is up and every call in it. Connections and calls that are on
 * their way up are not part of it: their peers ask again.
 *
 * Secrets are not in it either; who restores has them from the configuration. Ns and Nr are those of when the snapshot
 * was taken, and may be old or absent: they are asked of the peer ({@linkcode Lcce.restore}).
 *
 * @module
 */

import type { CallRole, PeerCall } from "./call.ts";
import type { CallAvps } from "./wire/call_avps.ts";
import type { PeerIdentity } from "./events.ts";
import type { CallParameters, Path, PeerSettings } from "./settings.ts";

/** The version of what {@linkcode Lcce.snapshot} writes; no other is read. */
export const SNAPSHOT_VERSION = 1;

/** All connections of an LCCE that are up. */
export interface LcceSnapshot {
  readonly version: typeof SNAPSHOT_VERSION;
  readonly connections: readonly ConnectionSnapshot[];
}

/** A control connection that is up. */
export interface ConnectionSnapshot {
  /** What it was set up with, but for the secrets. */
  readonly settings: Omit<PeerSettings, "secret" | "otherSecret">;
  /** The socket is the owner's own name for it, and hardly still means the same. */
  readonly path: Path;
  /** We sent the SCCRQ. */
  readonly initiator: boolean;
  readonly localId: number;
  readonly peerId: number;
  readonly peer: PeerIdentity;
  /** Milliseconds since it came up. */
  readonly age: number;
  readonly authentication: AuthenticationSnapshot;
  /** The next Ns of ours, and the Ns that was expected of the peer. */
  readonly numbers?: { readonly ns: number; readonly nr: number };
  /** Call Serial Number of the last call of ours. */
  readonly serial: number;
  readonly calls: readonly CallSnapshot[];
}

/** v3: what digests are made over (RFC 3931 §5.4.1). Nonces were sent in the clear. */
export interface AuthenticationSnapshot {
  readonly nonce: Uint8Array;
  readonly peerNonce: Uint8Array;
  /** Which of two secrets the peer puts first: 0 `secret`, 1 `otherSecret`. */
  readonly agreed?: number;
}

/** A call that is up. */
export interface CallSnapshot {
  readonly role: CallRole;
  readonly localId: number;
  readonly remoteId: number;
  readonly serial: number;
  readonly parameters: CallParameters;
  /** v3: the circuit status that the peer was told last. */
  readonly toldActive: boolean;
  readonly peer: PeerCall;
  readonly said: CallAvps;
}

/** A snapshot as JSON: octets and numbers of 64 bits are marked by a key that no value of ours has. */
export function writeSnapshot(snapshot: LcceSnapshot): string {
  return JSON.stringify(snapshot, (_, value) => {
    if (value instanceof Uint8Array) return { $octets: value.toBase64() };
    return typeof value === "bigint" ? { $integer: String(value) } : value;
  });
}

/** @throws {SyntaxError} where the text is no snapshot of this version */
export function readSnapshot(text: string): LcceSnapshot {
  const snapshot = JSON.parse(text, (_, value) => {
    if (typeof value?.$octets === "string") return Uint8Array.fromBase64(value.$octets);
    return typeof value?.$integer === "string" ? BigInt(value.$integer) : value;
  });
  if (snapshot?.version !== SNAPSHOT_VERSION || !Array.isArray(snapshot.connections)) {
    throw new SyntaxError(`not a snapshot of version ${SNAPSHOT_VERSION}`);
  }
  return snapshot;
}
