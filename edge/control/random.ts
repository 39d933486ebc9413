/** Unpredictable octets in small pieces, drawn from the system in large ones. @module */

/** Octets drawn at a time; the most that `crypto.getRandomValues` gives is 65,536. */
const DRAW = 16_384;

/** The same octets as `draw` gives, without a call of it for every few. */
export function bufferedRandom(
  draw: (length: number) => Uint8Array,
): (length: number) => Uint8Array {
  let buffer: Uint8Array = new Uint8Array(0);
  let used = 0;
  return (length) => {
    if (length > DRAW) return draw(length);
    if (used + length > buffer.length) {
      buffer = draw(DRAW);
      used = 0;
    }
    return buffer.slice(used, used += length);
  };
}
