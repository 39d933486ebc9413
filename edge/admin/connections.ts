/**
 * The connections of the admin endpoint, bounded: who only holds some open, says half of a request, or does not read
 * its answer, costs a few descriptors for a while, and keeps nobody else out.
 *
 * @module
 */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Descriptors } from "../io/descriptors.ts";

/** Time-outs of a connection, in milliseconds. */
export interface Patience {
  /** From the connection's begin, or the end of the request before, to the end of the headers. */
  readonly headersMs: number;
  /** From a request's first byte to the end of its body. */
  readonly requestMs: number;
  /** Without a byte in either direction while the client has to do something: send, or read its answer. */
  readonly stalledMs: number;
}

export const defaultPatience: Patience = {
  headersMs: 10_000,
  requestMs: 30_000,
  stalledMs: 30_000,
};

/** The connections of one server. */
export interface Connections {
  readonly size: number;
  /** A request has begun; its connection is not idle until its answer has ended. */
  begin(request: IncomingMessage, response: ServerResponse): void;
  /** Ends all connections without a request under way. */
  endIdle(): void;
  /** Ends all. */
  endAll(): void;
}

/**
 * Follows a server's connections. Above `cap`, the one that is idle for the longest time goes, or else the new one.
 * @param refused is told why a connection was ended, in a word
 */
export function boundConnections(
  server: Server,
  cap: number,
  { stalledMs }: Patience,
  refused: (reason: string) => void,
): Connections {
  /** Requests under way, by connection; idle ones in the order in which they became idle. */
  const busy = new Map<Socket, ServerResponse>();
  const idle = new Set<Socket>();

  server.on("connection", (socket: Socket) => {
    idle.add(socket);
    if (idle.size + busy.size > cap) {
      const [oldest] = idle;
      refused("too-many-connections");
      oldest!.destroy();
      idle.delete(oldest!);
      if (oldest === socket) return;
    }
    socket.on("close", () => {
      idle.delete(socket);
      busy.delete(socket);
    });
    socket.on("error", () => {}); // It is closed then; whose requests it had hear of it by themselves.
    socket.setTimeout(stalledMs);
  });
  // Where nobody listened to this, Node would end the connection by itself.
  server.on("timeout", (socket: Socket) => {
    // While we owe the answer, it is not the client who stalls; a body has a time-out of its own.
    const response = busy.get(socket);
    if (response && !response.headersSent) return;
    refused("stalled");
    socket.destroy();
  });

  return {
    get size() {
      return idle.size + busy.size;
    },
    begin({ socket }, response) {
      idle.delete(socket);
      busy.set(socket, response);
      response.on("close", () => {
        if (busy.get(socket) === response && busy.delete(socket) && !socket.destroyed) {
          idle.add(socket);
        }
      });
    },
    endIdle() {
      for (const socket of [...idle]) socket.destroy();
    },
    endAll() {
      for (const socket of [...idle, ...busy.keys()]) socket.destroy();
    },
  };
}

/** Of the descriptors that the process may still open, this part is for the admin endpoint. */
const SHARE = 4;
const LEAST = 4;
const MOST = 128;

/** How many connections there may be at once. */
export function connectionCap({ limit, open }: Descriptors): number {
  return Math.max(LEAST, Math.min(MOST, Math.floor((limit - open) / SHARE)));
}
