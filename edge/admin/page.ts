/** Lists in pages: keyset pagination, so that what comes and goes between two pages disturbs neither. Pure. @module */

import { z } from "@hono/zod-openapi";
import type { PageAsked, SessionPlace, TunnelPlace } from "../appliance/api.ts";
import { FaultsError } from "./problem.ts";

/** A number in a query: digits, and nothing else that could be read as one. */
export function wholeParameter(min: number, max: number, error: string) {
  return z.preprocess(
    (given) => typeof given === "string" && /^\d{1,15}$/.test(given) ? Number(given) : given,
    z.int({ error }).min(min, { error }).max(max, { error }),
  );
}

/** The largest page, and the size of one that was not asked for by size. */
export const maxLimit = 10_000;
const defaultLimit = 1000;

/** The query parameters of every list. */
export const pageQuery = z.object({
  limit: wholeParameter(1, maxLimit, `expected a whole number from 1 to ${maxLimit}`)
    .default(defaultLimit)
    .describe("How many items the page may hold."),
  cursor: z.string().optional().describe("The `next` of the page before."),
}).strict();
export type PageQuery = z.output<typeof pageQuery>;

/** Places in a list as text, which clients hand back as they got it. */
export interface Places<Place> {
  format(place: Place): string;
  /** Undefined where it is none. */
  parse(text: string): Place | undefined;
}

/** `<tunnel id>.<name>`. */
export const tunnelPlaces: Places<TunnelPlace> = {
  format: ({ id, name }) => `${id}.${name}`,
  parse(text) {
    const [, id, name] = /^(\d{1,10})\.(.{0,253})$/.exec(text) ?? [];
    return id === undefined ? undefined : { id: Number(id), name: name! };
  },
};

/** `<tunnel id>.<session id>`. */
export const sessionPlaces: Places<SessionPlace> = {
  format: ({ id, tunnelId }) => `${tunnelId}.${id}`,
  parse(text) {
    const [, tunnelId, id] = /^(\d{1,10})\.(\d{1,10})$/.exec(text) ?? [];
    return id === undefined ? undefined : { tunnelId: Number(tunnelId), id: Number(id) };
  },
};

/** What a query asks for. @throws {FaultsError} where its cursor is none */
export function askedFor<Place>(
  { cursor, limit }: PageQuery,
  places: Places<Place>,
): PageAsked<Place> {
  if (cursor === undefined) return { limit };
  const after = places.parse(cursor);
  if (after !== undefined) return { after, limit };
  throw new FaultsError([{ attribute: "cursor", message: "expected the next of another page" }]);
}
