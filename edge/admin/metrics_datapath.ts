/** Metrics of what passes and what is dropped. @module */

import type { Counters } from "../../wasm/mod.ts";
import type { ApplianceApi } from "../appliance/api.ts";
import type { TunnelSummary } from "../config/model.ts";
import { by, type Metric, one } from "./metrics_samples.ts";
import { counterHelp, counterNames } from "./statistics.ts";

/** @param sums of all tunnels that there ever were */
export function datapathMetrics(
  { drops, io, pathErrors }: Awaited<ReturnType<ApplianceApi["datapath"]>>,
  tunnels: readonly TunnelSummary[],
  sums: Readonly<Counters>,
): readonly Metric[] {
  const grouping = { on: 0, limited: 0, off: 0, never: 0 };
  for (const tunnel of tunnels) if (tunnel.grouping) grouping[tunnel.grouping.state]++;
  return [
    [
      "counter",
      "isthmus_drops_total",
      "Frames and control messages dropped, by reason.",
      by("reason", drops),
    ],
    [
      "counter",
      "isthmus_path_errors_total",
      "ICMP errors that came for what was sent, by what they said. They may be forged.",
      by("trouble", pathErrors),
    ],
    [
      "gauge",
      "isthmus_grouping_tunnels",
      "Tunnels by whether their datagrams leave in groups that the kernel cuts (UDP_SEGMENT).",
      by("state", grouping),
    ],
    ...counterNames.map((name): Metric => [
      "counter",
      `isthmus_${snake(name)}_total`,
      `${counterHelp[name]} All tunnels together.`,
      one(sums[name]),
    ]),
    ...Object.entries(io).map(([name, value]): Metric => [
      "counter",
      `isthmus_datapath_${snake(name)}_total`,
      `${name} of the datapath.`,
      one(value),
    ]),
  ];
}

function snake(name: string): string {
  return name.replaceAll("-", "_");
}
