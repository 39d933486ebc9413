/** IPv6 of one subscriber: what it is announced, and what DHCPv6 gives it. @module */

import { Ipv6cpOptions } from "./link/ipv6cp.ts";
import type { Offer } from "./offer.ts";
import type { Line6 } from "./line6.ts";
import type { Pools } from "./pools.ts";

/** IPv6 of one subscriber. */
export class Subscriber6 {
  readonly options: Ipv6cpOptions;
  readonly #line: Line6;
  readonly #pools: Pools;
  readonly #offer: Offer;
  prefixes: readonly string[] = [];
  addresses: readonly string[] = [];
  delegated: readonly string[] = [];

  constructor(line: Line6, offer: Offer, pools: Pools) {
    this.#line = line;
    this.#pools = pools;
    this.#offer = offer;
    this.options = new Ipv6cpOptions(line.scope.random, undefined, offer.interfaceId);
  }

  /** Takes what it announces; a text says why it cannot. */
  take(): string | undefined {
    const { pool6, prefixes6, user } = this.#offer;
    this.prefixes = prefixes6;
    if (prefixes6.length > 0 || pool6 === undefined) return undefined;
    const lease = this.#pools.take([pool6], user);
    if (!lease) return `no prefix is left in pool ${pool6}`;
    this.#line.scope.defer(() => this.#pools.give(lease.text));
    this.prefixes = [lease.text];
    return undefined;
  }

  up(): void {}

  down(): void {}

  data(_protocol: number, _packet: Uint8Array): void {}
}
