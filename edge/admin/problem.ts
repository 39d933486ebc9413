/** Errors as `application/problem+json` (RFC 9457). @module */

import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "@hono/zod-openapi";
import { ApplianceError } from "../appliance/errors.ts";
import { maxIssues } from "../config/issues.ts";
import { formatPath } from "../config/problem.ts";
import type { Repeated } from "../config/repeated_keys.ts";

/** One thing wrong with a request, by the attribute or parameter it is in. */
export interface Fault {
  readonly attribute: string;
  readonly message: string;
}

/** What every response that is no success carries. */
export const problemSchema = z.object({
  type: z.string().describe("about:blank, or a URN that names the kind of problem."),
  title: z.string().describe("The kind of problem; the same for every problem of its type."),
  status: z.int().describe("The HTTP status."),
  detail: z.string().describe("What went wrong this time."),
  instance: z.string().meta({ format: "uri-reference" }).describe("The path that was asked for."),
  errors: z.array(z.object({ attribute: z.string(), message: z.string() })).optional()
    .describe("What is wrong in which attribute: the first 20."),
  more: z.int().optional().describe("How many more there are."),
}).meta({ id: "Problem" });

/** The kinds of problem that are isthmus' own, and their HTTP statuses: the codes of {@linkcode ApplianceError}, and one more. */
const kinds = {
  "not-found": { status: 404, title: "No such resource" },
  "exists": { status: 409, title: "Already there" },
  "invalid": { status: 422, title: "Invalid attributes" },
  "in-use": { status: 409, title: "In use" },
  "limit": { status: 507, title: "Limit reached" },
  "unavailable": { status: 503, title: "Unavailable" },
  "needs-force": { status: 409, title: "Ends too much" },
  "not-permitted": { status: 403, title: "Not permitted" },
  "repeated-key": { status: 400, title: "A key is given twice" },
} as const satisfies Record<
  ApplianceError["code"] | "repeated-key",
  { status: ContentfulStatusCode; title: string }
>;

/** HTTP's own problems: their type is `about:blank`, their title the status' phrase. */
const phrases = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  500: "Internal Server Error",
  503: "Service Unavailable",
} as const;

/** A problem of HTTP itself. */
export function httpProblem(
  c: Context,
  status: keyof typeof phrases,
  detail: string,
  headers: Record<string, string> = {},
  errors?: readonly Fault[],
): Response {
  return respond(c, "about:blank", phrases[status], status, detail, errors, headers);
}

/** A problem of the request's meaning. */
export function apiProblem(
  c: Context,
  code: keyof typeof kinds,
  detail: string,
  errors?: readonly Fault[],
  more = 0,
): Response {
  const { status, title } = kinds[code];
  return respond(c, `urn:isthmus:problem:${code}`, title, status, detail, errors, {}, more);
}

/** All faults of one request, under the first one's message. */
export function faultsProblem(c: Context, all: readonly Fault[], uncounted = 0): Response {
  const faults = all.slice(0, maxIssues);
  const more = all.length - faults.length + uncounted;
  const [first] = faults;
  const others = all.length - 1 + uncounted;
  const rest = others > 0 ? ` (and ${others} more)` : "";
  const detail = first ? `${label(first)}${first.message}${rest}` : "the request is invalid";
  return apiProblem(c, "invalid", detail, faults, more);
}

/** A body that says a key twice: which of the two is meant, nobody can know (RFC 8259 §4). */
export function repeatedProblem(c: Context, { column, line, path }: Repeated): Response {
  const attribute = formatPath(path);
  const message = `given twice, again at line ${line}, column ${column}; expected each key once`;
  return apiProblem(c, "repeated-key", `${attribute}: ${message}`, [{ attribute, message }]);
}

/** What the appliance refused to do. */
export function applianceProblem(c: Context, error: ApplianceError): Response {
  const { attribute, code, message } = error;
  return apiProblem(
    c,
    code,
    message,
    attribute === undefined ? undefined : [{ attribute, message }],
  );
}

/** Thrown by handlers when a request's attributes are wrong; answered with all of its faults. */
export class FaultsError extends Error {
  override readonly name = "FaultsError";
  /** @param more how many there are besides */
  constructor(readonly faults: readonly Fault[], readonly more: number = 0) {
    super(faults.map((fault) => label(fault) + fault.message).join("; "));
  }
}

/** Thrown when `If-Match` names another version than the one there is (RFC 9110 §13.1.1). */
export class PreconditionError extends Error {
  override readonly name = "PreconditionError";
}

function label({ attribute }: Fault): string {
  return attribute === "" ? "" : `${attribute}: `;
}

function respond(
  c: Context,
  type: string,
  title: string,
  status: ContentfulStatusCode,
  detail: string,
  errors?: readonly Fault[],
  headers: Record<string, string> = {},
  more = 0,
): Response {
  const body = {
    ...{ type, title, status, detail, instance: new URL(c.req.url).pathname },
    ...(errors && { errors }),
    ...(more > 0 && { more }),
  };
  return c.body(JSON.stringify(body), status, {
    "content-type": "application/problem+json",
    ...headers,
  });
}
