/** Keepalives of static sessions as operators see them: a part of a session's view, and metrics. @module */

import { z } from "@hono/zod-openapi";
import type { ApplianceApi } from "../appliance/api.ts";
import type { KeepaliveView, ProbeCounts } from "../keepalive/prober.ts";
import { by, type Metric, one } from "./metrics_samples.ts";

const countHelp: Readonly<Record<keyof ProbeCounts, string>> = {
  sent: "Probes sent, those of ARP and Neighbor Discovery alone among them.",
  answered: "Probes answered in time.",
  lost: "Probes that nobody had answered when the next one was due.",
  late: "Answers to probes that had been given up.",
  stray: "Frames to a probe's MAC address that are no answers to it, or another's.",
  malformed: "Frames to a probe's MAC address that cannot be read.",
  conflicts: "Frames of other stations that have a probe's source address.",
};
const countNames = Object.keys(countHelp) as (keyof ProbeCounts)[];

const count = z.int().min(0);

/** What a session tells of its keepalive. */
export const keepaliveView = z.object({
  state: z.enum(["waiting", "up", "lost"])
    .describe("waiting: for the first answer; lost: as many probes in a row were not answered."),
  since: z.iso.datetime().describe("Since when the state is this one."),
  target: z.string().describe("Who is probed."),
  source: z.string().optional()
    .describe("The probe's own address; absent: it has none, and asks by ARP alone."),
  mac: z.string().describe("The probe's MAC address."),
  "last-rtt-ms": z.number().min(0).optional()
    .describe("Milliseconds from the last probe that was answered to its answer."),
  missed: count.describe("Probes in a row that were not answered."),
  ...Object.fromEntries(
    countNames.map((name) => [name, count.describe(countHelp[name])]),
  ) as Record<keyof ProbeCounts, z.ZodInt>,
}).meta({ id: "KeepaliveState" });

export function viewKeepalive(
  { lastRttMs, since, ...same }: KeepaliveView,
): z.output<typeof keepaliveView> {
  return {
    ...same,
    since: new Date(since).toISOString(),
    ...(lastRttMs !== undefined && { "last-rtt-ms": Math.round(lastRttMs * 1000) / 1000 }),
  };
}

/** What all keepalives have counted, and how many sessions are in each state. */
export function keepaliveMetrics(
  { counts, states }: Awaited<ReturnType<ApplianceApi["keepalives"]>>,
): readonly Metric[] {
  return [
    [
      "gauge",
      "isthmus_keepalive_sessions",
      "Static sessions with a keepalive by its state.",
      by("state", states),
    ],
    ...countNames.map((name): Metric => [
      "counter",
      `isthmus_keepalive_${name}_total`,
      countHelp[name],
      one(counts[name]),
    ]),
  ];
}
