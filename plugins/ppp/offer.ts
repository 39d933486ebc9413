/** What one subscriber gets: what its grant says, and where that is silent, its profile. Pure. @module */

import type { Grant, Route, Usage } from "./aaa/authenticator.ts";
import { isV6 } from "./addresses.ts";
import type { Profile, TerminateOptions } from "./options.ts";

/** What a subscriber gets. */
export interface Offer {
  readonly user: string;
  /** An address; `pool`: one of the pools; `client`: what it asks for. */
  readonly address: string;
  readonly pools: readonly string[];
  readonly dns4: readonly string[];
  readonly dns6: readonly string[];
  readonly nbns: readonly string[];
  readonly search: readonly string[];
  readonly interfaceId: Uint8Array | undefined;
  /** Prefixes that are announced, and the pool of one more where there are none. */
  readonly prefixes6: readonly string[];
  readonly pool6: string | undefined;
  /** Single addresses by DHCPv6. */
  readonly addresses6: readonly string[];
  readonly addressPool6: string | undefined;
  /** Prefixes by DHCPv6. */
  readonly delegated: readonly string[];
  readonly delegatedPool: string | undefined;
  readonly routes: readonly Route[];
  readonly mtu: number | undefined;
  readonly dscp: number | undefined;
  readonly terms: OfferedTerms;
}

/** The part of an offer that may change while a session lives. */
export interface OfferedTerms {
  /** Bits a second; undefined: no limit. */
  readonly rateUp: number | undefined;
  readonly rateDown: number | undefined;
  /** Octets that may come at once. */
  readonly burst: number | undefined;
  /** Seconds without data. */
  readonly idleTimeout: number | undefined;
  /** Seconds since the session began. */
  readonly sessionTimeout: number | undefined;
  /** Octets since the session began. */
  readonly quota: Quota;
  readonly addressLists: readonly string[];
}

/** How many octets may pass since a session began: from the subscriber, to it, and both ways. */
export interface Quota {
  readonly up: number | undefined;
  readonly down: number | undefined;
  readonly total: number | undefined;
}

/** How far a session is. */
export interface SoFar {
  /** Seconds since it began. */
  readonly seconds: number;
  readonly usage: Pick<Usage, "upOctets" | "downOctets">;
}

const BEGINNING: SoFar = { seconds: 0, usage: { upOctets: 0, downOctets: 0 } };

/** Whom a profile is chosen for. */
export interface Choice {
  readonly grant: Grant;
  /** What the peer calls itself. */
  readonly peer: string | undefined;
}

/** Which profile counts: the grant's, its realm's, its peer's, the termination's own. */
export function profileNameOf(
  options: TerminateOptions,
  { grant, peer }: Choice,
): string | undefined {
  const at = grant.user.lastIndexOf("@");
  const realm = at < 0 ? undefined : grant.user.slice(at + 1).toLowerCase();
  return grant.profile ?? (realm === undefined ? undefined : options["realm-profiles"][realm]) ??
    (peer === undefined ? undefined : options["peer-profiles"][peer]) ?? options.profile;
}

/** What a subscriber gets; a profile's word counts before the termination's own. */
export function offerOf(
  grant: Grant,
  profile: Profile | undefined,
  options: TerminateOptions,
): Offer {
  const own: Profile = { ...options, ...profile };
  const dns = grant.dns ?? own.dns ?? [];
  return {
    user: grant.user,
    address: grant.address ?? "pool",
    pools: grant.pools ?? own.pools ?? [],
    dns4: dns.filter((server) => !isV6(server)).slice(0, 2),
    dns6: dns.filter(isV6),
    nbns: grant.nbns ?? own.nbns ?? [],
    search: own.search ?? [],
    interfaceId: grant.interfaceId,
    prefixes6: grant.ipv6Prefixes ?? [],
    pool6: grant.ipv6Pool ?? own["ipv6-pool"],
    addresses6: grant.ipv6Addresses ?? [],
    addressPool6: grant.ipv6AddressPool ?? own["ipv6-address-pool"],
    delegated: grant.delegatedPrefixes ?? [],
    delegatedPool: grant.delegatedPool ?? own["delegated-pool"],
    routes: grant.routes ?? [],
    mtu: grant.mtu ?? own.mtu,
    dscp: own.dscp,
    terms: termsOf(grant, {
      rateUp: own["rate-up"],
      rateDown: own["rate-down"],
      burst: undefined,
      idleTimeout: own["idle-timeout"],
      sessionTimeout: own["session-timeout"],
      quota: { up: undefined, down: undefined, total: own.quota },
      addressLists: own["address-lists"] ?? [],
    }),
  };
}

/**
 * Terms with what is said anew; what is not said stays, and `Infinity` takes a limit away. What is said counts from now on
 * (`soFar`), what is kept counts from the session's beginning.
 */
export function termsOf(
  said: Partial<Grant>,
  before: OfferedTerms,
  soFar = BEGINNING,
): OfferedTerms {
  const limit = (value: number | undefined, former: number | undefined, past = 0) =>
    value === undefined ? former : Number.isFinite(value) ? past + value : undefined;
  const { filters, idleTimeoutS, quota = {}, rate, sessionTimeoutS } = said;
  const { downOctets, upOctets } = soFar.usage;
  return {
    rateUp: limit(rate?.up?.bitsPerSecond, before.rateUp),
    rateDown: limit(rate?.down?.bitsPerSecond, before.rateDown),
    burst: rate?.down?.burstOctets ?? rate?.up?.burstOctets ?? before.burst,
    idleTimeout: limit(idleTimeoutS, before.idleTimeout),
    sessionTimeout: limit(sessionTimeoutS, before.sessionTimeout, soFar.seconds),
    quota: {
      up: limit(quota.up, before.quota.up, upOctets),
      down: limit(quota.down, before.quota.down, downOctets),
      total: limit(quota.total, before.quota.total, upOctets + downOctets),
    },
    addressLists: filters ?? before.addressLists,
  };
}

/** Octets that may still pass, whichever way, before one of the limits can be reached; `Infinity`: there is none. */
export function quotaLeft(quota: Quota, { downOctets, upOctets }: SoFar["usage"]): number {
  return Math.min(
    (quota.up ?? Infinity) - upOctets,
    (quota.down ?? Infinity) - downOctets,
    (quota.total ?? Infinity) - upOctets - downOctets,
  );
}
