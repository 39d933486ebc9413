/** What goes in and out of the admin endpoint: flat objects of attributes. @module */

import { z } from "@hono/zod-openapi";
import {
  callOptions,
  circuitSchema,
  endpointAttributes,
  nameSchema,
  pseudowireTypeNames,
  sessionOptions,
  tunnelOptions,
} from "../config/attributes.ts";
import { optionalShape, type Table } from "../config/option.ts";
import type { SessionCounter } from "../../wasm/mod.ts";
import { wholeParameter } from "./page.ts";
import { keepaliveView } from "./keepalive.ts";
import { counterHelp, counterNames } from "./statistics.ts";

/** Where a tunnel's packets go, each optional: what must be there depends on the others, and `edge/config` knows. */
const endpointShape = z.object(endpointAttributes).partial().shape;

/** Options as they are shown: those that have a value whatever was asked for are always there. */
function viewShape<T extends Table>(table: T) {
  const shape = Object.entries(table).map(([name, row]) => [
    name,
    row.default === undefined ? row.schema.optional() : row.schema,
  ]);
  return Object.fromEntries(shape) as {
    [Name in keyof T]: undefined extends T[Name]["default"] ? z.ZodOptional<T[Name]["schema"]>
      : T[Name]["schema"];
  };
}

/** A tunnel as it is asked for. */
export const tunnelInput = z.strictObject({
  name: nameSchema.optional(),
  ...optionalShape(tunnelOptions),
  ...endpointShape,
  peer: z.string().optional()
    .describe("A peer's name: the tunnel has a control connection, which decides on its ids."),
  mode: z.string().optional().describe("With peer: persistent, on-demand or passive."),
  local: z.string().optional().describe("With peer: as the configuration file has it."),
  remote: z.unknown().optional().describe(
    "With peer: whom to dial, as the configuration file has it.",
  ),
}).meta({ id: "TunnelInput" });

/** A session as it is asked for. */
export const sessionInput = z.strictObject({
  name: nameSchema.optional(),
  ...optionalShape(sessionOptions),
  "cookie-size": callOptions["cookie-size"].schema.optional(),
  "remote-end-id": z.string().optional()
    .describe("What the peer shall know a call by; of tunnels with a control connection only."),
  direction: z.enum(["incoming", "outgoing"]).optional().describe(
    "outgoing: the peer is asked to place the call (OCRQ); of tunnels with a control connection only.",
  ),
  circuit: circuitSchema.optional(),
}).meta({ id: "SessionInput" });

const count = z.int().min(0);

const statistics = z.object(
  Object.fromEntries(
    counterNames.map((name) => [name, count.describe(counterHelp[name])]),
  ) as Record<SessionCounter, z.ZodInt>,
).meta({ id: "Statistics" });

const origin = z.enum(["config", "api", "control"])
  .describe(
    "Whether the configuration file, a request or a control connection made it; a reload touches only the file's.",
  );
const createdAt = z.iso.datetime().describe("When it was made.");

/** Ids that the two ends have not agreed on yet are absent. */
function agreed<Schema extends z.ZodType>(schema: Schema, what: string) {
  return schema.optional().describe(`${what}; absent while nothing is agreed on.`);
}
const tunnelIds = {
  "tunnel-id": agreed(tunnelOptions["tunnel-id"].schema, "The tunnel's id at this end"),
  "peer-tunnel-id": agreed(tunnelOptions["peer-tunnel-id"].schema, "The tunnel's id at the peer"),
};
const sessionIds = {
  "session-id": agreed(sessionOptions["session-id"].schema, "The session's id at this end"),
  "peer-session-id": agreed(
    sessionOptions["peer-session-id"].schema,
    "The session's id at the peer",
  ),
};

/** What a StopCCN or CDN shall say, as query parameters of a deletion. */
export const resultQuery = z.object({
  result: wholeParameter(1, 0xffff, "expected a result code from 1 to 65535").optional()
    .describe("The Result Code of the StopCCN or CDN (RFC 2661 §4.4.2, RFC 3931 §5.4.2)."),
  error: wholeParameter(0, 0xffff, "expected an error code from 0 to 65535").optional()
    .describe("Its Error Code; needs a result."),
  message: z.string().max(255).optional().describe("Its Error Message; needs a result."),
}).strict();
export type ResultQuery = z.output<typeof resultQuery>;

const messages = z.object({
  sent: count.describe("Control messages sent, each once."),
  retransmitted: count.describe("Control messages sent again."),
  acknowledgements: count.describe("Bare acknowledgements sent."),
  received: count.describe("Control messages received and acted on."),
  duplicates: count.describe("Control messages received again."),
  "out-of-order": count.describe("Control messages that came before their turn."),
  "outside-window": count.describe("Control messages dropped because they were too far ahead."),
});

