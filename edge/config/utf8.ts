/** Bytes that are to be UTF-8 (RFC 3629). Pure. @module */

import type { Slices } from "../slices.ts";

/** Some bytes are no UTF-8: where, 1-based, and what to say of it. */
export class NotUtf8 extends Error {
  override readonly name = "NotUtf8";
  constructor(
    readonly problem: { readonly line: number; readonly column: number; readonly message: string },
  ) {
    super(problem.message);
  }
}

/** So many bytes are read in one go: a tenth of a millisecond. */
const CHUNK = 1 << 18;

/** The text, in slices. @throws {NotUtf8} */
export function* decodeUtf8(bytes: Uint8Array): Slices<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const end = Math.min(at + CHUNK, bytes.length);
    try {
      text += decoder.decode(bytes.subarray(at, end), { stream: end < bytes.length });
    } catch {
      throw notUtf8(bytes, at, end);
    }
    yield;
  }
  return text;
}

/** What is wrong between `at` and `end`; all before that is right, but for a character that goes on at `at`. */
function notUtf8(bytes: Uint8Array, at: number, end: number): NotUtf8 {
  let start = Math.max(0, at - 3);
  while (start < at && (bytes[start]! & 0xc0) === 0x80) start++;
  const offset = start + firstWrong(bytes.subarray(start, end));
  let [line, begins] = [1, 0];
  for (let next = bytes.indexOf(10); next >= 0 && next < offset; next = bytes.indexOf(10, begins)) {
    [line, begins] = [line + 1, next + 1];
  }
  const hex = bytes[offset]!.toString(16).padStart(2, "0");
  return new NotUtf8({
    line,
    column: new TextDecoder().decode(bytes.subarray(begins, offset)).length + 1,
    message: `the byte 0x${hex} at offset ${offset} is not UTF-8; expected a text file in UTF-8`,
  });
}

/** The offset of the first byte that belongs to no character, by halves: whether a part is right is asked of the decoder. */
function firstWrong(bytes: Uint8Array): number {
  // The longest beginning without an error; a character that is cut off is none yet.
  const isRight = (length: number) => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let [right, wrong] = [0, bytes.length + 1];
  while (wrong - right > 1) {
    const middle = (right + wrong) >> 1;
    if (isRight(middle)) right = middle;
    else wrong = middle;
  }
  // The last of those that are right may begin a character that does not go on so.
  for (let back = 1; back <= 3 && back <= right; back++) {
    const byte = bytes[right - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    return byte >= 0xc0 && lengthOf(byte) > back ? right - back : right;
  }
  return right;
}

/** How many bytes a character has that begins so. */
function lengthOf(lead: number): number {
  return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
}
