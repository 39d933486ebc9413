/** The network protocols of a subscriber's link: IPCP and IPv6CP, which come and go by themselves. @module */

import { formatIp } from "../../../core/endpoint.ts";
import type { Scope } from "../../plugin.ts";
import { octetsOfAddress } from "../addresses.ts";
import type { DrivenLink } from "../drive.ts";
import { Cause, Direction, type LinkEnd } from "../link/end.ts";
import { IpcpServer } from "../link/ipcp.ts";
import { Protocol } from "../link/wire.ts";
import type { Offer } from "../offer.ts";
import type { Addresses } from "./addresses.ts";

/** So long may no network be up before the link ends, in milliseconds: the other one may just be about to. */
const LAST_CHANCE_MS = 5000;

/** Who is told of networks. */
export interface NetworkEvents {
  /** One came up; the first: none was up before. */
  up(event: "ip-up" | "ipv6-up", first: boolean): void;
  down(event: "ip-down" | "ipv6-down"): void;
  /** The client has chosen another address. */
  addressChanged(): void;
  /** None of them comes up. */
  failed(reason: string): void;
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
  add(offer: Offer, own: string): void {
    const { link } = this.#driven;
    const { hasIpv4, ipv4, six } = this.#addresses;
    if (hasIpv4) {
      const octets = (texts: readonly string[]) => texts.map(octetsOfAddress);
      const ipcp = new IpcpServer({
        own: octetsOfAddress(own),
        client: ipv4 === undefined ? undefined : octetsOfAddress(ipv4),
        dns: octets(offer.dns4),
        nbns: octets(offer.nbns),
      });
      link.addNetwork(Protocol.Ipcp, ipcp, {
        up: () => this.#ipcpUp(ipcp),
        down: () => this.#wentDown("ip-down"),
        finished: (reason) => this.#finished(Protocol.Ipcp, reason),
      });
    }
    if (six) {
      link.addNetwork(Protocol.Ipv6cp, six.options, {
        up: () => {
          this.#up++;
          six.up();
          this.#events.up("ipv6-up", this.#up === 1);
        },
        down: () => {
          six.down();
          this.#wentDown("ipv6-down");
        },
        finished: (reason) => this.#finished(Protocol.Ipv6cp, reason),
      });
    }
  }

  #ipcpUp(ipcp: IpcpServer): void {
    this.#up++;
    if (this.#addresses.choose(formatIp(ipcp.client!))) this.#events.addressChanged();
    this.#events.up("ip-up", this.#up === 1);
  }

  #wentDown(event: "ip-down" | "ipv6-down"): void {
    this.#up--;
    this.#events.down(event);
  }

  #finished(protocol: number, reason: string): void {
    this.#scope.log("info", "a network protocol is over", {
      protocol: protocol.toString(16),
      reason,
    });
    if (this.up) return;
    this.#scope.timer(this.#scope.now() + LAST_CHANCE_MS, () => {
      if (this.up || this.#scope.signal.aborted) return;
      this.#events.failed(reason);
      const end: LinkEnd = {
        by: "network",
        reason,
        cause: { code: Cause.NoAgreement, protocol, direction: Direction.None },
      };
      this.#driven.run((link, now) => link.terminate(end, now));
    });
  }
}
