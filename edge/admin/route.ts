/** What the descriptions of routes are made of. @module */

import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Result } from "../../core/errors.ts";
import { check } from "../config/issues.ts";
import { formatPath } from "../config/problem.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import type { ApplianceApi } from "../appliance/api.ts";
import type { Metrics } from "./metrics.ts";
import type { Streams } from "./streams.ts";
import { FaultsError, problemSchema } from "./problem.ts";
import { readOnly, type ResultQuery } from "./schemas.ts";

/** What routes work on. */
export interface RouteContext {
  readonly app: OpenAPIHono;
  readonly api: ApplianceApi;
  readonly metrics: Metrics;
  readonly plugins: readonly Plugin[];
  /** Places for answers without an end. */
  readonly streams: Streams;
  /** Unix milliseconds. */
  now(): number;
  /** Runs one change at a time, so that nothing comes between a check of `If-Match` and the change. */
  change<T>(work: () => Promise<T>): Promise<T>;
}

/** A response of JSON. */
export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** A response of JSON that has a version. */
export function tagged<Schema extends z.ZodType>(schema: Schema, description: string) {
  const headers = z.object({
    etag: z.string().describe("The resource's version: changes with its attributes, not counters."),
  });
  return { ...json(schema, description), headers };
}

/** A request body of JSON. */
export function body<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { "application/json": { schema } } };
}

/** Responses that say what went wrong; every route may also give 401, 403 and 500. */
export function problems<Status extends number>(...statuses: Status[]) {
  const response = {
    description: "The request was refused.",
    content: { "application/problem+json": { schema: problemSchema } },
  };
  return Object.fromEntries([401, 403, 500, ...statuses].map((status) => [status, response])) as {
    [Key in Status | 401 | 403 | 500]: typeof response;
  };
}

/** The request header that makes a change conditional. */
export const ifMatch = z.object({
  "if-match": z.string().optional().describe("Refuse with 412 unless this is still the ETag."),
});

export const tunnelParam = z.object({
  tunnel: z.string().describe("The tunnel's id at this end, or its name."),
});
export const sessionParam = tunnelParam.extend({
  session: z.string().describe("The session's id at this end, or its name."),
});

/** What a deletion is to tell the peer, if anything. @throws {FaultsError} where it says how without saying what */
export function resultOf({ error, message, result }: ResultQuery): Result | undefined {
  if (result !== undefined) {
    return {
      result,
      ...(error !== undefined && { error }),
      ...(message !== undefined && { message }),
    };
  }
  const [attribute] = Object.entries({ error, message })
    .flatMap(([name, value]) => value === undefined ? [] : [name]);
  if (attribute === undefined) return undefined;
  throw new FaultsError([{ attribute, message: "needs a result, too" }]);
}

/** Refuses requests that do not fit a route's schemas, with all that is wrong with them. */
export function explain(schemas: { readonly json?: z.ZodType; readonly query?: z.ZodType }) {
  return (
    result: { readonly success: boolean; readonly data?: unknown; readonly target: string },
  ): undefined => {
    if (result.success) return;
    const schema = schemas[result.target as keyof typeof schemas] ?? z.unknown();
    const checked = check(schema, result.data, []);
    if (checked.ok) return;
    throw new FaultsError(
      checked.issues.map(({ path, message, at }) => ({
        attribute: formatPath(path),
        message: at === "key" && path.length === 1 && readOnly.has(String(path[0]))
          ? "only the appliance sets this; leave it out"
          : message,
      })),
      checked.more,
    );
  };
}
