/**
 * Text that others chose (peers, operators, the system), made harmless: the one sanitizer of log lines and of what the
 * command line prints.
 *
 * @module
 */

/**
 * What no terminal or log shall get as it is: control characters (C0, DEL, C1), format characters (bidirectional
 * overrides, zero-width ones), line and paragraph separators, lone surrogates and noncharacters.
 */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\ufffe\uffff]/gu;

/** `text` with all of these as `\u` and four hex digits, which JSON and YAML read as what they were. */
export function printable(text: string): string {
  return text.replaceAll(
    unprintable,
    (character) =>
      character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
        .join(""),
  );
}

/** `text` as a JSON string that holds nothing unprintable. */
export function quoted(text: string): string {
  return printable(JSON.stringify(text));
}
