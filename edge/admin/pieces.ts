/** Answers of JSON that may be very long: made in slices as they are read, and sent a piece at a time. @module */

import type { Context } from "hono";
import type { Json } from "../../plugins/plugin.ts";
import { makePace } from "../slices.ts";

/** A long member of an answer: a map's entries, or a list's items. Each is made when it is asked for. */
export type Long =
  | { readonly entries: Iterable<readonly [string, Json]> }
  | { readonly items: Iterable<Json> };

/** A list of what is shown of each. */
export function shown<T, Shown extends object>(
  items: Iterable<T>,
  show: (item: T) => Shown,
): Long {
  return { items: shownOf(items, show) };
}

function* shownOf<T>(items: Iterable<T>, show: (item: T) => object): Generator<Json, void> {
  for (const item of items) yield show(item) as Json;
}

/** About how many characters are sent at a time. */
const PIECE = 32 * 1024;

/** The text of an object with long members behind the others, in pieces. */
export function* jsonPieces(
  others: Readonly<Record<string, Json>>,
  long: Readonly<Record<string, Long>>,
): Generator<string, void> {
  let text = JSON.stringify(others).slice(0, -1);
  let separator = text === "{" ? "" : ",";
  for (const [key, member] of Object.entries(long)) {
    const isMap = "entries" in member;
    text += `${separator}${JSON.stringify(key)}:${isMap ? "{" : "["}`;
    separator = "";
    for (const item of isMap ? member.entries : member.items) {
      text += separator;
      text += isMap
        ? `${JSON.stringify((item as readonly [string, Json])[0])}:${
          JSON.stringify((item as readonly [string, Json])[1])
        }`
        : JSON.stringify(item);
      separator = ",";
      if (text.length < PIECE) continue;
      yield text;
      text = "";
    }
    text += isMap ? "}" : "]";
    separator = ",";
  }
  yield text + "}";
}

/** Answers 200 with JSON in pieces; between them others have their turn. */
export function answerInPieces(
  c: Context,
  others: Readonly<Record<string, Json>>,
  long: Readonly<Record<string, Long>>,
): Response {
  const pieces = jsonPieces(others, long);
  const encoder = new TextEncoder();
  const pace = makePace();
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (pace.over) await pace.rest();
      const { done, value } = pieces.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
  return c.body(stream, 200, { "content-type": "application/json" });
}
