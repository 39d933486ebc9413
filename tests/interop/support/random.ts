/** Random numbers that are the same in every run. @module */

/** A source of 32-bit numbers (xorshift32); `seed` is not 0. */
export function seeded(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>>= 0;
  };
  return {
    /** From 0 to `limit`-1. */
    below: (limit: number) => next() % limit,
    bytes: (length: number) => Uint8Array.from({ length }, () => next() >>> 24),
  };
}

/** What {@linkcode seeded} gives. */
export type Random = ReturnType<typeof seeded>;
