/**
 * Keys that an object of a JSON text has twice. RFC 8259 §4 leaves open what they mean; `JSON.parse` takes the last one
 * and says nothing. Pure.
 *
 * @module
 */

import type { Path } from "./problem.ts";
import type { Position } from "./yaml.ts";

/** A key that was there before. */
export interface Repeated extends Position {
  /** The way to it, the key itself last. */
  readonly path: Path;
}

/** How deep objects and lists may nest: nothing that is asked for comes near it. */
export const maxJsonDepth = 64;

const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];
const [OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = [0x7b, 0x7d, 0x5b, 0x5d];

/** An object or list that is open. */
interface Level {
  /** The keys that an object had so far. */
  readonly keys?: Set<string>;
  /** Where we are in it. */
  at: string | number;
  /** A string that comes now is a key. */
  wantsKey: boolean;
}

/**
 * The first key that an object has twice, or `too-deep`; undefined: there is none, or the text is no JSON. Takes one pass,
 * and memory for the keys of the objects that are open.
 */
export function repeatedKey(text: string): Repeated | "too-deep" | undefined {
  const levels: Level[] = [];
  for (let at = 0; at < text.length; at++) {
    const level = levels.at(-1);
    switch (text.charCodeAt(at)) {
      case QUOTE: {
        const end = endOfString(text, at);
        if (level?.keys && level.wantsKey) {
          const key = unescaped(text.slice(at, end + 1));
          if (key === undefined) return undefined;
          level.at = key;
          level.wantsKey = false;
          if (level.keys.has(key)) {
            return { path: levels.map((each) => each.at), ...positionAt(text, at) };
          }
          level.keys.add(key);
        }
        at = end;
        break;
      }
      case COMMA:
        if (level?.keys) level.wantsKey = true;
        else if (level) level.at = Number(level.at) + 1;
        break;
      case OPEN:
        levels.push({ keys: new Set(), at: "", wantsKey: true });
        break;
      case OPEN_LIST:
        levels.push({ at: 0, wantsKey: false });
        break;
      case CLOSE:
      case CLOSE_LIST:
        levels.pop();
    }
    if (levels.length > maxJsonDepth) return "too-deep";
  }
  return undefined;
}

/** Where the string that begins at `start` ends; the text's length where it does not. */
function endOfString(text: string, start: number): number {
  for (let end = start + 1;; end++) {
    end = text.indexOf('"', end);
    if (end < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return end;
  }
}

/** What a string says: `"\u0061"` is the same key as `"a"`. */
function unescaped(quoted: string): string | undefined {
  if (!quoted.includes("\\")) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted);
  } catch {
    return undefined;
  }
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: before.at(-1)!.length + 1 };
}
