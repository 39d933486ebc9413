/** The admin endpoint as the commands ask it. @module */

import { RequestError, UsageError } from "./errors.ts";
import { isRecord, parseJson } from "./json.ts";

/** A connection to the admin endpoint. */
export interface Client extends Disposable {
  /**
   * Sends a request and gives the answer's JSON; undefined where there is none.
   * @throws {RequestError} when it was refused or could not be asked
   */
  request(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
  ): Promise<unknown>;
}

/** How long an answer may take, in milliseconds. */
const timeoutMs = 30_000;

/** Makes a client for `http://host:port`, `https://…` or `unix:/path`. @throws {UsageError} when `url` is none of these */
export function openClient(url: string, token?: string): Client {
  const { base, path } = target(url);
  const client = path === undefined
    ? undefined
    : Deno.createHttpClient({ proxy: { transport: "unix", path } });

  async function send(method: string, path: string, body: unknown): Promise<Response> {
    try {
      return await fetch(`${base}${path}`, {
        method,
        redirect: "error",
        signal: AbortSignal.timeout(timeoutMs),
        headers: {
          ...(body !== undefined && { "content-type": "application/json" }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(client && { client }),
      });
    } catch (error) {
      throw new RequestError(`cannot reach isthmus at ${url}: ${reason(error)}`, { cause: error });
    }
  }

  return {
    async request(method, path, body) {
      const response = await send(method, path, body);
      const text = await response.text();
      if (!response.ok) throw new RequestError(refusal(response.status, text));
      if (text === "") return undefined;
      const value = parseJson(text);
      if (value === undefined) throw new RequestError(`${url} does not answer as isthmus does`);
      return value;
    },
    [Symbol.dispose]: () => client?.close(),
  };
}

function target(url: string): { readonly base: string; readonly path?: string } {
  if (url.startsWith("unix:")) {
    const path = url.slice("unix:".length).replace(/^\/\/(?=\/)/, "");
    if (!path.startsWith("/")) throw new UsageError(`--url ${url}: expected unix: and a path`);
    return { base: "http://localhost", path };
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username !== "") {
    throw new UsageError(`--url ${url}: expected http://host:port or unix:/path`);
  }
  return { base: `${parsed.origin}${parsed.pathname.replace(/\/$/, "")}` };
}

/** What is wrong in which attribute, a line each, or else the problem's detail (RFC 9457). */
function refusal(status: number, text: string): string {
  const problem = parseJson(text);
  if (!isRecord(problem) || typeof problem["detail"] !== "string") {
    return `the answer was HTTP status ${status}`;
  }
  const errors = Array.isArray(problem["errors"]) ? problem["errors"].filter(isRecord) : [];
  const lines = errors.map(({ attribute, message }) =>
    attribute === "" ? String(message) : `${attribute}: ${message}`
  );
  const hint = status === 401 ? " (--token-file, ISTHMUS_TOKEN_FILE or ISTHMUS_TOKEN)" : "";
  return lines.length > 0 ? lines.join("\n") : problem["detail"] + hint;
}

/** Why a request did not come through, in few words. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer in ${timeoutMs / 1000} s`;
  const all = `${error.message} ${error.cause instanceof Error ? error.cause.message : ""}`;
  const known = reasons.find(([pattern]) => pattern.test(all));
  return known?.[1] ?? error.message;
}

const reasons: readonly (readonly [RegExp, string])[] = [
  [/connection refused/i, "connection refused; does it run there? (--url, ISTHMUS_URL)"],
  [/no such file/i, "there is no such socket; does it run? (--url, ISTHMUS_URL)"],
  [/permission denied/i, "permission denied; expected root, or a user of the socket's group"],
  [
    /requires .*access/i,
    "Deno may not open it; expected --allow-write for its folder, as the launcher says",
  ],
  [/dns error|failed to lookup/i, "there is no such host"],
  [/unreachable/i, "no route to the host"],
];
