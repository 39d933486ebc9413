/**
 * Requests that read, a few at a time. Each is answered in slices, between which the event loop has its turn; of many at
 * once, it would have to wait for a slice of each.
 *
 * @module
 */

import type { MiddlewareHandler } from "hono";

/** So many are answered at once. */
const MOST = 4;

/**
 * The middleware. What waits for a client (a body, a stream) is not held up, nor holds up others.
 * @param free paths that never wait
 */
export function inTurns(free: ReadonlySet<string>): MiddlewareHandler {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (c, next) => {
    if (c.req.method !== "GET" || free.has(c.req.path)) return await next();
    if (running === MOST) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      await next();
    } finally {
      const other = waiting.shift();
      if (other) other();
      else running--;
    }
  };
}
