/** The network protocols of a subscriber's link: IPCP and IPv6CP, which come and go by themselves. @module */

import { formatIp } from "../../../core/endpoint.ts";
import type { Scope } from "../../plugin.ts";
import { octetsOfAddress } from "../addresses.ts";
import type { DrivenLink } from "../drive.ts";
import { Cause, Direction, type LinkEnd } from "../link/end.ts";
import { IpcpServer } from "../link/ipcp.ts";
import type { NetworkSink } from "../link/network.ts";
import { Protocol } from "../link/wire.ts";
import type { Offer } from "../offer.ts";
import type { Subscriber6 } from "../subscriber6.ts";
import type { Addresses } from "./addresses.ts";

/** So long may no network be up before the link ends, in milliseconds: the other one may just be about to. */
const LAST_CHANCE_MS = 5000;

/** Who is told of networks. */
export interface NetworkEvents {
  /** One came up; the first: none was up before. */
  networkUp(event: "ip-up" | "ipv6-up", first: boolean): void;
  networkDown(event: "ip-down" | "ipv6-down"): void;
  /** The client has chosen another address. */
  addressesChanged(): void;
  /** None of them comes up. */
  networksFailed(reason: string): void;
}

/** The networks of one subscriber. */
export class Networks {
  readonly #scope: Scope;
  readonly #driven: DrivenLink;
  readonly #addresses: Addresses;
  readonly #events: NetworkEvents;
  #up = 0;

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

  wentUp(event: "ip-up" | "ipv6-up"): void {
    this.#up++;
    this.#events.networkUp(event, this.#up === 1);
  }

  wentDown(event: "ip-down" | "ipv6-down"): void {
    this.#up--;
    this.#events.networkDown(event);
  }

  /** One is over, or was never begun. */
  finished(protocol: number, reason: string): void {
    this.#scope.log("info", "a network protocol is over", {
      protocol: protocol.toString(16),
      reason,
    });
    if (this.up) return;
    this.#scope.timer(this.#scope.now() + LAST_CHANCE_MS, () => {
      if (this.up || this.#scope.ending) return;
      this.#events.networksFailed(reason);
      const end: LinkEnd = {
        by: "network",
        reason,
        cause: { code: Cause.NoAgreement, protocol, direction: Direction.None },
      };
      this.#driven.run((link, now) => link.terminate(end, now));
    });
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
    this.#networks.wentUp("ip-up");
  }

  down(): void {
    this.#networks.wentDown("ip-down");
  }

  finished(reason: string): void {
    this.#networks.finished(Protocol.Ipcp, reason);
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
    this.#networks.wentUp("ipv6-up");
  }

  down(): void {
    this.#six.down();
    this.#networks.wentDown("ipv6-down");
  }

  finished(reason: string): void {
    this.#networks.finished(Protocol.Ipv6cp, reason);
  }
}
