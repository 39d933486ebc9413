/** The admin endpoint as the commands ask it. @module */

import { Refused, RequestError, UsageError } from "./errors.ts";
import { isRecord, parseJson } from "./json.ts";

/** A connection to the admin endpoint. */
export interface Client extends Disposable {
  /**
   * Sends a request and gives the answer's JSON; undefined where there is none.
   * @throws {Refused} with what is wrong with it
   * @throws {RequestError} when it was refused otherwise, or could not be asked
   */
  request(
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    body?: unknown,
  ): Promise<unknown>;
  /** Asks and gives the answer as it comes, whatever it is. @throws {RequestError} when nobody could be asked */
  get(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response>;
  /** What follows of server-sent events, until the appliance ends it. @throws {RequestError} as {@linkcode request} */
  follow(path: string): AsyncGenerator<FollowedEvent>;
}

/** One server-sent event. */
export interface FollowedEvent {
  readonly event: string;
  /** The JSON of it. */
  readonly data: unknown;
}

/** How long an answer may take, in milliseconds. */
const timeoutMs = 30_000;
/** The same of what changes something: a reload of very many tunnels takes its time. */
const changeMs = 600_000;

/** Makes a client for `http://host:port`, `https://…` or `unix:/path`. @throws {UsageError} when `url` is none of these */
export function openClient(url: string, token?: string): Client {
  const { base, path } = target(url);
  const client = path === undefined ? undefined : socketClient(url, path);

  async function send(
    method: string,
    path: string,
    body?: unknown,
    signal: AbortSignal = AbortSignal.timeout(method === "GET" ? timeoutMs : changeMs),
    more: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    try {
      return await fetch(`${base}${path}`, {
        method,
        redirect: "error",
        signal,
        headers: {
          ...more,
          ...(body !== undefined && { "content-type": "application/json" }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        ...(client && { client }),
      });
    } catch (error) {
      throw unreachable(url, error);
    }
  }

  return {
    async request(method, path, body) {
      const response = await send(method, path, body);
      const text = await response.text();
      if (!response.ok) throw refusal(response.status, text);
      if (text === "") return undefined;
      const value = parseJson(text);
      if (value === undefined) throw new RequestError(`${url} does not answer as isthmus does`);
      return value;
    },
    get: (path, headers, signal) => send("GET", path, undefined, signal, headers),
    async *follow(path) {
      const stop = new AbortController();
      const late = setTimeout(() => stop.abort(new DOMException("", "TimeoutError")), timeoutMs);
      try {
        const response = await send("GET", path, undefined, stop.signal);
        clearTimeout(late);
        if (!response.ok) throw refusal(response.status, await response.text());
        yield* serverSentEvents(response.body!);
      } finally {
        clearTimeout(late);
        stop.abort();
      }
    },
    [Symbol.dispose]: () => client?.close(),
  };
}

/** The events of a stream (HTML Living Standard §9.2), as far as the appliance writes them. */
async function* serverSentEvents(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<FollowedEvent> {
  let rest = "";
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop()!;
    for (const block of blocks) {
      const said = new Map(
        block.split("\n").map((line) => [/^[^:]*/.exec(line)![0], line.replace(/^[^:]*: ?/, "")]),
      );
      const data = parseJson(said.get("data") ?? "");
      if (data !== undefined) yield { event: said.get("event") ?? "message", data };
    }
  }
}

/** @throws {RequestError} where Deno does not allow it */
function socketClient(url: string, path: string): Deno.HttpClient {
  try {
    return Deno.createHttpClient({ proxy: { transport: "unix", path } });
  } catch (error) {
    throw unreachable(url, error);
  }
}

function unreachable(url: string, error: unknown): RequestError {
  return new RequestError(`cannot reach isthmus at ${url}: ${reason(error)}`, { cause: error });
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
function refusal(status: number, text: string): RequestError {
  const problem = parseJson(text);
  if (!isRecord(problem) || typeof problem["detail"] !== "string") {
    return new RequestError(`the answer was HTTP status ${status}`);
  }
  const errors = Array.isArray(problem["errors"]) ? problem["errors"].filter(isRecord) : [];
  const faults = errors.map(({ attribute, message }) => ({
    attribute: String(attribute),
    message: String(message),
  }));
  if (faults.length > 0) return new Refused(faults, Number(problem["more"] ?? 0));
  const hint = status === 401 ? " (--token-file, ISTHMUS_TOKEN_FILE or ISTHMUS_TOKEN)" : "";
  return new RequestError(problem["detail"] + hint);
}

/** Why a request did not come through, in few words. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return "no answer in time";
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
    "Deno may not open it; expected ISTHMUS_WRITE=FOLDER for the launcher, or --allow-write",
  ],
  [/dns error|failed to lookup/i, "there is no such host"],
  [/unreachable/i, "no route to the host"],
];
