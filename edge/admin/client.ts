/** Who asks. @module */

import type { Context } from "hono";
import type { PeerCredentials } from "../io/peer_credentials.ts";

/** Whoever sent a request: a process of this host at a Unix socket, or an address. */
export type Client = PeerCredentials | { readonly address: string };

/** What a handler may know of the server and of the connection. */
export interface ServeEnvironment {
  /** Aborted when the server is to stop: answers without an end shall end then. */
  readonly ending: AbortSignal;
  readonly client: Client;
}

/** What the server said of a request; nothing of one that came by no socket. */
export function environmentOf(c: Context): Partial<ServeEnvironment> {
  return (c.env ?? {}) as Partial<ServeEnvironment>;
}
