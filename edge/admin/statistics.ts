/**
 * The counters of tunnels and sessions, and what they count. Named here rather than taken from `wasm/mod.ts`, whose
 * import brings a datapath's memory with it; the compiler sees to it that none is missing.
 *
 * @module
 */

import type { SessionCounter } from "../../wasm/mod.ts";

export const counterHelp: Readonly<Record<SessionCounter, string>> = {
  "tx-packets": "Frames sent.",
  "tx-bytes": "Bytes of frames sent, without L2TP headers.",
  "tx-errors": "Frames that could not be sent.",
  "rx-packets": "Frames received and delivered.",
  "rx-bytes": "Bytes of frames received, without L2TP headers.",
  "rx-errors": "Received frames that could not be delivered.",
  "rx-seq-discards": "Received frames dropped for their sequence number.",
  "rx-oos-packets": "Received frames that were out of sequence.",
  "rx-cookie-discards": "Received frames dropped for a wrong cookie.",
  "rx-invalid": "Received frames dropped because they were malformed.",
};

/** The counters' names. */
export const counterNames = Object.keys(counterHelp) as SessionCounter[];
