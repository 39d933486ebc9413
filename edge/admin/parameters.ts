/** Query parameters that a route does not have, or that are given twice. @module */

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { hint } from "../config/suggest.ts";
import { routesOf } from "./document.ts";
import { type Fault, faultsProblem } from "./problem.ts";

/**
 * Refuses them: whoever sent them meant something that will not happen.
 * @param patternOf the pattern of the route that answers such a request, if there is one
 */
export function knownParameters(
  app: OpenAPIHono,
  patternOf: (c: Context) => string | undefined,
): MiddlewareHandler {
  return async (c, next) => {
    if (!c.req.url.includes("?")) return await next();
    const method = c.req.method === "HEAD" ? "get" : c.req.method.toLowerCase();
    const pattern = patternOf(c);
    const route = routesOf(app).find((route) =>
      route.method === method && route.path.replaceAll(/\{(.+?)\}/g, ":$1") === pattern
    );
    const shape = (route?.request?.query as { readonly shape?: object } | undefined)?.shape ?? {};
    const faults = route ? faultsIn(c.req.queries(), Object.keys(shape)) : [];
    return faults.length > 0 ? faultsProblem(c, faults) : await next();
  };
}

function faultsIn(given: Readonly<Record<string, readonly string[]>>, known: string[]): Fault[] {
  return Object.entries(given).flatMap(([attribute, values]) => {
    if (!known.includes(attribute)) {
      return [{ attribute, message: `unknown parameter${hint(attribute, known)}` }];
    }
    return values.length > 1 ? [{ attribute, message: "is given more than once" }] : [];
  });
}
