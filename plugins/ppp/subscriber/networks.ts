/** The network protocols of a subscriber's link: IPCP and IPv6CP, which come and go by themselves. @module */

import { formatIp } from "../../../core/endpoint.ts";
import type { Scope } from "../../plugin.ts";
import { octetsOfAddress } from "../addresses.ts";
import type { DrivenLink } from "../drive.ts";
import { Cause, Direction, type Finish, type LinkEnd, networkEnd, normalEnd } from "../link/end.ts";
import { IpcpServer } from "../link/ipcp.ts";
import type { NetworkSink } from "../link/network.ts";
import { Protocol } from "../link/wire.ts";
import type { Offer } from "../offer.ts";
import type { Subscriber6 } from "../subscriber6.ts";
import type { Addresses } from "./addresses.ts";

/** So long may no network be up before the link ends, in milliseconds: the other one may just be about to. */
const LAST_CHANCE_MS = 5000;

/** Why a subscriber is not offered a network. */
export const NO_IPV4 = "there is no address for it, neither of its own nor a pool in its profile";
export const NO_IPV6 = "the termination has ipv6: false";

/** Who is told of networks. */
export interface NetworkEvents {
  /** One came up; the first: none was up before. */
  networkUp(event: "ip-up" | "ipv6-up", first: boolean): void;
  networkDown(event: "ip-down" | "ipv6-down"): void;
  /** The client has chosen another address. */
  addressesChanged(): void;
  /** None of them came up, or none is left. @param had one was up before */
  networksFailed(reason: string, had: boolean): void;
}

/** The networks of one subscriber. */
export class Networks {
  readonly #scope: Scope;
  readonly #driven: DrivenLink;
  readonly #addresses: Addresses;
  readonly #events: NetworkEvents;
  /** Why each that was begun is over, the last one last; made where one is. */
  #over: Map<number, { readonly reason: string }> | undefined;
  #up = 0;
  #had = false;

  constructor(scope: Scope, driven: DrivenLink, addresses: Addresses, events: NetworkEvents) {
    this.#scope = scope;
    this.#driven = driven;
    this.#addresses = addresses;
    this.#events = events;
  }

  /** Whether any of them is up. */
  get up(): boolean {
    return this.#up > 0;
  }

  /** Puts them on the link. @param own our end's IPv4 address */
  add(offer: Offer, own: Uint8Array): void {
    const { link } = this.#driven;
    const { hasIpv4, ipv4, six } = this.#addresses;
    if (hasIpv4) {
      const octets = (texts: readonly string[]) => texts.map(octetsOfAddress);
      const ipcp = new IpcpServer({
        own,
        client: ipv4 === undefined ? undefined : octetsOfAddress(ipv4),
        dns: octets(offer.dns4),
        nbns: octets(offer.nbns),
      });
      link.addNetwork(Protocol.Ipcp, ipcp, new Ipv4(this, ipcp));
    }
    if (six) link.addNetwork(Protocol.Ipv6cp, six.options, new Ipv6(this, six));
  }

  /** The client has agreed to an address. */
  chosen(address: string): void {
    if (this.#addresses.choose(address)) this.#events.addressesChanged();
  }

  wentUp(protocol: number, event: "ip-up" | "ipv6-up"): void {
    this.#over?.delete(protocol);
    this.#up++;
    this.#had = true;
    this.#events.networkUp(event, this.#up === 1);
  }

  wentDown(event: "ip-down" | "ipv6-down"): void {
    this.#up--;
    this.#events.networkDown(event);
  }

  /** One is over, or was never begun. */
  finished(protocol: number, reason: string, how: Finish): void {
    this.#scope.log("info", "a network protocol is over", {
      protocol: protocol.toString(16),
      reason,
    });
    const over = this.#over ??= new Map();
    const last = { reason };
    over.delete(protocol);
    over.set(protocol, last);
    if (this.up) return;
    this.#scope.timer(this.#scope.now() + LAST_CHANCE_MS, () => {
      const isLast = [...over.values()].at(-1) === last;
      if (this.up || !isLast || this.#scope.ending) return;
      const end = this.#endOf(protocol, how);
      this.#events.networksFailed(end.reason, this.#had);
      this.#driven.run((link, now) => link.terminate(end, now));
    });
  }

  /** What the subscriber lacks: of each network, why it has none. */
  #endOf(protocol: number, how: Finish): LinkEnd {
    const { hasIpv4, six } = this.#addresses;
    const why = (protocol: number) => this.#over?.get(protocol)?.reason ?? "not agreed on yet";
    const reason = `${this.#had ? "no network is left" : "no network"}: ` +
      `IPv4: ${hasIpv4 ? why(Protocol.Ipcp) : NO_IPV4}; ` +
      `IPv6: ${six ? why(Protocol.Ipv6cp) : NO_IPV6}`;
    if (this.#had && how === "terminated") return normalEnd("peer", reason);
    const end = networkEnd(reason, protocol, how);
    // It was not permitted to use any address of ours (RFC 3145 §3.4).
    const lacking = {
      code: Cause.NotPermitted,
      protocol: Protocol.Ipcp,
      direction: Direction.Local,
    };
    return hasIpv4 ? end : { ...end, cause: lacking };
  }
}

class Ipv4 implements NetworkSink {
  readonly #networks: Networks;
  readonly #ipcp: IpcpServer;

  constructor(networks: Networks, ipcp: IpcpServer) {
    this.#networks = networks;
    this.#ipcp = ipcp;
  }

  up(): void {
    this.#networks.chosen(formatIp(this.#ipcp.client!));
    this.#networks.wentUp(Protocol.Ipcp, "ip-up");
  }

  down(): void {
    this.#networks.wentDown("ip-down");
  }

  finished(reason: string, how: Finish): void {
    this.#networks.finished(Protocol.Ipcp, reason, how);
  }
}

class Ipv6 implements NetworkSink {
  readonly #networks: Networks;
  readonly #six: Subscriber6;

  constructor(networks: Networks, six: Subscriber6) {
    this.#networks = networks;
    this.#six = six;
  }

  up(): void {
    this.#six.up();
    this.#networks.wentUp(Protocol.Ipv6cp, "ipv6-up");
  }

  down(): void {
    this.#six.down();
    this.#networks.wentDown("ipv6-down");
  }

  finished(reason: string, how: Finish): void {
    this.#networks.finished(Protocol.Ipv6cp, reason, how);
  }
}
