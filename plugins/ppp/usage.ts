/** What a session carried, from what the datapath counts. @module */

import type { Port, Statistics } from "../ports.ts";
import type { Usage } from "./aaa/authenticator.ts";

const NOTHING: Usage = { upOctets: 0, downOctets: 0, upPackets: 0, downPackets: 0 };

/** IP packets and their octets, of both families; the last known, where there is nothing to read. */
export function usageOf(
  statistics: Statistics | undefined,
  before = NOTHING,
): Usage {
  if (!statistics) return before;
  const sum = (way: "rx" | "tx", what: "bytes" | "packets") =>
    (statistics[`${way}-ipv4-${what}`] ?? 0) + (statistics[`${way}-ipv6-${what}`] ?? 0);
  return {
    upOctets: sum("rx", "bytes"),
    downOctets: sum("tx", "bytes"),
    upPackets: sum("rx", "packets"),
    downPackets: sum("tx", "packets"),
  };
}

/**
 * PPP frames and their octets, of a session that is carried on: by the counters of the L2TP session that takes them to the
 * LNS; the last known, where there is nothing to read.
 */
export function carriedOf(statistics: Statistics | undefined, before = NOTHING): Usage {
  if (!statistics) return before;
  return {
    upOctets: statistics["tx-bytes"] ?? 0,
    downOctets: statistics["rx-bytes"] ?? 0,
    upPackets: statistics["tx-packets"] ?? 0,
    downPackets: statistics["rx-packets"] ?? 0,
  };
}

/** What one session carried: the last reading stays, also where its port has gone. */
export class Meter {
  readonly #port: Port;
  last: Usage = NOTHING;

  constructor(port: Port) {
    this.#port = port;
  }

  /** Never rejects. */
  async read(): Promise<Usage> {
    const now = await this.#port.statistics().catch(() => undefined);
    return this.last = usageOf(now, this.last);
  }
}
