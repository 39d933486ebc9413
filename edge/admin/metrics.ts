/**
 * `/metrics`: totals, never anything per tunnel or session, so that 100,000 sessions cost as much as one.
 * Names begin with `isthmus_`, values are in base units.
 *
 * @module
 */

import type { ApplianceApi, TunnelPlace } from "../appliance/api.ts";
import type { TunnelSummary } from "../config/model.ts";
import type { Vitals } from "../process/vitals.ts";
import { keepaliveMetrics } from "./keepalive.ts";
import { datapathMetrics } from "./metrics_datapath.ts";
import { peerMetrics, processMetrics, reloadMetrics } from "./metrics_process.ts";
import { each, inSlices, mapped } from "../slices.ts";
import { by, type Metric, one, type Samples, type Survey } from "./metrics_samples.ts";
import { metricText } from "./metrics_text.ts";
import { createTotals, type Totals } from "./totals.ts";

/** A request that was answered. */
export interface AnsweredRequest {
  readonly method: string;
  /** The route's pattern; not the path, for paths are without number. */
  readonly route: string;
  readonly status: number;
}

/** The metrics of one appliance. */
export interface Metrics {
  /** Counts a request to the admin endpoint. */
  count(request: AnsweredRequest): void;
  /** Counts what was not even a request, by a word. */
  refused(reason: string): void;
  /** Takes in what a tunnel has counted, for one that is about to be deleted. */
  see(tunnel: TunnelSummary): void;
  /** All metrics as they are now. */
  read(): Promise<string>;
}

/** Why connections are ended, none of them yet. */
const noRefusals = {
  malformed: 0,
  pipelined: 0,
  stalled: 0,
  "too-many-connections": 0,
  "too-slow": 0,
};

/** Nothing was counted yet. */
export function createMetrics(
  api: ApplianceApi,
  version: string,
  vitals?: () => Vitals,
): Metrics {
  const totals = createTotals();
  const { answered, count, refusals, refused } = requestCounters();
  const ofEndpoint = (): readonly Metric[] => [
    ["gauge", "isthmus_build_info", "Always 1; the version is in the label.", [[{ version }, 1]]],
    [
      "gauge",
      "isthmus_start_time_seconds",
      "When the appliance started, in Unix seconds.",
      one(api.startedAt / 1000),
    ],
    ["counter", "isthmus_http_requests_total", "Requests to the admin endpoint.", answered()],
    [
      "counter",
      "isthmus_http_refused_total",
      "Connections to the admin endpoint that were ended, by reason.",
      by("reason", refusals),
    ],
  ];

  return {
    count,
    refused,
    see: totals.see,
    async read() {
      const [tunnels, datapath, others, sessions, connections, keepalives] = await Promise.all([
        survey(api, totals),
        api.datapath(),
        api.metrics(),
        api.sessionCounts(),
        api.connections(),
        api.keepalives(),
      ]);

      const all: readonly Metric[] = [
        ...ofEndpoint(),
        ["gauge", "isthmus_tunnels", "Tunnels.", one(tunnels.count)],
        ["gauge", "isthmus_sessions", "Sessions by status.", by("status", { ...sessions })],
        ...connectionMetrics(api, connections),
        ...vitals ? processMetrics(vitals(), datapath.memory) : [],
        ...reloadMetrics(api),
        ...peerMetrics(api, tunnels.peers),
        ...keepaliveMetrics(keepalives),
        ...datapathMetrics(datapath, tunnels),
        ...others.map(({ type, name, help, value }): Metric => [type, name, help, one(value)]),
      ];
      return (await inSlices(mapped(all, metricText))).join("");
    },
  };
}

/** Control connections, and what came to nothing. */
function connectionMetrics(
  api: Pick<ApplianceApi, "entered" | "failures">,
  connections: Awaited<ReturnType<ApplianceApi["connections"]>>,
): readonly Metric[] {
  const states = { "wait-ctl-reply": 0, established: 0, closed: 0, ...api.entered() };
  return [
    [
      "gauge",
      "isthmus_connections",
      "Control connections by state, those that somebody only began among them.",
      by("state", connections),
    ],
    [
      "counter",
      "isthmus_connection_states_total",
      "How often control connections entered a state: wait-ctl-reply for each time that we dialed.",
      by("state", states),
    ],
    [
      "counter",
      "isthmus_failures_total",
      "Tunnels, calls and control messages that were refused or failed, by reason.",
      by("reason", api.failures().counts),
    ],
  ];
}

/** How many tunnels are looked at in one go: of more, nothing is kept. */
const AT_ONCE = 500;

/** Looks at all tunnels. */
async function survey(api: Pick<ApplianceApi, "tunnelPage">, totals: Totals): Promise<Survey> {
  const grouping = { on: 0, limited: 0, off: 0, never: 0 };
  const peers = new Map<string, { up: number; down: number }>();
  const round = totals.begin();
  let count = 0;
  const look = (tunnel: TunnelSummary) => {
    totals.see(tunnel);
    count++;
    if (tunnel.grouping) grouping[tunnel.grouping.state]++;
    if (!tunnel.control) return;
    const { peer, state } = tunnel.control;
    const ofPeer = peers.get(peer) ?? { up: 0, down: 0 };
    ofPeer[state === "established" ? "up" : "down"]++;
    peers.set(peer, ofPeer);
  };
  let after: TunnelPlace | undefined;
  do {
    const { items, next } = await api.tunnelPage({ after, limit: AT_ONCE });
    await inSlices(each(items, look));
    after = next;
  } while (after);
  return { count, grouping, peers, sums: await inSlices(totals.end(round)) };
}

/** What became of requests. */
function requestCounters() {
  /** By their labels in JSON. */
  const requests = new Map<string, number>();
  const refusals: Record<string, number> = { ...noRefusals };
  return {
    count({ method, route, status }: AnsweredRequest) {
      const labels = JSON.stringify({ method, route, status: String(status) });
      requests.set(labels, (requests.get(labels) ?? 0) + 1);
    },
    refused: (reason: string) => void (refusals[reason] = (refusals[reason] ?? 0) + 1),
    refusals,
    answered: (): Samples =>
      [...requests].map(([labels, count]) => [JSON.parse(labels), count] as const),
  };
}
