/** A subscriber's addresses and prefixes, and the routes and sets that they are in while it has them. @module */

import type { Endable, Scope } from "../../plugin.ts";
import { membershipsOf, SetMemberships } from "../address_lists.ts";
import type { Line6 } from "../line6.ts";
import type { Offer } from "../offer.ts";
import { Subscriber6 } from "../subscriber6.ts";
import type { Termination } from "../termination.ts";

/** The addresses of one subscriber. */
export class Addresses {
  readonly #scope: Scope;
  readonly #termination: Termination;
  readonly #offer: Offer;
  /** These two are there once they are needed: most subscribers are in no list, and delegated nothing. */
  #lists: Lists | undefined;
  #routed: Map<string, Scope & Endable> | undefined;
  /** Absent: there is none, or the client has not chosen yet. */
  ipv4: string | undefined;
  /** Absent: IPv6 is not offered. */
  six: Subscriber6 | undefined;

  constructor(scope: Scope, termination: Termination, offer: Offer) {
    this.#scope = scope;
    this.#termination = termination;
    this.#offer = offer;
  }

  /** Whether IPv4 is spoken with the subscriber. */
  get hasIpv4(): boolean {
    return this.ipv4 !== undefined || this.#offer.address === "client";
  }

  /** Single addresses. */
  get single(): string[] {
    return [...(this.ipv4 === undefined ? [] : [this.ipv4]), ...this.six?.addresses ?? []];
  }

  /** Prefixes that are announced, and those that are delegated. */
  get prefixes(): string[] {
    return [...this.six?.prefixes ?? [], ...this.six?.delegated ?? []];
  }

  /** Takes the IPv4 address that was offered; a text says why it cannot. */
  take4(): string | undefined {
    const { counters, pools } = this.#termination.subscribers;
    const { address, pools: names, user } = this.#offer;
    if (address === "client" || (address === "pool" && names.length === 0)) return undefined;
    const own = address === "pool"
      ? pools.take(names, user)?.text
      : pools.claim(address)
      ? address
      : undefined;
    if (own === undefined) {
      counters.exhausted.add();
      return address === "pool"
        ? `no address is left in pool ${names.join(", ")}`
        : `${address} is in use`;
    }
    this.#scope.defer(() => pools.give(own));
    this.ipv4 = own;
    return undefined;
  }

  /** Takes what IPv6 announces; a text says why it cannot. */
  take6(line: Line6, mtu: () => number): string | undefined {
    const { name, options, subscribers } = this.#termination;
    if (!options.ipv6) return undefined;
    const six = new Subscriber6(line, {
      offer: this.#offer,
      pools: subscribers.pools,
      validS: options["ipv6-lifetime"],
      server: `${name} ${options.address}`,
      mtu,
    });
    const refusal = six.take();
    if (refusal !== undefined) return refusal;
    this.six = six;
    return undefined;
  }

  /** Routes to what lies behind the subscriber, and to its address. Rejects where one cannot be had. */
  async route(): Promise<void> {
    const { options, tun } = this.#termination;
    const { netns } = options.tun;
    for (const { metric, prefix } of this.#offer.routes) {
      await this.#scope.route({
        prefix,
        device: tun.name,
        ...(metric !== undefined && { metric }),
        ...(netns !== undefined && { netns }),
      });
    }
    if (this.ipv4 !== undefined) await this.#termination.routeTo(this.#scope, this.ipv4);
  }

  /** The client has chosen its IPv4 address, and may have it; whether that is news. */
  choose(address: string): boolean {
    if (this.ipv4 === address) return false;
    this.ipv4 = address;
    this.#termination.routeTo(this.#scope, address).catch(this.#scope.fail);
    return true;
  }

  /** What is delegated is routed to the TUN as long as it is. */
  routeDelegated(): void {
    const { addresses = [], delegated = [] } = this.six ?? {};
    const now = new Set([...addresses, ...delegated]);
    if (now.size === 0 && !this.#routed) return;
    this.#routed ??= new Map();
    for (const [what, life] of this.#routed) {
      if (now.delete(what)) continue;
      this.#routed.delete(what);
      void life.end({ result: 3, message: "given back" });
    }
    for (const what of now) {
      const life = this.#scope.child(what);
      this.#routed.set(what, life);
      this.#termination.routeTo(life, what).catch((error) =>
        this.#scope.log("warn", "cannot route what was delegated", { what, reason: error.message })
      );
    }
  }

  /** Has the addresses in the sets of these lists, and in no others. */
  async list(names: readonly string[]): Promise<void> {
    if (names.length === 0 && !this.#lists) return;
    const { counters, section } = this.#termination.subscribers;
    this.#lists ??= {
      sets: new SetMemberships(this.#scope, this.#termination.options.tun.netns),
      unknown: new Set(),
    };
    const addresses = [...this.single, ...this.prefixes];
    const { unknown, wanted } = membershipsOf(names, section["address-lists"], addresses);
    for (const name of unknown) {
      if (this.#lists.unknown.has(name)) continue;
      this.#lists.unknown.add(name);
      counters.unknownLists.add();
      this.#scope.log("warn", "no address list has this name: it changes nothing", {
        user: this.#offer.user,
        "address-list": name,
      });
    }
    await this.#lists.sets.have(wanted);
  }
}

/** What a subscriber has in sets, and the names that mean nothing and were told of. */
interface Lists {
  readonly sets: SetMemberships;
  readonly unknown: Set<string>;
}
