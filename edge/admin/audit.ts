/** Who changed what, and who was refused: lines of the log. @module */

import type { Context, MiddlewareHandler } from "hono";
import { SourceBudget } from "../../core/refusals.ts";
import type { Log } from "../../plugins/host/leaves.ts";
import type { Json } from "../../plugins/plugin.ts";
import { environmentOf } from "./client.ts";

/** How often one client's refusals are logged. */
const REFUSALS = { burst: 5, everyMs: 5000 };
/** How long who is refused waits for the answer, so that guessing takes its time, in milliseconds. */
export const refusalDelayMs = 500;

/** What is needed to tell. */
export interface AuditOptions {
  readonly log: Pick<Log, "info" | "warn">;
  /** Unix milliseconds. */
  now(): number;
  readonly refusalDelayMs: number;
}

/** The name of the token that a request came with; the guard sets it. */
const names = new WeakMap<Context, string>();

/** Notes with which token a request came. */
export function cameWith(c: Context, token: string): void {
  names.set(c, token);
}

/** Logs each change that was made, and each request that the guard refused; the latter waits before it is answered. */
export function audit({ log, now, refusalDelayMs }: AuditOptions): MiddlewareHandler {
  const budget = new SourceBudget(REFUSALS);
  let silent = 0;
  return async (c, next) => {
    await next();
    const { method, path } = c.req;
    const { status } = c.res;
    if (status === 401 || status === 403) {
      const client = clientOf(c);
      if (budget.take(JSON.stringify(client.address ?? client.uid ?? ""), now())) {
        const fields = {
          ...client,
          method,
          path,
          status,
          ...(silent > 0 && { "not-logged": silent }),
        };
        log.warn("a request to the admin endpoint was refused", fields);
        silent = 0;
      } else silent++;
      await new Promise((resolve) => setTimeout(resolve, refusalDelayMs));
    } else if (method !== "GET" && method !== "HEAD" && status < 400) {
      log.info("changed by request", { ...clientOf(c), method, path });
    }
  };
}

/** Who it is, in the words of the log. */
function clientOf(c: Context): Record<string, Json> {
  const { client } = environmentOf(c);
  const token = names.get(c);
  return { ...(client && { ...client }), ...(token !== undefined && { "token-name": token }) };
}
