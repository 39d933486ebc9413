/** Lists in pages: keyset pagination, so that what comes and goes between two pages disturbs neither. Pure. @module */

import { z } from "@hono/zod-openapi";
import { FaultsError } from "./problem.ts";

/** The largest page, and the size of one that was not asked for by size. */
export const maxLimit = 10_000;
const defaultLimit = 1000;

/** The query parameters of every list. */
export const pageQuery = z.object({
  limit: z.coerce.number({ error: `expected a whole number from 1 to ${maxLimit}` })
    .int({ error: `expected a whole number from 1 to ${maxLimit}` })
    .min(1, { error: `expected a whole number from 1 to ${maxLimit}` })
    .max(maxLimit, { error: `expected a whole number from 1 to ${maxLimit}` })
    .default(defaultLimit)
    .describe("How many items the page may hold."),
  cursor: z.string().optional().describe("The `next` of the page before."),
}).strict();
export type PageQuery = z.output<typeof pageQuery>;

/** An item's place in the list, most significant number first. */
type Key = readonly number[];

/** The items after the cursor, by ascending key, and the next page's cursor if there is one. */
export function page<Item>(
  items: readonly Item[],
  keyOf: (item: Item) => Key,
  { limit, cursor }: PageQuery,
): { readonly items: Item[]; readonly next?: string } {
  const after = cursor === undefined ? undefined : parseCursor(cursor);
  const rest: { readonly item: Item; readonly key: Key }[] = [];
  for (const item of items) {
    const key = keyOf(item);
    if (after === undefined || compare(key, after) > 0) rest.push({ item, key });
  }
  const taken = rest.sort((a, b) => compare(a.key, b.key)).slice(0, limit);
  const last = taken.at(-1);
  return {
    items: taken.map(({ item }) => item),
    ...(last && rest.length > limit && { next: last.key.join(".") }),
  };
}

function parseCursor(cursor: string): Key {
  if (!/^\d{1,10}(\.\d{1,10})?$/.test(cursor)) {
    throw new FaultsError([{ attribute: "cursor", message: "expected the next of another page" }]);
  }
  return cursor.split(".").map(Number);
}

function compare(a: Key, b: Key): number {
  for (let i = 0; i < a.length; i++) {
    const difference = a[i]! - (b[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}
