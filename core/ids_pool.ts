/** Ids that cannot be guessed, are not soon used again, and are all given out before there are none. @module */

import { maxId } from "./ids.ts";
import type { ProtoVersion } from "./pseudowire.ts";

/** How long a freed id rests, in milliseconds: longer than anything of its last owner can be under way. */
const REST_MS = 60_000;
/** At most this many ids rest; beyond it, the longest rested is free again. */
const REST_LIMIT = 16_384;
/** Draws by chance, before ids are tried one after the other; and how many of those, before one that rests is taken. */
const DRAWS = 4;
const STEPS = 256;

/** The ids in use. */
export interface TakenIds {
  readonly size: number;
  has(id: number): boolean;
}

export class IdPool {
  readonly #max: number;
  readonly #random: (length: number) => Uint8Array;
  /** Resting ids and when each is free again, the first freed first. */
  #resting: Map<number, number> | undefined;

  constructor(version: ProtoVersion, random: (length: number) => Uint8Array) {
    this.#max = maxId(version);
    this.#random = random;
  }

  /**
   * A random id that is neither `taken` nor resting; where there are hardly any of those, the one that has rested longest.
   * Undefined where every id is taken.
   */
  allocate(taken: TakenIds): number | undefined {
    if (taken.size >= this.#max) return undefined;
    for (let draw = 0; draw < DRAWS; draw++) {
      const id = this.any();
      if (!taken.has(id) && !this.#resting?.has(id)) return id;
    }
    const rested = this.#search(STEPS, (id) => taken.has(id) || this.#resting?.has(id) === true);
    if (rested !== undefined) return rested;
    for (const id of this.#resting?.keys() ?? []) {
      this.#resting!.delete(id);
      if (!taken.has(id)) return id;
    }
    // Among more ids in a row than are taken, one is free.
    return this.#search(Math.min(this.#max, taken.size + 1), (id) => taken.has(id));
  }

  /** Any id, taken or not: for a refusal that must name one where none is left. */
  any(): number {
    for (;;) {
      const [a, b, c, d] = this.#random(4);
      const id = ((a! << 24 | b! << 16 | c! << 8 | d!) & this.#max) >>> 0;
      if (id !== 0) return id;
    }
  }

  release(id: number, now: number): void {
    const resting = this.#resting ??= new Map();
    for (const [old, freeAt] of resting) {
      if (freeAt > now && resting.size < REST_LIMIT) break;
      resting.delete(old);
    }
    resting.delete(id);
    resting.set(id, now + REST_MS);
  }

  /** Looks for an id from somewhere on, one after the other, in so many steps. */
  #search(steps: number, isTaken: (id: number) => boolean): number | undefined {
    const start = this.any();
    for (let step = 0; step <= steps; step++) {
      const id = (start + step) % (this.#max + 1);
      if (id !== 0 && !isTaken(id)) return id;
    }
    return undefined;
  }
}
