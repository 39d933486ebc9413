/** What the descriptions of routes are made of. @module */

import { type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Result } from "../../core/errors.ts";
import { check } from "../config/issues.ts";
import { formatPath } from "../config/problem.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import type { ApplianceApi } from "../appliance/api.ts";
import type { ApiDocument } from "./document.ts";
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
  /** The description of the API; with `tokens` that of one that asks for them. */
  describe(tokens: boolean): Promise<ApiDocument>;
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

const etag = z.string()
  .describe("The resource's version: changes with its attributes, not counters.");

/** A response of JSON that has a version. */
export function tagged<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { ...json(schema, description), headers: z.object({ etag }) };
}

/** The path of what was created. */
export const location = z.string().meta({
  format: "uri-reference",
  description: "The path of what was created.",
});

/** A response about what was created, and has a version. */
export function created<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { ...json(schema, description), headers: z.object({ etag, location }) };
}

/** A request body of JSON. */
export function body<Schema extends z.ZodType>(schema: Schema) {
  return { required: true, content: { "application/json": { schema } } };
}

/** What statuses mean, and the headers that they come with. */
const refusals = {
  400: { description: "The body is not JSON, says a key twice, or ended before its end." },
  401: {
    description: "The token is missing or wrong.",
    headers: z.object({ "www-authenticate": z.string() }),
  },
  403: { description: "A foreign Host or Origin, or the operating system does not permit it." },
  404: { description: "There is no such thing." },
  409: { description: "It clashes with what there is." },
  412: { description: "If-Match names another version." },
  413: { description: "The body is larger than 1 MiB, or has more than 10,000 keys." },
  415: {
    description: "The body is not declared as application/json.",
    headers: z.object({
      "accept-encoding": z.string().optional(),
      "accept-patch": z.string().optional(),
      "accept-post": z.string().optional(),
    }),
  },
  422: { description: "Something that was given is unknown, wrong, missing, or at odds." },
  500: { description: "An error in isthmus, told in its log." },
  503: {
    description: "What is asked for cannot be had now.",
    headers: z.object({
      "retry-after": z.string().optional().describe("Seconds until it may be tried again."),
    }),
  },
  507: { description: "A limit is reached." },
} as const;
type Refusal = keyof typeof refusals;

/** What any request with a body may come to. */
export const unread = [400, 413, 415] as const;

/** What any request may come to. */
const common = [401, 403, 422, 500, 503] as const;

/** Responses that say what went wrong; any may be one of {@linkcode common}. */
export function problems<Status extends Refusal>(...statuses: readonly Status[]) {
  const content = { "application/problem+json": { schema: problemSchema } };
  const all = [...common, ...statuses].map((status) => [
    status,
    { ...refusals[status as Refusal], content },
  ]);
  return Object.fromEntries(all) as {
    [Key in Status | (typeof common)[number]]: { description: string; content: typeof content };
  };
}

/** The request body of a change. */
export function patch<Schema extends z.ZodType>(schema: Schema) {
  const content = { "application/json": { schema }, "application/merge-patch+json": { schema } };
  return { required: true, content };
}

/** The request headers that make a change conditional (RFC 9110 §13.1). */
export const conditions = z.object({
  "if-match": z.string().optional().describe("Refuse with 412 unless this is still the ETag."),
  "if-none-match": z.string().optional()
    .describe("Refuse with 412 if this is still the ETag, or with `*` in any case."),
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
