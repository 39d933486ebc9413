/** The rows that compare forwarding with C (docs/performance.md). @module */

import type { Comparison } from "../compare.ts";
import type { Traffic } from "../subjects.ts";

const small: Traffic = {
  path: "switch",
  pairs: 1000,
  sinks: 4,
  frame: 128,
  burst: 64,
  window: 256,
};
/** As many full-size frames as one UDP_SEGMENT message carries. */
const bursts: Traffic = { ...small, sinks: 1, frame: 1400, burst: 45, window: 8 * 45 };
/** As between two tunnels of subscribers' PPP sessions, and between PPPoE and a tunnel. */
const ppp: Traffic = { ...small, ppp: true };
const pppoe: Traffic = { ...ppp, sinks: 1 };
const tap: Traffic = { ...small, pairs: 1, sinks: 1 };

export const forwarding: readonly Comparison[] = [
  {
    row: "switch",
    what: "UDP to UDP, packets one by one",
    traffic: small,
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 100_000, bar: { atLeast: 0.95 } }],
    underlays: [],
    packets: 100_000,
  },
  {
    row: "macs",
    what: "UDP to UDP by a switch that knows 100,000 MAC addresses",
    traffic: { ...small, macs: 100_000 },
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 100_000, bar: { atLeast: 0.9 } }],
    underlays: [],
    packets: 100_000,
  },
  {
    row: "flood",
    what: "UDP to UDP by a switch that floods each frame to 16 ports, a copy",
    traffic: { ...small, pairs: 16, window: 128, flood: true },
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 204_800, bar: { atLeast: 0.9 } }],
    underlays: [],
    packets: 204_800,
  },
  {
    row: "grouped",
    what: "UDP to UDP, sends grouped with UDP_SEGMENT, 4 peers",
    traffic: small,
    input: "single",
    mode: "segment",
    against: [
      { mode: "plain", packets: 100_000, bar: { atLeast: 3, underlay: "whole" } },
      { mode: "segment", packets: 250_000 },
    ],
    underlays: ["whole", "split"],
    packets: 250_000,
  },
  {
    row: "gro",
    what: "UDP_GRO in, UDP_SEGMENT out, bursts to one peer",
    traffic: bursts,
    input: "super",
    mode: "gro",
    against: [
      { mode: "gro", packets: 450_000, bar: { atLeast: 0.9 } },
      { mode: "plain", packets: 90_000, bar: { atLeast: 10, underlay: "whole" } },
    ],
    underlays: ["whole", "split"],
    packets: 450_000,
  },
  {
    row: "tap-udp",
    what: "TAP to UDP, frame by frame",
    traffic: { ...tap, path: "tap-udp" },
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 100_000, bar: { atLeast: 0.93 } }],
    underlays: [],
    packets: 100_000,
  },
  {
    row: "udp-tap",
    what: "UDP to TAP, frame by frame",
    traffic: { ...tap, path: "udp-tap" },
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 200_000, bar: { atLeast: 0.93 } }],
    underlays: [],
    packets: 200_000,
  },
  {
    row: "wire-udp",
    what: "interface by a packet socket to UDP, frame by frame",
    traffic: { ...tap, path: "wire-udp" },
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 100_000, bar: { atLeast: 0.93 } }],
    underlays: [],
    packets: 100_000,
  },
  {
    row: "udp-wire",
    what: "UDP to an interface by a packet socket, frame by frame",
    traffic: { ...tap, path: "udp-wire" },
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 100_000, bar: { atLeast: 0.93 } }],
    underlays: [],
    packets: 100_000,
  },
  {
    row: "pppoe-udp",
    what: "1,000 PPPoE sessions of an interface to L2TP over UDP, frame by frame",
    traffic: { ...pppoe, path: "wire-udp" },
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 100_000, bar: { atLeast: 0.9 } }],
    underlays: [],
    packets: 100_000,
  },
  {
    row: "udp-pppoe",
    what: "L2TP over UDP to 1,000 PPPoE sessions of an interface, frame by frame",
    traffic: { ...pppoe, path: "udp-wire" },
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 100_000, bar: { atLeast: 0.9 } }],
    underlays: [],
    packets: 100_000,
  },
  {
    row: "multihop",
    what: "PPP sessions from UDP to UDP, packets one by one",
    traffic: ppp,
    input: "single",
    mode: "plain",
    against: [{ mode: "plain", packets: 100_000, bar: { atLeast: 0.95 } }],
    underlays: [],
    packets: 100_000,
  },
  {
    row: "multihop-grouped",
    what: "PPP sessions from UDP to UDP, sends grouped with UDP_SEGMENT, 4 peers",
    traffic: ppp,
    input: "single",
    mode: "segment",
    against: [
      { mode: "plain", packets: 100_000, bar: { atLeast: 3, underlay: "whole" } },
      { mode: "segment", packets: 250_000 },
    ],
    underlays: ["whole", "split"],
    packets: 250_000,
  },
];
