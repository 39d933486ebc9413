/**
 * The requests of one connection, one after another: a client may say the next before it has the answer to the one
 * before (RFC 9112 §9.3.2), and need not read any.
 *
 * @module
 */

import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** So many requests may wait for the one before; clients that do this at all send a few. */
const MOST_WAITING = 16;

/** Has a connection's requests begin in turn. */
export type Pipeline = (socket: Socket, response: ServerResponse, begin: () => void) => void;

/** @param refused is told, in a word, why a connection was ended */
export function makePipeline(refused: (reason: string) => void): Pipeline {
  /** What waits, of each connection with a request under way. */
  const waiting = new WeakMap<Socket, (() => void)[]>();
  const start = (socket: Socket, response: ServerResponse, begin: () => void) => {
    response.on("close", () => {
      const next = waiting.get(socket)?.shift();
      if (next && !socket.destroyed) next();
      else waiting.delete(socket);
    });
    begin();
  };
  return (socket, response, begin) => {
    const others = waiting.get(socket);
    if (!others) {
      waiting.set(socket, []);
      start(socket, response, begin);
    } else if (others.length < MOST_WAITING) {
      others.push(() => start(socket, response, begin));
    } else if (!socket.destroyed) {
      refused("pipelined");
      socket.destroy();
    }
  };
}
