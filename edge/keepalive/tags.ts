/** The VLAN tag of a probe's frames (IEEE 802.1Q §9.6). Pure. @module */

/** Bytes of the two addresses that a tag stands behind. */
const ADDRESSES = 12;
const TAG = 4;
const C_TAG = 0x8100;
const S_TAG = 0x88a8;

/** The frame with a tag of VLAN `vid`. */
export function insertTag(frame: Uint8Array, vid: number): Uint8Array {
  const tagged = new Uint8Array(frame.length + TAG);
  tagged.set(frame.subarray(0, ADDRESSES));
  tagged.set([C_TAG >> 8, C_TAG & 0xff, vid >> 8 & 0x0f, vid], ADDRESSES);
  tagged.set(frame.subarray(ADDRESSES), ADDRESSES + TAG);
  return tagged;
}

/** The frame without its outermost tag, and that one's VLAN; 0: it has none, or one that says a priority only. */
export function untagged(
  frame: Uint8Array,
): { readonly frame: Uint8Array; readonly vid: number } {
  const kind = frame.length < ADDRESSES + TAG + 2 ? 0 : frame[12]! << 8 | frame[13]!;
  if (kind !== C_TAG && kind !== S_TAG) return { frame, vid: 0 };
  const bare = new Uint8Array(frame.length - TAG);
  bare.set(frame.subarray(0, ADDRESSES));
  bare.set(frame.subarray(ADDRESSES + TAG), ADDRESSES);
  return { frame: bare, vid: (frame[14]! & 0x0f) << 8 | frame[15]! };
}