const controlView = z.object({
  peer: z.string().describe("The peer's name in the configuration."),
  mode: z.enum(["persistent", "on-demand", "passive", "accepted"])
    .describe("Who dials; accepted: the peer did, and no tunnel is configured for it."),
  state: z.enum([
    "wait-ctl-reply",
    "wait-ctl-conn",
    "established",
    "stopping",
    "closed",
    "waiting",
    "idle",
  ]).describe(
    "The state of the control connection; waiting: for the peer, or to dial again; idle: until a reload.",
  ),
  "host-name": z.string().optional().describe("What the peer calls itself."),
  "vendor-name": z.string().optional().describe("What the peer says that it is."),
  "established-at": z.iso.datetime().optional(),
  uptime: z.number().min(0).optional().describe("Seconds since it was established."),
  "redial-at": z.iso.datetime().optional().describe("When the peer is dialed again."),
  reason: z.string().optional().describe("Why the last connection ended."),
  window: count.optional().describe("Control messages that may be on their way to the peer."),
  outstanding: count.optional().describe("Control messages that the peer has not acknowledged."),
  messages: messages.optional(),
}).meta({ id: "Control" });
export type ControlView = z.output<typeof controlView>;

/** One state change. */
export const eventView = z.object({
  id: count,
  time: z.iso.datetime(),
  type: z.enum(["connection-state", "call-state", "session-state", "failure", "plugin"]),
  name: z.string().optional().describe("What a plugin tells of: <plugin>-<event>."),
  fields: z.record(z.string(), z.unknown()).optional().describe("What it tells."),
  tunnel: z.string().optional(),
  "tunnel-id": count.optional(),
  peer: z.string().optional(),
  session: z.string().optional(),
  "session-id": count.optional(),
  state: z.string().optional().describe("The state that a connection, call or session entered."),
  stage: z.enum(["tunnel", "message", "call"]).optional().describe("What failed."),
  remote: z.string().optional().describe("Where the other end of what failed is."),
  "host-name": z.string().optional().describe("What it calls itself."),
  count: count.optional().describe("How often the like was seen."),
  by: z.string().optional().describe("Who or what ended it."),
  result: count.optional(),
  error: count.optional(),
  message: z.string().optional(),
  reason: z.string().optional().describe("All of that in one line; of a failure: a word for it."),
}).meta({ id: "Event" });
export type EventView = z.output<typeof eventView>;

/** A tunnel as it is. */
export const tunnelView = z.object({
  name: nameSchema,
  ...viewShape(tunnelOptions),
  ...tunnelIds,
  ...endpointShape,
  "path-mtu": count.optional().describe("The path MTU to the peer in bytes of IP, where known."),
  sessions: count.describe("How many sessions the tunnel has."),
  status: z.enum(["up", "down"]).describe(
    "Whether frames can flow; with a control connection, whether it is up.",
  ),
  reason: z.string().optional().describe("Why a static tunnel is down; it is tried again."),
  "last-heard": z.iso.datetime().optional().describe(
    "When the last data message came that was the peer's and whole; absent: none has yet.",
  ),
  grouping: z.object({
    state: z.enum(["on", "limited", "off", "never"]).describe(
      "never: protocol 115, or UDP without checksums; limited, off: the kernel refused it.",
    ),
    longest: count.optional().describe("Datagrams up to this length are still grouped."),
    error: z.string().optional().describe("The error of the last refused group."),
    "retry-in": count.optional().describe("Seconds until it is tried again."),
  }).optional().describe("Whether datagrams leave in groups that the kernel cuts (UDP_SEGMENT)."),
  "path-errors": z.record(z.string(), count).optional().describe(
    "ICMP errors that came for what was sent to the peer, by what they said. They may be forged.",
  ),
  "socket-drops": count.optional().describe(
    "Datagrams that the kernel dropped at the tunnel's socket: its receive buffer was full, or a checksum wrong. " +
      "Tunnels may share a socket.",
  ),
  control: controlView.optional().describe("Its control connection; absent: it is static."),
  origin,
  "created-at": createdAt,
  statistics,
}).meta({ id: "Tunnel" });
export type TunnelView = z.output<typeof tunnelView>;

