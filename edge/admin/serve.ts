/** Where the admin endpoint meets a socket: TCP, or a Unix socket that only its owner and group may open. @module */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { AdminConfig } from "../config/model.ts";
import type { PeerCredentials } from "../io/peer_credentials.ts";
import type { Client, ServeEnvironment } from "./client.ts";
import {
  boundConnections,
  type Connections,
  defaultPatience,
  type Patience,
} from "./connections.ts";
import { makePipeline } from "./pipeline.ts";
import { keepListening, type Listening, listenText } from "./listener.ts";

/** An endpoint that listens. Disposal stops it; requests under way have two seconds to be answered. */
export interface AdminServer extends AsyncDisposable {
  /** What the CLI's `--url` takes: `http://127.0.0.1:8701`, `unix:/run/isthmus/admin.sock`. */
  readonly url: string;
  /** Stops listening, at once; requests under way are answered, however long that takes us. */
  retire(): void;
}

/** What answers requests: an app of `createAdmin`. */
export interface RequestHandler {
  fetch(request: Request, environment: ServeEnvironment): Response | Promise<Response>;
  /** Is told why something was not even a request, in a word. */
  refused?(reason: string): void;
}

/** How to serve; all has a default. */
export interface ServeOptions {
  /** The most connections at once; see {@linkcode connectionCap}. */
  readonly cap?: number;
  readonly patience?: Patience;
  /** Who is at the other end of a Unix socket. */
  credentials?(fd: number): PeerCredentials | undefined;
  /** Is told when listening had ended by itself, and begun anew. */
  revived?(): void;
  /** How often it is tried whether it still listens, in milliseconds. */
  readonly tryEveryMs?: number;
}

const DEFAULT_CAP = 128;
/** How long requests under way may take after disposal, in milliseconds. */
const GRACE_MS = 2000;
/** How long an idle connection is kept for another request, in milliseconds. */
const KEEP_ALIVE_MS = 5000;
/** How often Node looks whether a request takes too long, in milliseconds. */
const CHECK_MS = 1000;
const MAX_HEADER_BYTES = 16 * 1024;

/** Listens as configured. @throws {ApplianceError} when the address cannot be had */
export async function serveAdmin(
  { listen }: Pick<AdminConfig, "listen">,
  app: RequestHandler,
  options: ServeOptions = {},
): Promise<AdminServer> {
  const patience = options.patience ?? defaultPatience;
  const refused = (reason: string) => app.refused?.(reason);
  const ending = new AbortController();
  const server = createServer({
    headersTimeout: patience.headersMs,
    requestTimeout: patience.requestMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(CHECK_MS, patience.headersMs / 4),
    maxHeaderSize: MAX_HEADER_BYTES,
  });
  let listening: Listening | undefined = undefined;
  const cap = options.cap ?? DEFAULT_CAP;
  const connections = boundConnections(server, cap, patience, (reason) => {
    refused(reason);
    if (reason === "too-many-connections") listening?.suspect();
  });
  const answer = answering(app, ending.signal, options, refused);
  const pipeline = makePipeline(refused);
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    pipeline(request.socket, response, () => {
      connections.begin(request, response);
      void answer(request, response);
    });
  });
  server.on("clientError", (error: Error & { code?: string }, socket: Socket) => {
    const [reason, status, title, detail] = noRequests[error.code ?? ""] ?? noRequest;
    refused(reason);
    const body = JSON.stringify({ type: "about:blank", title, status, detail });
    const head = [
      `HTTP/1.1 ${status} ${title}`,
      "content-type: application/problem+json",
      `content-length: ${body.length}`,
      "connection: close",
    ];
    if (socket.writable) socket.write(`${head.join("\r\n")}\r\n\r\n${body}`);
    socket.destroy();
  });
  listening = await keepListening(
    server,
    listen,
    () => options.revived?.(),
    options.tryEveryMs,
  );
  return running(listening, connections, ending);
}

type NoRequest = readonly [reason: string, status: number, title: string, detail: string];
const noRequest: NoRequest = ["malformed", 400, "Bad Request", "this is no request of HTTP/1.1"];
/** Why Node does not take a request, by its error code. */
const noRequests: Readonly<Record<string, NoRequest>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ["too-slow", 408, "Request Timeout", "the request took too long"],
  HPE_HEADER_OVERFLOW: [
    ...["malformed", 431, "Request Header Fields Too Large"] as const,
    `the request's target and headers are longer than ${MAX_HEADER_BYTES} octets`,
  ],
};

/** From Node's requests to the app, and back. */
function answering(
  app: RequestHandler,
  ending: AbortSignal,
  { credentials }: ServeOptions,
  refused: (reason: string) => void,
) {
  const badRequest = (detail: string) => {
    refused("malformed");
    const problem = { type: "about:blank", title: "Bad Request", status: 400, detail };
    const headers = { "content-type": "application/problem+json", "connection": "close" };
    return new Response(JSON.stringify(problem), { status: 400, headers });
  };
  return getRequestListener((request, bindings) => {
    const { incoming } = bindings as { readonly incoming: IncomingMessage };
    if (hostsOf(incoming) > 1) return badRequest("there is more than one Host header");
    return app.fetch(request, { ending, client: clientOf(incoming.socket, credentials) });
  }, {
    // HTTP/1.0 needs no Host (RFC 9112 §3.2); there is no browser that speaks it.
    hostname: "localhost",
    overrideGlobalObjects: false,
    errorHandler: () => badRequest("the Host header or the request's target is malformed"),
  });
}

/** RFC 9112 §3.2: exactly one in HTTP/1.1; Node sees to it that there is one. */
function hostsOf({ rawHeaders }: IncomingMessage): number {
  return rawHeaders.filter((text, i) => i % 2 === 0 && text.toLowerCase() === "host").length;
}

function clientOf(socket: Socket, credentials: ServeOptions["credentials"]): Client {
  const { remoteAddress } = socket;
  if (remoteAddress !== undefined) return { address: remoteAddress };
  // The only way to the descriptor; without it, nothing is known but that it came by the Unix socket.
  const fd = (socket as { _handle?: { fd?: number } | null })._handle?.fd;
  return (fd !== undefined && fd >= 0 && credentials?.(fd)) || { address: "unix" };
}

function running(
  listening: Listening,
  connections: Connections,
  ending: AbortController,
): AdminServer {
  const { where } = listening;
  const retire = () => {
    listening[Symbol.dispose]();
    ending.abort();
    connections.endIdle();
  };
  return {
    url: "path" in where ? listenText(where) : `http://${listenText(where)}`,
    retire,
    async [Symbol.asyncDispose]() {
      retire();
      const end = Date.now() + GRACE_MS;
      while (connections.size > 0 && Date.now() < end) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        connections.endIdle();
      }
      connections.endAll();
    },
  };
}
