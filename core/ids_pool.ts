/** Ids that cannot be guessed and are not soon used again. @module */

import { maxId } from "./ids.ts";
import type { ProtoVersion } from "./pseudowire.ts";

/** How long a freed id rests, in milliseconds: longer than anything of its last owner can be under way. */
const REST_MS = 60_000;
/** At most this many ids rest; beyond it, the longest rested is free again. */
const REST_LIMIT = 16_384;

export class IdPool {
  readonly #max: number;
  readonly #random: (length: number) => Uint8Array;
  /** Resting ids and when each is free again, the first freed first. */
  readonly #resting = new Map<number, number>();

  constructor(version: ProtoVersion, random: (length: number) => Uint8Array) {
    this.#max = maxId(version);
    this.#random = random;
  }

  /** A random id that is neither `taken` nor resting; undefined where nearly all are. */
  allocate(taken: (id: number) => boolean): number | undefined {
    for (let attempt = 0; attempt < 64; attempt++) {
      const [a, b, c, d] = this.#random(4);
      const id = ((a! << 24 | b! << 16 | c! << 8 | d!) & this.#max) >>> 0;
      if (id !== 0 && !taken(id) && !this.#resting.has(id)) return id;
    }
    return undefined;
  }

  release(id: number, now: number): void {
    for (const [old, freeAt] of this.#resting) {
      if (freeAt > now && this.#resting.size < REST_LIMIT) break;
      this.#resting.delete(old);
    }
    this.#resting.set(id, now + REST_MS);
  }
}
