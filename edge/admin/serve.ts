/** Where the admin endpoint meets a socket: TCP, or a Unix socket that only its owner and group may open. @module */

import { isLoopback } from "../../core/endpoint.ts";
import type { AdminConfig } from "../config/model.ts";

/** An endpoint that listens. Disposal stops it after the requests under way were answered. */
export interface AdminServer extends AsyncDisposable {
  /** What the CLI's `--url` takes: `http://127.0.0.1:8701`, `unix:/run/isthmus/admin.sock`. */
  readonly url: string;
}

/** What answers requests: an app of `createAdmin`. */
export interface RequestHandler {
  fetch(request: Request, environment: ServeEnvironment): Response | Promise<Response>;
}

/** What a handler may know of the server. */
export interface ServeEnvironment {
  /** Aborted when the server is to stop: answers without an end shall end then. */
  readonly ending: AbortSignal;
}

/** How long requests under way may take after disposal, in milliseconds. */
const graceMs = 2000;

/**
 * Listens as configured.
 *
 * @throws {Error} when it would listen beyond loopback without a token, and when the address cannot be had
 */
export async function serveAdmin(
  { listen, token }: AdminConfig,
  app: RequestHandler,
): Promise<AdminServer> {
  const abort = new AbortController();
  const ending = new AbortController();
  const handle = (request: Request) => app.fetch(request, { ending: ending.signal });
  if ("path" in listen) {
    await removeStale(listen.path);
    const server = Deno.serve(
      { path: listen.path, signal: abort.signal, onListen() {} },
      handle,
    );
    await Deno.chmod(listen.path, 0o660);
    return running(server, abort, ending, `unix:${listen.path}`);
  }
  if (token === undefined && !isLoopback(listen.host)) {
    throw new Error(`the admin endpoint needs a token to listen on ${listen.host}`);
  }
  const server = Deno.serve(
    { hostname: listen.host, port: listen.port, signal: abort.signal, onListen() {} },
    handle,
  );
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return running(server, abort, ending, `http://${host}:${server.addr.port}`);
}

function running(
  server: Deno.HttpServer<Deno.Addr>,
  abort: AbortController,
  ending: AbortController,
  url: string,
): AdminServer {
  return {
    url,
    async [Symbol.asyncDispose]() {
      ending.abort();
      const timer = setTimeout(() => abort.abort(), graceMs);
      await server.shutdown();
      await server.finished;
      clearTimeout(timer);
    },
  };
}

/** Removes a socket that nobody listens on any more. @throws {Error} when something else is in its place */
async function removeStale(path: string): Promise<void> {
  const there = await Deno.lstat(path).catch((error: unknown) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (!there) return;
  if (!there.isSocket) throw new Error(`${path} exists and is no socket`);
  if (await answers(path)) {
    throw new Deno.errors.AddrInUse(`another program listens on ${path}`);
  }
  await Deno.remove(path);
}

async function answers(path: string): Promise<boolean> {
  try {
    (await Deno.connect({ transport: "unix", path })).close();
    return true;
  } catch {
    return false;
  }
}
