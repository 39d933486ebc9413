/** Asks an app in tests, and holds every answer against the schema that its route promises. @module */

import assert from "node:assert/strict";
import type { OpenAPIHono, RouteConfig } from "@hono/zod-openapi";
import { z } from "zod";
import { createAdmin } from "./app.ts";
import { type MemoryAppliance, tapPlugin } from "./testing.ts";

/** An answer, its JSON parsed. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // Tests look into it as they expect it; `assert` finds out whether they are right.
  readonly body: Record<string, unknown>;
}

/** What a request may carry besides method and path. */
export interface AskOptions {
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly raw?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a request and checks that the answer is one that the API's description promises. */
export type Ask = (method: string, path: string, options?: AskOptions) => Promise<Answer>;

/** What the app logged as errors. */
export const version = "1.2.3";

/** An app over `api` and a way to ask it; `errors` gets what it logs. */
export function asking(api: MemoryAppliance, errors: string[] = []): Ask & { app: OpenAPIHono } {
  const app = createAdmin(api, {
    version,
    plugins: [tapPlugin],
    log: {
      error: (message, fields) => errors.push(`${message} ${JSON.stringify(fields)}`),
      info: () => {},
      warn: () => {},
    },
    refusalDelayMs: 0,
    now: () => api.startedAt + 1500,
  });
  const ask: Ask = async (method, path, { json, raw, headers } = {}) => {
    const body = json === undefined ? raw : JSON.stringify(json);
    const response = await app.request(`http://127.0.0.1:8701${path}`, {
      method,
      headers: { ...(json !== undefined && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { body }),
    });
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    const answer = {
      status: response.status,
      headers: response.headers,
      text,
      body: type.includes("json") ? JSON.parse(text) : {},
    };
    promised(app, method, path, answer, type);
    return answer;
  };
  return Object.assign(ask, { app });
}

/** The routes of the API's description. */
export function described(app: OpenAPIHono): RouteConfig[] {
  return app.openAPIRegistry.definitions.flatMap((definition) =>
    definition.type === "route" ? [definition.route] : []
  );
}

function promised(app: OpenAPIHono, method: string, path: string, answer: Answer, type: string) {
  assert.equal(answer.headers.get("cache-control"), "no-store");
  const route = described(app).find((route) =>
    route.method === method.toLowerCase() && matches(route.path, path)
  );
  if (!route) return assert.ok(answer.status >= 400, `${method} ${path} is not described`);
  const response = route.responses[answer.status];
  assert.ok(response, `${method} ${path} does not promise ${answer.status}: ${answer.text}`);
  const content = "content" in response ? response.content : undefined;
  const media = content?.[type.split(";")[0]! as keyof typeof content];
  if (!content) return assert.equal(answer.text, "");
  assert.ok(media, `${method} ${path} does not promise ${type}`);
  const schema = (media as { schema: unknown }).schema;
  assert.ok(schema instanceof z.ZodType);
  const value = type.includes("json") ? answer.body : answer.text;
  assert.deepEqual(schema.parse(value), value, "it has keys that the schema does not know");
}

function matches(pattern: string, path: string): boolean {
  const given = path.split("?")[0]!.split("/");
  const parts = pattern.split("/");
  return parts.length === given.length &&
    parts.every((part, i) => part.startsWith("{") || part === given[i]);
}
