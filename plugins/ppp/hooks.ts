/** What operators' commands are told, by the names that pppd's scripts know. @module */

import { formatIp } from "../../core/endpoint.ts";
import type { Usage } from "./aaa/authenticator.ts";
import { linkLocal } from "./link/ipv6cp.ts";

/** What is known of a link. */
export interface HookFacts {
  readonly ifname: string;
  readonly session: string;
  readonly user: string;
  readonly local: string | undefined;
  readonly remote: string | undefined;
  readonly dns: readonly string[];
  readonly localId: Uint8Array | undefined;
  readonly remoteId: Uint8Array | undefined;
  readonly delegated: readonly string[];
  readonly secondsUp: number;
  readonly usage: Usage;
}

/** The environment of `ip-up`, `ip-down`, `ipv6-up` and `ipv6-down`. */
export function hookOf(facts: HookFacts): Record<string, string> {
  const {
    delegated,
    dns,
    ifname,
    local,
    localId,
    remote,
    remoteId,
    secondsUp,
    session,
    usage,
    user,
  } = facts;
  const all: Record<string, string | undefined> = {
    IFNAME: ifname,
    PEERNAME: user,
    IPLOCAL: local,
    IPREMOTE: remote,
    DNS1: dns[0],
    DNS2: dns[1],
    LLLOCAL: localId && formatIp(linkLocal(localId)),
    LLREMOTE: remoteId && formatIp(linkLocal(remoteId)),
    DELEGATED_PREFIX: delegated.join(" ") || undefined,
    CONNECT_TIME: String(Math.round(secondsUp)),
    BYTES_SENT: String(usage.downOctets),
    BYTES_RCVD: String(usage.upOctets),
    ISTHMUS_SESSION: session,
  };
  return Object.fromEntries(
    Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
