/** Texts as octets. @module */

const encoder = new TextEncoder();

/** A text in UTF-8. Most are short and of ASCII: for these a loop is quicker than asking the runtime. */
export function utf8(text: string): Uint8Array {
  const octets = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return encoder.encode(text);
    octets[i] = unit;
  }
  return octets;
}
