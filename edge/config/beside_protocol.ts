/** What the main isolate and the worker that reads large configurations say to each other. @module */

import type { LongList, Marks, Thing } from "./marks.ts";
import type { Config } from "./model.ts";
import type { ConfigProblem } from "./problem.ts";
import type { ReadRequest } from "./read.ts";

/** A list in a thing of the configuration that may be long, too. */
export type Inner = "accept" | "calls" | "sessions";

/** A part of a text, which comes before what it is a part of: all of it would be copied in one turn. */
export interface TextPart {
  readonly kind: "text";
  readonly part: string;
}

/** What is read; `known` is what the main isolate has already, and need not be handed over. */
export interface BesideRequest extends Omit<ReadRequest, "text"> {
  readonly kind: "read";
  readonly known: Marks | undefined;
}

/** What the worker is told; "taken": the next piece may come. */
export type ToBeside = TextPart | BesideRequest | "taken";

/** So many characters of a text are handed over at a time. */
const TEXT_PART = 1 << 18;

/** A text in parts. */
export function* partsOf(text: string): Generator<TextPart, void> {
  for (let at = 0; at < text.length; at += TEXT_PART) {
    yield { kind: "text", part: text.slice(at, at + TEXT_PART) };
  }
}

/** What the worker says: a configuration in pieces, none of which takes long to take in. */
export type BesideAnswer =
  /** A list: where its things are among those that are known; -1: they come as parts, in order. */
  | {
    readonly kind: "list";
    readonly key: LongList;
    readonly places: Int32Array<ArrayBuffer>;
    readonly marks: Uint8Array<ArrayBuffer>;
  }
  | { readonly kind: "part"; readonly key: LongList; readonly items: readonly Thing[] }
  /** More of a list in the last thing of the part before. */
  | {
    readonly kind: "more";
    readonly key: LongList;
    readonly inner: Inner;
    readonly items: readonly unknown[];
  }
  | TextPart
  /** All the rest; the text with the edits, where there are any, came in parts. */
  | {
    readonly kind: "whole";
    readonly config: Config;
    readonly warnings: readonly string[];
    readonly stands: readonly boolean[];
    readonly edited: boolean;
  }
  | { readonly kind: "wrong"; readonly problems: readonly ConfigProblem[]; readonly more: number }
  | { readonly kind: "failed"; readonly error: string };
