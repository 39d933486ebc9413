/** Globs over names that peers choose. Pure. @module */

/**
 * Whether `text` as a whole is what `glob` says: `*` stands for any characters or none, `?` for any one, all else for
 * itself; case matters. Takes time in proportion to the product of the lengths at most, whatever a peer calls itself.
 */
export function globMatches(glob: string, text: string): boolean {
  const pattern = [...glob];
  const characters = [...text];
  let p = 0;
  let t = 0;
  /** The last `*`, and where what it stands for ends: the only choice that is ever taken back. */
  let star: { p: number; t: number } | undefined;
  while (t < characters.length) {
    if (pattern[p] === "*") {
      star = { p, t };
      p++;
    } else if (pattern[p] === "?" || (p < pattern.length && pattern[p] === characters[t])) {
      p++;
      t++;
    } else if (star) {
      star.t++;
      p = star.p + 1;
      t = star.t;
    } else return false;
  }
  return pattern.slice(p).every((character) => character === "*");
}
