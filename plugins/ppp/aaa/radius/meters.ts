/** What is counted of RADIUS. @module */

import type { Scope } from "../../../scope.ts";

/** The counters, by what they count. */
const COUNTERS = {
  requests: ["radius_requests", "RADIUS requests, each counted once however often it was sent"],
  retransmissions: ["radius_retransmissions", "RADIUS requests that were sent again"],
  timeouts: ["radius_timeouts", "RADIUS requests that a server never answered"],
  probes: ["radius_probes", "Status-Server packets to RADIUS servers that were dead"],
  busy: ["radius_busy", "RADIUS requests refused since too many waited for an identifier"],
  malformed: ["radius_malformed", "RADIUS packets that could not be read"],
  malformedAttributes: [
    "radius_malformed_attributes",
    "attributes of RADIUS packets that were ignored since they were malformed",
  ],
  strangers: ["radius_strangers", "RADIUS packets from addresses that nobody asked or configured"],
  late: ["radius_late", "RADIUS answers to requests that were over"],
  unexpected: ["radius_unexpected", "RADIUS answers with a code that answers no such request"],
  badAuthenticator: ["radius_bad_authenticator", "RADIUS packets with a wrong authenticator"],
  badMessageAuthenticator: [
    "radius_bad_message_authenticator",
    "RADIUS packets with a wrong Message-Authenticator",
  ],
  unsigned: [
    "radius_unsigned",
    "RADIUS packets without the Message-Authenticator that is demanded",
  ],
  proxyState: [
    "radius_proxy_state",
    "unsigned RADIUS answers with a Proxy-State that was not sent",
  ],
  accepts: ["radius_accepts", "Access-Accepts"],
  rejects: ["radius_rejects", "Access-Rejects and Access-Challenges"],
  unreachable: ["radius_unreachable", "logins that no RADIUS server answered"],
  records: ["radius_accounting_records", "accounting records that a server acknowledged"],
  dropped: ["radius_accounting_dropped", "accounting records given up, too old to be kept"],
  changes: ["radius_changes", "CoA-Requests that were carried out"],
  disconnects: ["radius_disconnects", "Disconnect-Requests that were carried out"],
  refusedChanges: ["radius_refused_changes", "CoA- and Disconnect-Requests answered with a NAK"],
  replays: ["radius_replays", "CoA- and Disconnect-Requests too old, or seen before"],
} as const;

/** One counter for each row. */
export type RadiusMeters = Readonly<Record<keyof typeof COUNTERS, { add(by?: number): void }>>;

/** Makes the counters. */
export function makeMeters(scope: Pick<Scope, "counter">): RadiusMeters {
  const entries = Object.entries(COUNTERS)
    .map(([key, [name, help]]) => [key, scope.counter(name, help)]);
  return Object.fromEntries(entries);
}
