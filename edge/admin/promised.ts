/** Holds what the endpoint answers against its description, in tests: every answer of every test. @module */

import assert from "node:assert/strict";
import type { OpenAPIHono } from "@hono/zod-openapi";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { atOnce } from "../slices.ts";
import type { ApplianceApi } from "../appliance/api.ts";
import { type AdminApp, type AdminOptions, createAdmin } from "./app.ts";
import { type ApiDocument, describeApi, type JsonSchema, type Operation } from "./document.ts";
import { memoryAppliance } from "./testing.ts";

/** An answer, as far as it is promised. */
export interface Answered {
  readonly method: string;
  /** With or without a query. */
  readonly path: string;
  readonly status: number;
  readonly headers: Headers;
  /** The whole body; of a stream, the data of one event. */
  readonly text: string;
}

/** Headers that mean something to clients, and are therefore described wherever they come. */
const meaningful = [
  ...[
    "etag",
    "location",
    "retry-after",
    "www-authenticate",
    "accept-patch",
    "accept-post",
    "accept-encoding",
  ],
];
/** What is answered where the description has nothing: no such path, method or host, no token. */
const elsewhere: ReadonlySet<number> = new Set([400, 401, 403, 404, 405, 413, 415]);

/** What the page is made of; no part of the API. */
const assets: Readonly<Record<string, string>> = {
  "/page.css": "text/css; charset=utf-8",
  "/page.js": "text/javascript; charset=utf-8",
};

/** A description that answers are held against. */
export interface Contract {
  /** @throws {AssertionError} where the description does not have such an answer */
  check(answered: Answered): void;
}

let common: Contract | undefined;

/** What any endpoint describes. */
function contractOfAll(): Contract {
  const log = { error() {}, info() {}, warn() {} };
  const app = createAdmin(memoryAppliance(), { version: "1", plugins: [], log });
  const options = { version: "1", tokens: true, open: new Set<string>() };
  return common ??= contract(atOnce(describeApi(app, options)));
}

/** Takes a description at its word: what it does not name, there must not be. */
export function contract(document: ApiDocument): Contract {
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateSchema: true });
  (formats as unknown as (ajv: Ajv2020) => void)(ajv);
  ajv.addSchema({ $id: "isthmus", ...closed(document) as object });
  const known = new Map<string, ValidateFunction>();
  const validatorOf = (at: readonly string[]) => {
    const pointer = `isthmus#/${at.map(escaped).join("/")}`;
    const found = known.get(pointer) ?? ajv.compile({ $ref: pointer });
    known.set(pointer, found);
    return found;
  };
  return {
    check(answered) {
      const { headers, method, path, status, text } = answered;
      const what = `${method} ${path} answered ${status}`;
      assert.equal(headers.get("cache-control"), "no-store", what);
      if (status === 200 && assets[path] !== undefined) {
        return assert.equal(headers.get("content-type"), assets[path], what);
      }
      const [pattern, item] = find(document, path) ?? [];
      if (method === "OPTIONS" && pattern && status === 204) {
        return assert.ok(headers.get("allow")?.includes("OPTIONS") && text === "", what);
      }
      const name = method === "HEAD" ? "get" : method.toLowerCase();
      const operation = item?.[name];
      if (!pattern || !operation) {
        assert.ok(elsewhere.has(status), `${what}, and is not described`);
        const problem = validatorOf(["components", "schemas", "Problem"]);
        return method === "HEAD" ? undefined : valid(problem, JSON.parse(text), what);
      }
      const response = operation.responses[status];
      assert.ok(response, `${what}, which is not described: ${text}`);
      checkHeaders(response, headers, what);
      if (!response.content) return assert.equal(text, "", what);
      const type = headers.get("content-type")?.split(";")[0] ?? "";
      assert.ok(type in response.content, `${what} in ${type}, which is not described`);
      if (method === "HEAD") return assert.equal(text, "", what);
      const at = ["paths", pattern, name, "responses", `${status}`, "content", type, "schema"];
      valid(validatorOf(at), /json|event-stream/.test(type) ? JSON.parse(text) : text, what);
    },
  };
}

