/**
 * Remote End IDs (RFC 3931 §5.4.4): octets, often a name. A name stands for its UTF-8; other octets are written
 * `0x000000de`. No two IDs are written alike.
 *
 * @module
 */

const UTF8 = new TextEncoder();
const FROM_UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Octets in hexadecimal. */
const HEX = /^0x((?:[0-9a-f]{2})+)$/i;
/** What cannot be shown on one line. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

/** The octets that `text` stands for. */
export function parseEndId(text: string): Uint8Array {
  const hex = HEX.exec(text)?.[1];
  return hex === undefined ? UTF8.encode(text) : Uint8Array.fromHex(hex);
}

/** How octets are written. */
export function formatEndId(octets: Uint8Array): string {
  let text: string | undefined;
  try {
    text = FROM_UTF8.decode(octets);
  } catch {
    // No text.
  }
  if (text !== undefined && !UNPRINTABLE.test(text) && !HEX.test(text)) return text;
  return `0x${octets.toHex()}`;
}
