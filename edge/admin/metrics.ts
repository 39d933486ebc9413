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
import { inSlices } from "../slices.ts";
import { by, one, type Samples } from "./metrics_samples.ts";
import { createTotals } from "./totals.ts";

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
  read(): Promise<{ readonly text: string; readonly contentType: string }>;
}

/** Why connections are ended, none of them yet. */
const noRefusals = {
  malformed: 0,
  pipelined: 0,
  stalled: 0,
  "too-many-connections": 0,
  "too-slow": 0,
};

/** Counts for `read()`, which loads the text format's library: whoever is not scraped starts without it. */
export function createMetrics(
  api: ApplianceApi,
  version: string,
  vitals?: () => Vitals,
): Metrics {
  const totals = createTotals();
  const { answered, count, refusals, refused } = requestCounters();

  return {
    count,
    refused,
    see: totals.see,
    async read() {
      const { Counter, Gauge, Registry } = await import("prom-client");
      const registry = new Registry();
      const registers = [registry];
      const add = (type: "counter" | "gauge", name: string, help: string, samples: Samples) => {
        const labelNames = Object.keys(samples[0]?.[0] ?? {});
        const sentence = `${help.charAt(0).toUpperCase()}${help.slice(1)}`.replace(/[^.]$/, "$&.");
        const metric = new (type === "counter" ? Counter : Gauge)({
          name,
          help: sentence,
          labelNames,
          registers,
        });
        for (const [labels, value] of samples) metric.inc(labels, value);
      };
      const [tunnels, datapath, others] = await Promise.all([
        allTunnels(api),
        api.datapath(),
        api.metrics(),
      ]);

      add("gauge", "isthmus_build_info", "Always 1; the version is in the label.", [[
        { version },
        1,
      ]]);
      add(
        "gauge",
        "isthmus_start_time_seconds",
        "When the appliance started, in Unix seconds.",
        one(api.startedAt / 1000),
      );
      add("counter", "isthmus_http_requests_total", "Requests to the admin endpoint.", answered());
      const refusedHelp = "Connections to the admin endpoint that were ended, by reason.";
      add("counter", "isthmus_http_refused_total", refusedHelp, by("reason", refusals));
      add("gauge", "isthmus_tunnels", "Tunnels.", one(tunnels.length));
      add(
        "gauge",
        "isthmus_sessions",
        "Sessions by status.",
        by("status", { ...api.sessionCounts() }),
      );
      add(
        "gauge",
        "isthmus_connections",
        "Control connections by state, those that somebody only began among them.",
        by("state", api.connections()),
      );
      const states = { "wait-ctl-reply": 0, established: 0, closed: 0, ...api.entered() };
      add(
        "counter",
        "isthmus_connection_states_total",
        "How often control connections entered a state: wait-ctl-reply for each time that we dialed.",
        by("state", states),
      );
      add(
        "counter",
        "isthmus_failures_total",
        "Tunnels, calls and control messages that were refused or failed, by reason.",
        by("reason", api.failures().counts),
      );
      const more = [
        ...vitals ? processMetrics(vitals(), datapath.memory) : [],
        ...reloadMetrics(api),
        ...peerMetrics(api, tunnels),
        ...keepaliveMetrics(api),
        ...datapathMetrics(datapath, tunnels, await inSlices(totals.seeAll(tunnels))),
      ];
      for (const metric of more) add(...metric);
      for (const { type, name, help, value } of others) add(type, name, help, one(value));
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
  };
}

/** How many tunnels are looked at in one go: others have their turn in between. */
const AT_ONCE = 1000;

async function allTunnels(api: Pick<ApplianceApi, "tunnelPage">): Promise<TunnelSummary[]> {
  const tunnels: TunnelSummary[] = [];
  let after: TunnelPlace | undefined;
  do {
    const { items, next } = await api.tunnelPage({ after, limit: AT_ONCE });
    tunnels.push(...items);
    after = next;
  } while (after);
  return tunnels;
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
