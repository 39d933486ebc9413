/** Session ids of an interface: never 0 or FFFF (RFC 2516 §4), unforeseeable, not soon used again. @module */

/** Ids that there are: 1 to FFFE. */
export const MAX_SESSIONS = 0xfffe;

/** Those of one interface. */
export class SessionIds {
  readonly #random: (length: number) => Uint8Array;
  readonly #restMs: number;
  /** All ids that are free, in no order: a random one is taken out, and the last takes its place. */
  readonly #free = Uint16Array.from({ length: MAX_SESSIONS }, (_, i) => i + 1);
  #count = MAX_SESSIONS;
  /** Ids that rest, and until when: the first to rest first. */
  readonly #resting = new Map<number, number>();

  /**
   * @param random unpredictable octets
   * @param restMs how long an id rests once its session has ended: twice the time after which a client that hears nothing
   * any more gives up
   */
  constructor(random: (length: number) => Uint8Array, restMs: number) {
    this.#random = random;
    this.#restMs = restMs;
  }

  /** An id that is in use by none, and rests no more; undefined where there is none such. */
  allocate(now: number): number | undefined {
    this.#rise(now);
    if (this.#count === 0) return undefined;
    const [a, b, c, d] = this.#random(4);
    const at = ((a! << 24 | b! << 16 | c! << 8 | d!) >>> 0) % this.#count;
    const id = this.#free[at]!;
    this.#free[at] = this.#free[--this.#count]!;
    return id;
  }

  /** A session has ended. */
  release(id: number, now: number): void {
    this.#resting.set(id, now + this.#restMs);
  }

  /** Those that have rested are free. */
  #rise(now: number): void {
    for (const [id, until] of this.#resting) {
      if (until > now) break;
      this.#resting.delete(id);
      this.#free[this.#count++] = id;
    }
  }
}
