/** Metrics of what passes and what is dropped. @module */

import type { ApplianceApi } from "../appliance/api.ts";
import { by, type Metric, one, type Survey } from "./metrics_samples.ts";
import { counterHelp, counterNames } from "./statistics.ts";

/** What the datapath counts of itself. */
const work: Readonly<Record<string, string>> = {
  "rx-batches": "Batches of datagrams or frames that the datapath was handed.",
  "rx-datagrams": "L2TP datagrams received, those that the kernel had joined counted singly.",
  "rx-gro-datagrams": "Received datagrams that the kernel had joined (UDP_GRO).",
  "rx-frames": "Frames read from devices, those inside super-frames counted singly.",
  "rx-super-frames": "Super-frames read from devices.",
  "pppoe-unknown": "PPPoE data frames of sessions that are not there.",
  "injected": "Frames that the control plane had sent.",
  "tx-messages": "Messages sent.",
  "tx-segments": "L2TP datagrams in the messages sent: more where groups are cut by the kernel.",
  "tx-frames": "Frames written to devices, those inside super-frames counted singly.",
  "tx-super-frames": "Super-frames written to devices.",
  "tx-oversize": "Datagrams sent that were longer than the path carries whole.",
  "tx-control": "Control messages sent.",
  "tx-split": "Groups of datagrams that the kernel refused, and that were sent singly.",
  "copies": "Copies of frames that left by several ports, beyond the first.",
  "fragments": "Pieces that packets were cut into, beyond the first.",
  "icmp-errors": "ICMP errors sent because packets were too big.",
  "punted-control": "Control messages handed to the control plane.",
  "punted-frames": "Frames handed to the control plane.",
  "wake-ups": "Times that the datapath woke up for something to do.",
  "path-errors-uncounted": "ICMP errors that came faster than they are counted by tunnel.",
  "rx-calls": "System calls that receive datagrams.",
  "device-reads": "System calls that read from devices.",
  "device-writes": "System calls that write to devices.",
  "socket-failures": "Times that a socket could not be received from.",
  "tx-calls": "System calls that send datagrams.",
  "tx-waits": "Times that sending waited for the kernel to have room again.",
  "tx-excused": "Errors of earlier datagrams that the kernel told while another was sent.",
  "tx-grouping-limited": "Times that the kernel refused a group of datagrams.",
};

export function datapathMetrics(
  { drops, io, pathErrors }: Awaited<ReturnType<ApplianceApi["datapath"]>>,
  { grouping, sums }: Survey,
): readonly Metric[] {
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
      work[name] ?? `What the datapath counts as ${name}.`,
      one(value),
    ]),
  ];
}

function snake(name: string): string {
  return name.replaceAll("-", "_");
}
