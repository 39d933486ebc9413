/** Ties: both ends ask for the same thing at once (RFC 2661 §4.4.3, RFC 3931 §5.4.3 and §5.4.4). @module */

/**
 * Negative: ours wins; positive: theirs; 0: neither does. The lower value wins, and having one wins over having none.
 */
export function compareTies(ours: Uint8Array | undefined, theirs: Uint8Array | undefined): number {
  if (!ours || !theirs) return Number(ours === undefined) - Number(theirs === undefined);
  for (let i = 0; i < ours.length; i++) if (ours[i] !== theirs[i]) return ours[i]! - theirs[i]!;
  return 0;
}
