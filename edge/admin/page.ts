/** Lists in pages: keyset pagination, so that what comes and goes between two pages disturbs neither. Pure. @module */

import { z } from "@hono/zod-openapi";
import { FaultsError } from "./problem.ts";

/** The largest page. */
export const maxLimit = 1000;

/** The query parameters of every list. */
export const pageQuery = z.object({
  limit: z.coerce.number({ error: `expected a whole number from 1 to ${maxLimit}` })
    .int({ error: `expected a whole number from 1 to ${maxLimit}` })
    .min(1, { error: `expected a whole number from 1 to ${maxLimit}` })
    .max(maxLimit, { error: `expected a whole number from 1 to ${maxLimit}` })
    .default(maxLimit)
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
  const rest = items
    .map((item) => ({ item, key: keyOf(item) }))
    .filter(({ key }) => after === undefined || compare(key, after) > 0)
    .sort((a, b) => compare(a.key, b.key));
  const taken = rest.slice(0, limit);
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
  for (const [i, value] of a.entries()) {
    const difference = value - (b[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}
