/** /v1/events: every state change as it happens, as server-sent events (HTML Living Standard §9.2). @module */

import { createRoute } from "@hono/zod-openapi";
import type { Subscription } from "../control/mod.ts";
import { environmentOf } from "./client.ts";
import { problems, type RouteContext } from "./route.ts";
import { eventView } from "./schemas.ts";
import { follow, type FollowOptions } from "./follow.ts";
import { tooManyStreams } from "./streams.ts";
import { viewEvent } from "./view.ts";

const events = createRoute({
  method: "get",
  path: "/v1/events",
  summary: "Follow the state changes of control connections and calls (server-sent events)",
  responses: {
    200: {
      description: "An event each; `event: slow` is the last one for who does not keep up.",
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
    const body = eventStream(api.events(), { ...environmentOf(c), ended: place.free });
    return c.body(body, 200, headers) as never;
  });
}

/** The events of a subscription until it, the reader or the server ends; `ended` is told of that. */
export function eventStream(
  subscription: Subscription,
  options: FollowOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return follow(subscription, "events of isthmus follow", (event) => {
    if (event === "slow") return { event: "slow", data: {} };
    return { id: event.id, event: event.type, data: viewEvent(event) };
  }, options);
}
