/** Bytes that are to be UTF-8 (RFC 3629). Pure. @module */

/** Some bytes are no UTF-8: where, 1-based, and what to say of it. */
export class NotUtf8 extends Error {
  override readonly name = "NotUtf8";
  constructor(
    readonly problem: { readonly line: number; readonly column: number; readonly message: string },
  ) {
    super(problem.message);
  }
}

/** The text. @throws {NotUtf8} */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const at = firstWrong(bytes);
    const before = new TextDecoder().decode(bytes.subarray(0, at)).split("\n");
    const hex = bytes[at]!.toString(16).padStart(2, "0");
    throw new NotUtf8({
      line: before.length,
      column: before.at(-1)!.length + 1,
      message: `the byte 0x${hex} at offset ${at} is not UTF-8; expected a text file in UTF-8`,
    });
  }
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
