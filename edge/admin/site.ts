/** `/`: a page for people, and for programs the list of what can be asked. @module */

import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { routesOf } from "./document.ts";
import { problems, type RouteContext } from "./route.ts";
import css from "./site/page.css" with { type: "text" };
import html from "./site/index.html" with { type: "text" };
import script from "./site/page.js" with { type: "text" };

/** Nothing but what comes from here; no text of anybody's becomes markup or code. */
const policy = [
  ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'"],
  ...["img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join("; ");

/** What the page is made of; no part of the API. */
const files = {
  "/page.css": { text: css, type: "text/css" },
  "/page.js": { text: script, type: "text/javascript" },
} as const;

const index = z.object({
  name: z.literal("isthmus"),
  version: z.string(),
  endpoints: z.array(z.object({ method: z.string(), path: z.string(), summary: z.string() })),
}).meta({ id: "Index" });

const root = createRoute({
  method: "get",
  path: "/",
  operationId: "getIndex",
  summary: "Show a page for people, or list what can be asked",
  responses: {
    200: {
      description: "A page, where text/html is asked for; else the list.",
      content: { "application/json": { schema: index }, "text/html": { schema: z.string() } },
    },
    ...problems(),
  },
});

/** Adds the routes. */
export function addSite({ app }: RouteContext, version: string): void {
  app.openapi(root, (c) => {
    c.header("vary", "accept");
    if (wantsPage(c)) return page(c, html, "text/html") as never;
    return c.json({ name: "isthmus", version, endpoints: endpoints(app) }, 200);
  });
  for (const [path, { text, type }] of Object.entries(files)) {
    app.get(path, (c) => page(c, text, type));
  }
}

function page(c: Context, text: string, type: string): Response {
  return c.body(text, 200, {
    "content-type": `${type}; charset=utf-8`,
    "content-security-policy": policy,
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
  });
}

/** Browsers ask for HTML by name, and at least as much as for JSON; programs take what there is. */
function wantsPage(c: Context): boolean {
  const weights = new Map(
    (c.req.header("accept") ?? "").split(",").map((range) => {
      const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
      const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
      return [type, weight === undefined ? 1 : Number(weight)];
    }),
  );
  const html = weights.get("text/html") ?? 0;
  return html > 0 && html >= (weights.get("application/json") ?? 0);
}

/** What can be asked. */
function endpoints(app: OpenAPIHono): { method: string; path: string; summary: string }[] {
  return routesOf(app).map(({ method, path, summary = "" }) => ({
    method: method.toUpperCase(),
    path,
    summary,
  }));
}
