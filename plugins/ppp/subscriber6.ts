/** IPv6 of one subscriber: what it is announced, and what DHCPv6 gives it. @module */

import { Ipv6cpOptions } from "./link/ipv6cp.ts";
import type { Offer } from "./offer.ts";
import type { SubscriberSession } from "./subscriber.ts";

/** IPv6 of one subscriber. */
export class Subscriber6 {
  readonly options: Ipv6cpOptions;
  readonly #session: SubscriberSession;
  readonly #offer: Offer;
  prefixes: readonly string[] = [];
  addresses: readonly string[] = [];
  delegated: readonly string[] = [];

  constructor(session: SubscriberSession, offer: Offer) {
    this.#session = session;
    this.#offer = offer;
    this.options = new Ipv6cpOptions(session.scope.random, undefined, offer.interfaceId);
  }

  /** Takes what it announces; a text says why it cannot. */
  take(): string | undefined {
    const { pool6, prefixes6, user } = this.#offer;
    const { pools } = this.#session.termination.subscribers;
    this.prefixes = prefixes6;
    if (prefixes6.length > 0 || pool6 === undefined) return undefined;
    const lease = pools.take([pool6], user);
    if (!lease) return `no prefix is left in pool ${pool6}`;
    this.#session.scope.defer(() => pools.give(lease.text));
    this.prefixes = [lease.text];
    return undefined;
  }

  up(): void {}

  down(): void {}

  data(_protocol: number, _packet: Uint8Array): void {}
}
