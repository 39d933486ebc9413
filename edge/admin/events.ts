/** /v1/events: every state change as it happens, as server-sent events (HTML Living Standard §9.2). @module */

import { createRoute } from "@hono/zod-openapi";
import type { Subscription } from "../control/mod.ts";
import { environmentOf } from "./client.ts";
import { problems, type RouteContext } from "./route.ts";
import { eventView } from "./schemas.ts";
import { tooManyStreams } from "./streams.ts";
import { viewEvent } from "./view.ts";

/** Silence after which a comment is sent, so that both ends notice a dead connection, in milliseconds. */
const HEARTBEAT_MS = 15_000;

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
  { ending, ended = () => {} }: { readonly ending?: AbortSignal; ended?(): void },
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  const stop = () => subscription[Symbol.dispose]();
  const finish = () => {
    ending?.removeEventListener("abort", stop);
    ended();
  };
  ending?.addEventListener("abort", stop, { once: true });
  if (ending?.aborted) stop();
  let pending: ReturnType<Subscription["next"]> | undefined;
  let begun = false;
  return new ReadableStream({
    async pull(controller) {
      const send = (text: string) => controller.enqueue(encoder.encode(text));
      if (!begun) {
        begun = true;
        return send(": events of isthmus follow\n\n");
      }
      pending ??= subscription.next();
      const event = await orHeartbeat(pending);
      if (event === "heartbeat") return send(":\n\n");
      pending = undefined;
      if (event !== undefined && event !== "slow") {
        const { id, type } = event;
        return send(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(viewEvent(event))}\n\n`);
      }
      if (event === "slow") send("event: slow\ndata: {}\n\n");
      finish();
      controller.close();
    },
    cancel() {
      finish();
      stop();
    },
  }, { highWaterMark: 0 });
}

async function orHeartbeat<T>(pending: Promise<T>): Promise<T | "heartbeat"> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heartbeat = new Promise<"heartbeat">((resolve) =>
    timer = setTimeout(() => resolve("heartbeat"), HEARTBEAT_MS)
  );
  try {
    return await Promise.race([pending, heartbeat]);
  } finally {
    clearTimeout(timer);
  }
}
