/**
 * `isthmus web`: the appliance's page in a browser of this machine. The admin endpoint is a Unix socket or wants a token,
 * neither of which a browser has; so this serves the page on loopback, to the one who has the address that it prints.
 *
 * @module
 */

import { equalConstantTime } from "../../core/wire/bytes.ts";
import type { Client } from "./client.ts";
import { RequestError } from "./errors.ts";

/** What of the endpoint's answers reaches the browser. */
const passed = [
  ...["content-type", "content-security-policy", "referrer-policy", "cache-control", "vary"],
  ...["x-content-type-options", "cross-origin-opener-policy", "cross-origin-resource-policy"],
];

const COOKIE = "isthmus";

export interface WebOptions {
  /** Where to listen on 127.0.0.1; 0: anywhere. */
  readonly port: number;
  stdout(text: string): void;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

/** Serves the page until it is told to end. @throws {RequestError} where the appliance does not answer */
export async function web(client: Client, { port, signal, stdout }: WebOptions): Promise<void> {
  await client.request("GET", "/healthz");
  const guard = makeGuard();
  const server = listen(port, signal, (request) => guard(request) ?? relay(client, request));
  stdout(`http://127.0.0.1:${server.addr.port}/?once=${guard.key}\n`);
  await server.finished;
}

type Handler = (request: Request) => Response | Promise<Response>;

function listen(port: number, signal: AbortSignal | undefined, handler: Handler) {
  const options = { hostname: "127.0.0.1", port, onListen() {}, ...(signal && { signal }) };
  try {
    return Deno.serve(options, handler);
  } catch (error) {
    const why = error instanceof Deno.errors.AddrInUse ? "in use" : String(error);
    throw new RequestError(`cannot listen on 127.0.0.1:${port}: ${why}`, { cause: error });
  }
}

/**
 * Lets in who comes with the key, once; later requests bear a cookie that was given for it. What another page could make
 * a browser ask for (by a name that was rebound to this address, or across sites) is refused.
 */
function makeGuard(): ((request: Request) => Response | undefined) & { readonly key: string } {
  const secret = () => crypto.getRandomValues(new Uint8Array(24)).toHex();
  const key = secret();
  const cookie = secret();
  let fresh = true;
  const guard = (request: Request): Response | undefined => {
    const url = new URL(request.url);
    if (!/^(127\.0\.0\.1|localhost)$/.test(url.hostname)) {
      return refuse(403, "another host is meant");
    }
    if (request.method !== "GET" && request.method !== "HEAD") {
      return refuse(405, "this page changes nothing");
    }
    const given = url.searchParams.get("once");
    if (given !== null) {
      if (!fresh || !same(given, key)) return refuse(403, "this address was used already");
      fresh = false;
      const bearer = `${COOKIE}=${cookie}; HttpOnly; SameSite=Strict; Path=/`;
      return new Response(null, { status: 303, headers: { location: "/", "set-cookie": bearer } });
    }
    const borne = new RegExp(`(?:^|; )${COOKIE}=([^;]*)`).exec(request.headers.get("cookie") ?? "");
    if (borne && same(borne[1]!, cookie)) return undefined;
    return refuse(403, "run `isthmus web` and open the address that it prints");
  };
  return Object.assign(guard, { key });
}

function same(a: string, b: string): boolean {
  const [x, y] = [a, b].map((text) => new TextEncoder().encode(text));
  return equalConstantTime(x!, y!);
}

function refuse(status: number, why: string): Response {
  return new Response(`${why}\n`, { status, headers: { "content-type": "text/plain" } });
}

/** Asks the appliance what the browser asks. */
async function relay(client: Client, request: Request): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  try {
    const accept = request.headers.get("accept") ?? "*/*";
    // When the browser goes, the answer's body is cancelled, and with it the request.
    const answer = await client.get(
      `${pathname}${search}`,
      { accept },
      new AbortController().signal,
    );
    const headers = passed.flatMap((name) => {
      const value = answer.headers.get(name);
      return value === null ? [] : [[name, value] as [string, string]];
    });
    return new Response(answer.body, { status: answer.status, headers });
  } catch (error) {
    return refuse(502, error instanceof Error ? error.message : String(error));
  }
}
