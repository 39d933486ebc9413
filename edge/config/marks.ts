/** Marks: what tells things of a configuration from one another, without looking at them. @module */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { serialize } from "node:v8";
import type { Config } from "./model.ts";

/** The lists of a configuration that may be very long. */
export const longLists = ["circuits", "peers", "tunnels", "managed"] as const;
export type LongList = typeof longLists[number];

/** A thing of one of these lists. */
export type Thing = Config[LongList][number];

/** The marks of each list's things: as many octets each, one mark after the other. */
export type Marks = Readonly<Record<LongList, Uint8Array<ArrayBuffer>>>;

/** Octets of a SHA-256 digest: two things that differ never have the same. */
const LENGTH = 16;

/** The marks of a list. */
export function marksOf(items: readonly Thing[]): Uint8Array<ArrayBuffer> {
  const marks = new Uint8Array(items.length * LENGTH);
  for (const [i, item] of items.entries()) {
    const digest = createHash("sha256").update(serialize(item)).digest();
    marks.set(digest.subarray(0, LENGTH), i * LENGTH);
  }
  return marks;
}

/** Where each thing with one of `marks` is among those with `known`; -1: nowhere. */
export function placesOf(
  marks: Uint8Array<ArrayBuffer>,
  known: Uint8Array<ArrayBuffer>,
): Int32Array<ArrayBuffer> {
  const places = new Map(words(known).map((mark, i) => [mark, i]));
  return Int32Array.from(words(marks), (mark) => places.get(mark) ?? -1);
}

function words({ buffer }: Uint8Array<ArrayBuffer>): string[] {
  const bytes = Buffer.from(buffer);
  return Array.from(
    { length: bytes.length / LENGTH },
    (_, i) => bytes.toString("latin1", i * LENGTH, (i + 1) * LENGTH),
  );
}