function checkHeaders(
  { headers: described = {} }: Operation["responses"][string],
  headers: Headers,
  what: string,
): void {
  for (const name of meaningful) {
    if (headers.has(name)) assert.ok(described[name], `${what} with ${name}, not described`);
  }
  for (const [name, { required }] of Object.entries(described)) {
    if (required) assert.ok(headers.has(name), `${what} without ${name}`);
  }
}

function valid(validate: ValidateFunction, value: unknown, what: string): void {
  if (validate(value)) return;
  const errors = validate.errors!.map(({ instancePath, message, params }) =>
    `${instancePath} ${message} ${JSON.stringify(params)}`
  );
  assert.fail(`${what}, which does not fit: ${errors.join("; ")}\n${JSON.stringify(value)}`);
}

function find(document: ApiDocument, path: string) {
  const given = path.split("?")[0]!.split("/");
  return Object.entries(document.paths).find(([pattern]) => {
    const parts = pattern.split("/");
    return parts.length === given.length &&
      parts.every((part, i) => part.startsWith("{") ? given[i] !== "" : part === given[i]);
  });
}

/** The same, with nothing allowed in objects that is not named. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [key, closed(value)]),
  ) as JsonSchema;
  return inner.type === "object" && "properties" in inner && !("additionalProperties" in inner)
    ? { ...inner, additionalProperties: false }
    : inner;
}

/** A key in a JSON pointer that is a fragment (RFC 6901 §6). */
function escaped(key: string): string {
  return encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1"));
}

/**
 * Has every answer of an app held against its description, by whichever way it is asked. What does not fit ends the
 * test run, and the answer comes all the same.
 */
function promised<App extends OpenAPIHono>(app: App): App {
  const plain = app.fetch.bind(app);
  app.fetch = async (request, ...rest) => {
    const response = await plain(request, ...rest);
    return await held(contractOfAll(), request.method, request.url, response);
  };
  return app;
}

/** An endpoint in tests: each of its answers is held against its description. */
export function checkedAdmin(api: ApplianceApi, options: Partial<AdminOptions> = {}): AdminApp {
  const silent = { error() {}, info() {}, warn() {} };
  return promised(createAdmin(api, { version: "1", plugins: [], log: silent, ...options }));
}

/** Asks an endpoint of another process: as `fetch` does, and the answer is held against the description. */
export async function checkedFetch(
  url: string,
  init: RequestInit & { readonly client?: Deno.HttpClient } = {},
): Promise<Response> {
  return await held(contractOfAll(), init.method ?? "GET", url, await fetch(url, init));
}

/** An answer that a contract was held against; of a stream, each event as it passes. */
async function held(
  contract: Contract,
  method: string,
  url: string,
  response: Response,
): Promise<Response> {
  const { headers, status } = response;
  const { pathname, search } = new URL(url);
  const check = (text: string) =>
    loudly(() => contract.check({ method, path: `${pathname}${search}`, status, headers, text }));
  if (!headers.get("content-type")?.startsWith("text/event-stream")) {
    check(await response.clone().text());
    return response;
  }
  if (!response.body) {
    check("");
    return response;
  }
  return new Response(watched(response.body, check), { status, headers });
}

/** A stream of server-sent events, and tells each one's data. */
function watched(body: ReadableStream<Uint8Array<ArrayBuffer>>, tell: (data: string) => void) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) return controller.close();
      controller.enqueue(value);
      const events = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = events.pop()!;
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event)?.[1];
        if (data !== undefined) tell(data);
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}

/** Whoever asked may look at nothing but the status: the run fails by itself. */
function loudly(work: () => void): void {
  try {
    work();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