/** A session as it is. */
export const sessionView = z.object({
  tunnel: nameSchema.describe("The tunnel's name."),
  ...tunnelIds,
  name: nameSchema,
  ...viewShape(sessionOptions),
  ...sessionIds,
  "pw-type": z.enum(Object.values(pseudowireTypeNames))
    .describe("What the pseudowire emulates."),
  ifname: z.string().optional().describe("The network device of the session's circuit."),
  status: z.enum(["up", "down"]).describe("Whether frames can flow."),
  reason: z.string().optional().describe("Why the session is down."),
  circuit: circuitSchema.optional(),
  "circuit-state": z.record(z.string(), z.unknown()).optional()
    .describe("What the circuit's plugin tells of the session, by its columns and more."),
  "keepalive-state": keepaliveView.optional()
    .describe("What its keepalive has seen; absent: it has none."),
  origin,
  "created-at": createdAt,
  statistics,
}).meta({ id: "Session" });
export type SessionView = z.output<typeof sessionView>;

const next = z.string().optional()
  .describe("The cursor of the next page; absent on the last one.");

/** One page of tunnels, by ascending tunnel id. */
export const tunnelPage = z.object({ tunnels: z.array(tunnelView), next }).meta({
  id: "TunnelPage",
});
/** One page of sessions, by ascending tunnel id and session id. */
export const sessionPage = z.object({ sessions: z.array(sessionView), next })
  .meta({ id: "SessionPage" });

/** The attributes that only the appliance sets, and that a request body may therefore not carry. */
export const readOnly: ReadonlySet<string> = new Set(
  [...Object.keys(tunnelView.shape), ...Object.keys(sessionView.shape)].filter((name) =>
    !(name in tunnelInput.shape) && !(name in sessionInput.shape)
  ),
);

export const configView = z.record(z.string(), z.unknown())
  .describe("The configuration in force, secrets masked.").meta({ id: "Config" });

const resourcePath = z.string().describe(
  "tunnels/branch, tunnels/branch/sessions/office, peers/hq, …",
);

/** What the configuration asks for and cannot be had now. */
export const downView = z.object({
  path: resourcePath,
  reason: z.string(),
  since: z.iso.datetime(),
}).meta({ id: "Down" });
export type DownView = z.output<typeof downView>;

export const downList = z.object({ down: z.array(downView) }).meta({ id: "DownList" });

const yesNo = z.enum(["true", "false"], { error: "expected true or false" });

/** How to reload. */
export const reloadQuery = z.object({
  "dry-run": yesNo.optional().describe("true: says what would be done, and does nothing."),
  force: yesNo.optional()
    .describe("true: even if more than half of the tunnels and sessions that are up would end."),
  confirm: wholeParameter(1, 3600, "expected seconds, from 1 to 3600").optional()
    .describe("Undoes it after so many seconds, unless it is confirmed before."),
}).strict();

/** Something that was refused, failed or was lost: the latest time, and how often. */
export const failureView = z.object({
  stage: z.enum(["tunnel", "message", "call"]).describe("What failed."),
  reason: z.string().describe("In a word: digest-wrong, unknown-peer, avp-15, …"),
  message: z.string().describe("In a sentence; empty where the word says all."),
  remote: z.string().describe("Where the other end is."),
  peer: z.string().optional().describe("The peer's name in the configuration, where it is known."),
  "host-name": z.string().optional().describe("What it calls itself."),
  tunnel: z.string().optional(),
  session: z.string().optional(),
  "first-at": z.iso.datetime(),
  "last-at": z.iso.datetime(),
  count: count.describe("How often the like was seen."),
}).meta({ id: "Failure" });
export type FailureView = z.output<typeof failureView>;

export const failureList = z.object({
  failures: z.array(failureView),
  counts: z.record(z.string(), count).describe("How often since the start, by reason."),
}).meta({ id: "FailureList" });

/** What a reload did. */
export const reloadView = z.object({
  steps: z.array(z.object({
    path: resourcePath,
    step: z.enum(["added", "changed", "restarted", "removed"]),
    why: z.string().optional().describe("What of it changed, or why it was restarted or removed."),
  })).describe("The steps in the order in which they were carried out."),
  kept: count.describe("How many listeners, peers, tunnels and sessions were not touched."),
  down: z.array(downView).describe("What cannot be had now; it is tried again."),
}).meta({ id: "Reload" });
export type ReloadView = z.output<typeof reloadView>;

/** The datapath's own counters. */
export const datapathView = z.object({
  drops: z.record(z.string(), count).describe("Frames dropped, by reason."),
  "path-errors": z.record(z.string(), count)
    .describe("ICMP errors that came for what was sent, by what they said. They may be forged."),
  io: z.record(z.string(), count).describe("Frames, messages and system calls."),
}).meta({ id: "Datapath" });

export const healthView = z.object({
  status: z.literal("ok"),
  version: z.string(),
  uptime: z.number().min(0).describe("Seconds since the appliance started."),
}).meta({ id: "Health" });
