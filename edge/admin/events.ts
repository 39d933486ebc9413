/** /v1/events: every state change as it happens, as server-sent events (HTML Living Standard §9.2). @module */

import { createRoute, z } from "@hono/zod-openapi";
import type { ApplianceApi } from "../appliance/api.ts";
import { environmentOf } from "./client.ts";
import { problems, type RouteContext } from "./route.ts";
import { eventView } from "./schemas.ts";
import { commentText, follow, type FollowOptions, type ServerSentEvent, textOf } from "./follow.ts";
import { tooManyStreams } from "./streams.ts";
import { viewEvent } from "./view.ts";

/** The data of one event of the stream. */
const streamed = z.union([
  eventView,
  z.strictObject({ "started-at": z.iso.datetime() }).describe(
    "`event: restarted`: the one that is known is of another run of the appliance; what happened in that one since, " +
      "nobody knows any more, and all of this one follows.",
  ),
  z.strictObject({ count: z.int().min(1) })
    .describe("`event: missed`: so many of those since the one that is known are forgotten."),
  z.strictObject({}).describe("`event: slow`: the last one."),
]);

const events = createRoute({
  method: "get",
  path: "/v1/events",
  operationId: "followEvents",
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
      content: { "text/event-stream": { schema: streamed } },
    },
    ...problems(),
  },
});

/** Adds the route. */
export function addEventRoutes({ app, api, streams }: RouteContext): void {
  app.openapi(events, (c) => {
    const headers = { "content-type": "text/event-stream" };
    if (c.req.method === "HEAD") return c.body(null, 200, headers) as never;
    const place = streams.take();
    if (!place) return tooManyStreams(c) as never;
    const options = { ...environmentOf(c), ended: place.free };
    const last = c.req.valid("header")["last-event-id"];
    return c.body(eventStream(api, last, options), 200, headers) as never;
  });
}

/**
 * The events since the one that the client knows, or from now on, until the appliance, the reader or the server ends.
 * `ended` is told of that.
 */
export function eventStream(
  { events, startedAt }: Pick<ApplianceApi, "events" | "startedAt">,
  last: string | undefined,
  options: FollowOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const start = new Date(startedAt);
  const idOf = (number: number) => `${start.getTime()}-${number}`;
  const known = last ? Number(last.replace(`${start.getTime()}-`, "")) : undefined;
  const ours = known === undefined || last === idOf(known);
  // Who comes from before a restart has seen nothing of this one.
  const subscription = events(ours ? known : 0);
  const { after, missed } = subscription;
  const greeting: readonly ServerSentEvent[] = [
    ...ours ? [] : [{ event: "restarted", data: { "started-at": start.toISOString() } }],
    ...missed === 0 ? [] : [{ event: "missed", data: { count: missed } }],
    // So that also who comes back before anything happened can say since when.
    { id: idOf(after) },
  ];
  return follow(
    subscription,
    commentText("events of isthmus follow") + greeting.map(textOf).join(""),
    (event) =>
      event === "slow"
        ? { event, data: {} }
        : { id: idOf(event.id), event: event.type, data: viewEvent(event) },
    options,
  );
}
