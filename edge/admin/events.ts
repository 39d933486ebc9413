/** /v1/events: every state change as it happens, as server-sent events (HTML Living Standard §9.2). @module */

import { createRoute, z } from "@hono/zod-openapi";
import type { ApplianceEvent, Subscription } from "../control/mod.ts";
import { environmentOf } from "./client.ts";
import { problems, type RouteContext } from "./route.ts";
import { eventView } from "./schemas.ts";
import { follow, type FollowOptions, type Source } from "./follow.ts";
import { tooManyStreams } from "./streams.ts";
import { viewEvent } from "./view.ts";

const events = createRoute({
  method: "get",
  path: "/v1/events",
  summary: "Follow the state changes of control connections and calls (server-sent events)",
  request: {
    headers: z.object({
      "last-event-id": z.string().optional()
        .describe("The `id` of the last one that is known: those since then come first."),
    }),
  },
  responses: {
    200: {
      description:
        "An event each; `event: missed` with a count where some of those are forgotten; `event: slow` is the last one for who does not keep up.",
      content: { "text/event-stream": { schema: eventView } },
    },
    ...problems(503),
  },
});

/** Adds the route. */
export function addEventRoutes({ app, api, streams }: RouteContext): void {
  app.openapi(events, (c) => {
    const headers = { "content-type": "text/event-stream" };
    if (c.req.method === "HEAD") return c.body(null, 200, headers) as never;
    const place = streams.take();
    if (!place) return tooManyStreams(c) as never;
    const last = c.req.valid("header")["last-event-id"] ?? "";
    const known = /^\d{1,15}$/.test(last) ? Number(last) : undefined;
    const body = eventStream(api.events(known), { ...environmentOf(c), ended: place.free });
    return c.body(body, 200, headers) as never;
  });
}

/** The events of a subscription until it, the reader or the server ends; `ended` is told of that. */
export function eventStream(
  subscription: Subscription,
  options: FollowOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let { missed } = subscription;
  const source: Source<ApplianceEvent | "slow" | { readonly missed: number }> = {
    next() {
      if (missed === 0) return subscription.next();
      const first = { missed };
      missed = 0;
      return Promise.resolve(first);
    },
    [Symbol.dispose]: () => subscription[Symbol.dispose](),
  };
  return follow(source, "events of isthmus follow", (event) => {
    if (typeof event === "object" && "missed" in event) {
      return { event: "missed", data: { count: event.missed } };
    }
    if (event === "slow") return { event: "slow", data: {} };
    return { id: event.id, event: event.type, data: viewEvent(event) };
  }, options);
}
