/** What PPPoE counts, for `/metrics`. @module */

import type { Scope } from "../plugin.ts";
import type { DiscoveryCounter } from "./discovery/concentrator.ts";

const help: Readonly<Record<DiscoveryCounter, string>> = {
  padi: "PADIs that came",
  pado: "PADOs that were sent",
  padr: "PADRs that came",
  pads: "PADSes that were sent",
  padt: "Sessions that their clients ended (PADT)",
  "padt-sent": "PADTs that were sent",
  malformed: "Frames of discovery that made no sense",
  foreign: "Frames for, or of, another concentrator",
  "foreign-padt": "PADTs of nobody's session: another MAC, VLAN or id",
  "unknown-session": "Data frames of sessions that are not there",
  rate: "PADIs and PADRs beyond their rate",
  "refused-mac": "PADIs and PADRs of MAC addresses that may not come in",
  "refused-service": "PADIs and PADRs for a service that is not served",
  "refused-limit": "PADIs and PADRs beyond the limits of sessions",
  "refused-load": "PADIs and PADRs that were not answered for the load (pado-delay, max-starting)",
  "bad-cookie": "PADRs without our cookie, or with an old one",
};

/** The plugin's counters. */
export interface Counters {
  discovery(what: DiscoveryCounter): void;
  /** Calls to LNSes: placed, refused, and subscribers for whom no LNS was left. */
  readonly carried: { add(by?: number): void };
  readonly refused: { add(by?: number): void };
  readonly stranded: { add(by?: number): void };
}

/** Makes them, once a service. */
export function makeCounters(scope: Scope): Counters {
  const all = new Map(
    Object.entries(help).map(([name, text]) => [
      name,
      scope.counter(`discovery_${name.replaceAll("-", "_")}`, text),
    ]),
  );
  return {
    discovery: (what) => all.get(what)!.add(),
    carried: scope.counter("carried_sessions", "Sessions that an LNS took"),
    refused: scope.counter("refused_calls", "Calls that an LNS refused or did not answer"),
    stranded: scope.counter("stranded_sessions", "Sessions that ended for want of an LNS"),
  };
}
