/**
 * `/metrics`: totals, never anything per tunnel or session, so that 100,000 sessions cost as much as one.
 * Names begin with `isthmus_`, values are in base units.
 *
 * @module
 */

import { Counter, Gauge, Registry } from "prom-client";
import type { ApplianceApi } from "../appliance.ts";
import type { TunnelState } from "../model.ts";
import { counterHelp, counterNames } from "./statistics.ts";
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
  /** Takes in what a tunnel has counted, for one that is about to be deleted. */
  see(tunnel: TunnelState): void;
  /** All metrics as they are now. */
  read(): Promise<{ readonly text: string; readonly contentType: string }>;
}

/** Metrics in a registry of their own. */
export function createMetrics(api: ApplianceApi, version: string): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const totals = createTotals();
  new Gauge({
    name: "isthmus_build_info",
    help: "Always 1; the version is in the label.",
    labelNames: ["version"],
    registers,
  }).set({ version }, 1);
  new Gauge({
    name: "isthmus_start_time_seconds",
    help: "When the appliance started, in Unix seconds.",
    registers,
  }).set(api.startedAt / 1000);
  const requests = new Counter({
    name: "isthmus_http_requests_total",
    help: "Requests to the admin endpoint.",
    labelNames: ["method", "route", "status"],
    registers,
  });
  const tunnelCount = new Gauge({ name: "isthmus_tunnels", help: "Tunnels.", registers });
  const sessionCount = new Gauge({
    name: "isthmus_sessions",
    help: "Sessions by status.",
    labelNames: ["status"],
    registers,
  });
  const connections = new Gauge({
    name: "isthmus_connections",
    help: "Control connections by state, those that somebody only began among them.",
    labelNames: ["state"],
    registers,
  });
  const drops = new Counter({
    name: "isthmus_drops_total",
    help: "Frames and control messages dropped, by reason.",
    labelNames: ["reason"],
    registers,
  });

  /** Sets a metric that may not have been seen before. */
  function set(type: "counter" | "gauge", name: string, help: string, value: number): void {
    const known = registry.getSingleMetric(name);
    if (type === "counter") {
      const metric = known instanceof Counter ? known : new Counter({ name, help, registers });
      metric.reset();
      metric.inc(value);
    } else {
      (known instanceof Gauge ? known : new Gauge({ name, help, registers })).set(value);
    }
  }

  async function collect(): Promise<void> {
    const [tunnels, datapath, others] = await Promise.all([
      api.tunnels(),
      api.datapath(),
      api.metrics(),
    ]);
    const status = { up: 0, down: 0 };
    for (const tunnel of tunnels) for (const session of tunnel.sessions) status[session.status]++;
    tunnelCount.set(tunnels.length);
    sessionCount.set({ status: "up" }, status.up);
    sessionCount.set({ status: "down" }, status.down);
    const sums = totals.seeAll(tunnels);
    for (const name of counterNames) {
      set(
        "counter",
        `isthmus_${snake(name)}_total`,
        `${counterHelp[name]} All tunnels together.`,
        sums[name],
      );
    }
    for (const [state, count] of Object.entries(api.connections())) {
      connections.set({ state }, count);
    }
    drops.reset();
    for (const [reason, value] of Object.entries(datapath.drops)) drops.inc({ reason }, value);
    for (const [name, value] of Object.entries(datapath.io)) {
      set("counter", `isthmus_datapath_${snake(name)}_total`, `${name} of the datapath.`, value);
    }
    for (const { type, name, help, value } of others) set(type, name, help, value);
  }

  return {
    count: ({ method, route, status }) => requests.inc({ method, route, status: String(status) }),
    see: totals.see,
    async read() {
      await collect();
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
  };
}

function snake(name: string): string {
  return name.replaceAll("-", "_");
}
