/** /v1/trace: control messages as they come and go, read for people (server-sent events). @module */

import { createRoute, z } from "@hono/zod-openapi";
import type { DecodedAvp } from "../../core/wire/decode.ts";
import type { Traced, TracedMessage, TracedPacket } from "../control/mod.ts";
import { environmentOf } from "./client.ts";
import { commentText, follow, type ServerSentEvent } from "./follow.ts";
import { explain, problems, type RouteContext } from "./route.ts";
import { tooManyStreams } from "./streams.ts";
import { wholeParameter } from "./page.ts";
import { eventView } from "./schemas.ts";
import { viewEvent } from "./view.ts";

const avpView = z.object({
  name: z.string().optional().describe("As in the RFCs, with hyphens; absent: unknown."),
  "vendor-id": z.int().min(0).describe("0: one of the IETF's."),
  type: z.int().min(0).describe("The attribute type."),
  mandatory: z.boolean().describe("The M bit."),
  hidden: z.boolean().describe("The H bit."),
  octets: z.int().min(0).describe("Octets of the value."),
  value: z.unknown().optional().describe("What it says; octets as hexadecimal text."),
  secret: z.boolean().optional().describe("It was read, and is not shown."),
  problem: z.string().optional().describe("Why it cannot be read."),
});

/** A control message that came or went. */
export const traceView = z.object({
  time: z.iso.datetime(),
  direction: z.enum(["received", "sent"]),
  tunnel: z.string().optional(),
  peer: z.string().optional().describe("The peer's name in the configuration."),
  encap: z.enum(["udp", "ip"]),
  local: z.string().describe("The address at this end."),
  remote: z.string().describe("The address at the other end."),
  "remote-port": z.int().min(0).describe("0 over protocol 115."),
  state: z.string().optional().describe("Where the connection stands after it."),
  dropped: z.string().optional().describe("Why it came to nothing."),
  version: z.int().optional().describe("Absent, as what follows: not even the header can be read."),
  "connection-id": z.int().optional().describe("The receiver's tunnel id."),
  "session-id": z.int().optional().describe("The receiver's session id (v2)."),
  ns: z.int().optional(),
  nr: z.int().optional(),
  type: z.string().optional().describe("SCCRQ, …; ZLB: an empty message."),
  avps: z.array(avpView).optional(),
  problem: z.string().optional().describe("Why the rest cannot be read."),
  octets: z.string().describe("The whole message in hexadecimal, secrets in plain made zeros."),
}).meta({ id: "TracedMessage" });
export type TraceView = z.output<typeof traceView>;

/** The first octets of a data packet. */
const packetView = z.object({
  time: z.iso.datetime(),
  direction: z.enum(["received", "sent"]),
  remote: z.string().describe("The address at the other end."),
  length: z.int().min(0).describe("Octets of the whole packet, from its IP header on."),
  octets: z.string().describe("The first of them, in hexadecimal."),
}).meta({ id: "TracedPacket" });
export type PacketView = z.output<typeof packetView>;

/** The data of one event of the stream. */
const streamed = z.union([
  traceView,
  eventView,
  packetView,
  z.strictObject({ count: z.int().min(1) })
    .describe("`event: lost`: so many were not told, as the reader did not keep up."),
]);

const query = z.object({
  data: wholeParameter(64, 65_535, "expected how many octets of each packet, 64 to 65535")
    .optional()
    .describe("Data packets of the peer, too (needs of): so many octets of each."),
  of: z.string().optional().describe(
    "Only messages of this tunnel, peer or peer's address; absent: all, strangers' too.",
  ),
});

const trace = createRoute({
  method: "get",
  path: "/v1/trace",
  operationId: "followTrace",
  summary: "Follow the control messages as they come and go (server-sent events)",
  request: { query },
  responses: {
    200: {
      description: "`event: message` each; `event: state` as in /v1/events; `event: lost` with a " +
        "count where the reader did not keep up; `event: data` with the first `octets` of a packet, " +
        "from its IP header on, and its `length`.",
      content: { "text/event-stream": { schema: streamed } },
    },
    ...problems(404),
  },
});

/** Adds the route. */
export function addTraceRoutes({ app, api, streams }: RouteContext): void {
  app.openapi(trace, async (c) => {
    const headers = { "content-type": "text/event-stream" };
    if (c.req.method === "HEAD") return c.body(null, 200, headers) as never;
    const place = streams.take();
    if (!place) return tooManyStreams(c) as never;
    const { data, of } = c.req.valid("query");
    const seen = await api.trace(of, data).catch((error) => {
      place.free();
      throw error;
    });
    const options = { ...environmentOf(c), ended: place.free };
    return c.body(
      follow(seen, commentText("control messages follow"), say, options),
      200,
      headers,
    ) as never;
  }, explain({ query }));
}

function say(item: Traced): ServerSentEvent {
  switch (item.kind) {
    case "message":
      return { event: "message", data: viewMessage(item) };
    case "event":
      return { event: "state", data: viewEvent(item.event) };
    case "data":
      return { event: "data", data: viewPacket(item) };
    case "lost":
      return { event: "lost", data: { count: item.count } };
  }
}

function viewPacket({ direction, head, length, remote, time }: TracedPacket): PacketView {
  const octets = head.toHex();
  return { time: new Date(time).toISOString(), direction, remote, length, octets };
}

function viewMessage(
  { direction, dropped, message, octets, path, peer, state, time, tunnel }: TracedMessage,
): TraceView {
  return {
    time: new Date(time).toISOString(),
    direction,
    ...(tunnel !== undefined && { tunnel }),
    ...(peer !== undefined && { peer }),
    encap: path.encap,
    local: path.local,
    remote: path.remote.address,
    "remote-port": path.remote.port,
    ...(state !== undefined && { state }),
    ...(dropped !== undefined && { dropped }),
    ...(message && {
      version: message.version,
      "connection-id": message.connectionId,
      "session-id": message.sessionId,
      ns: message.ns,
      nr: message.nr,
      type: message.type,
      avps: message.avps.map(viewAvp),
      ...(message.problem !== undefined && { problem: message.problem }),
    }),
    octets: octets.toHex(),
  };
}

function viewAvp({ name, vendorId, ...rest }: DecodedAvp) {
  return {
    ...(name !== undefined && { name: hyphenated(name) }),
    "vendor-id": vendorId,
    ...rest,
  };
}

function hyphenated(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
