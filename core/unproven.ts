/**
 * What an unproven peer may do. A connection is proven once its peer has shown that it hears us and, where a secret is
 * shared, that it knows it. Until then, whatever the settings:
 *
 * - its address must be one that somebody is expected from, and its SCCRQ no longer than {@linkcode LONGEST_REQUEST};
 *   it is looked at and answered while there are tokens (`limits.ts`), and parsed but once;
 * - of what it sends no more than {@linkcode EARLY_OCTETS} are kept beyond the connection itself, of which there are
 *   so many (`limits.ts`);
 * - it gets at most {@linkcode AMPLIFICATION} times the octets and the datagrams that came from it;
 * - it changes nothing that was agreed on or asked for: neither version nor path of a dial, nor a tunnel that is up. Its
 *   StopCCN ends this attempt, by our id; to id 0 only where nobody shares a secret (`reception.ts`, `handshake.ts`);
 * - no challenge of ours that waits for its response is answered for it (`challenges.ts`);
 * - its end leaves the last word that was said to it, among so many ({@linkcode Tombstones}), and nothing else.
 *
 * @module
 */

import { samePath } from "./path.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import type { Path } from "./settings.ts";

/** Octets of an SCCRQ's body: several times what any known LCCE says of itself. */
export const LONGEST_REQUEST = 4096;
/** Octets of early messages that are kept of a peer that proved nothing. */
export const EARLY_OCTETS = 4096;
/** The same of one that is proven: its messages come early by the hundred only when it has as many calls. */
export const PROVEN_EARLY_OCTETS = 1 << 20;
/** How many times what came may be sent. */
export const AMPLIFICATION = 3;

/** What may be sent to somebody who may not be where it says it is (RFC 9000 §8.1 has the same rule). */
export class Allowance {
  #octets = 0;
  #datagrams = 0;
  #sent = false;

  /** A datagram of so many octets came. */
  earn(octets: number): void {
    this.#octets += AMPLIFICATION * octets;
    this.#datagrams += AMPLIFICATION;
  }

  /** Whether a datagram of so many octets may go; the first one always may. */
  covers(octets: number): boolean {
    return !this.#sent || (this.#octets >= octets && this.#datagrams > 0);
  }

  /** It goes. */
  spend(octets: number): void {
    this.#sent = true;
    this.#octets -= octets;
    this.#datagrams--;
  }
}

/** How many ends are remembered, and for how long, in milliseconds: RFC 2661 §5.7's full retransmission cycle. */
const TOMBSTONES = 1024;
const REMEMBERED_MS = 31_000;
/** The longest last word that is worth keeping: a StopCCN with its text, signed twice. */
const LONGEST_WORD = 768;

interface Tombstone {
  readonly path: Path;
  readonly lastWord: Uint8Array;
  readonly allowance: Allowance;
  readonly until: number;
}

/** The last words to peers that ended unproven, by our id: to be said again where they were lost. */
export class Tombstones {
  /** The oldest first. */
  readonly #all = new Map<string, Tombstone>();

  /** Remembers what was said last on a path by an id of ours. */
  add(version: ProtoVersion, localId: number, path: Path, lastWord: Uint8Array, now: number): void {
    if (lastWord.length > LONGEST_WORD) return;
    for (const [key, { until }] of this.#all) {
      if (this.#all.size < TOMBSTONES && until > now) break;
      this.#all.delete(key);
    }
    const key = `${version} ${localId}`;
    this.#all.delete(key);
    const allowance = new Allowance();
    allowance.spend(0);
    this.#all.set(key, { path, lastWord, allowance, until: now + REMEMBERED_MS });
  }

  has(version: ProtoVersion, localId: number): boolean {
    return this.#all.has(`${version} ${localId}`);
  }

  /** What to say to a message for a connection that is over: undefined: nothing. */
  answer(
    version: ProtoVersion,
    localId: number,
    from: Path,
    octets: number,
    now: number,
  ): Pick<Tombstone, "path" | "lastWord"> | undefined {
    const found = this.#all.get(`${version} ${localId}`);
    if (!found || found.until <= now) return undefined;
    const { path, lastWord, allowance } = found;
    if (!samePath(path, from)) return undefined;
    allowance.earn(octets);
    if (!allowance.covers(lastWord.length)) return undefined;
    allowance.spend(lastWord.length);
    return found;
  }
}
