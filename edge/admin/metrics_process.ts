/** Metrics of the process, of reloads and of peers. @module */

import type { ApplianceApi } from "../appliance/api.ts";
import type { DatapathMemory } from "../datapath/datapath.ts";
import type { Vitals } from "../process/vitals.ts";
import { by, type Metric, one, type Survey } from "./metrics_samples.ts";

/** Where there are more peers, they are not told apart: each would be a series for as long as anybody keeps them. */
const MOST_PEERS = 500;

/** What the process needs to live. */
export function processMetrics(vitals: Vitals, datapath: DatapathMemory): readonly Metric[] {
  const { descriptors, droppedLines, heapBytes, lagMs, residentBytes } = vitals;
  return [
    [
      "gauge",
      "isthmus_memory_bytes",
      "Memory by what it is for: the heaps' objects, and the WASM instance, which never shrinks.",
      by("part", {
        "control-heap": heapBytes,
        "datapath-heap": datapath.heap,
        "datapath-wasm": datapath.wasm,
      }),
    ],
    [
      "counter",
      "isthmus_log_dropped_lines_total",
      "Lines of the log that were dropped: nobody read them fast enough.",
      one(droppedLines),
    ],
    ["gauge", "process_open_fds", "Open descriptors, about.", one(descriptors.open)],
    ["gauge", "process_max_fds", "The limit of descriptors.", one(descriptors.limit)],
    ["gauge", "process_resident_memory_bytes", "Resident memory.", one(residentBytes)],
    [
      "gauge",
      "isthmus_event_loop_lag_seconds",
      "By how much control work was late at worst since the last scrape.",
      one(lagMs / 1000),
    ],
  ];
}

/** What became of reloads; none yet counts as a good one at the start. */
export function reloadMetrics(
  api: Pick<ApplianceApi, "lastReload" | "startedAt">,
): readonly Metric[] {
  const { at, failed, failures } = api.lastReload();
  return [
    [
      "gauge",
      "isthmus_config_last_reload_successful",
      "1 unless the last reload failed.",
      one(failed ? 0 : 1),
    ],
    [
      "gauge",
      "isthmus_config_last_reload_success_timestamp_seconds",
      "When the configuration in force was read, in Unix seconds.",
      one(at / 1000),
    ],
    ["counter", "isthmus_config_reload_failures_total", "Reloads that failed.", one(failures)],
  ];
}

/** How many tunnels of each peer are up and down. */
export function peerMetrics(
  api: Pick<ApplianceApi, "config">,
  counts: Survey["peers"],
): readonly Metric[] {
  const { peers } = api.config();
  if (peers.length > MOST_PEERS) return [];
  const samples = peers.flatMap(({ name: peer }) => {
    const { down, up } = counts.get(peer) ?? { up: 0, down: 0 };
    return [
      [{ peer, status: "up" }, up] as const,
      [{ peer, status: "down" }, down] as const,
    ];
  });
  return [[
    "gauge",
    "isthmus_peer_tunnels",
    "Tunnels with a control connection by peer and status.",
    samples,
  ]];
}
