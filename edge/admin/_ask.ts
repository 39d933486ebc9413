/** Asks an app in tests; every answer is held against the description of the API. @module */

import type { OpenAPIHono } from "@hono/zod-openapi";
import { checkedAdmin } from "./promised.ts";
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
  const app = checkedAdmin(api, {
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
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: type.includes("json") && text !== "" ? JSON.parse(text) : {},
    };
  };
  return Object.assign(ask, { app });
}
