/** IPv6 of one subscriber: what it is announced, and what DHCPv6 gives it. @module */

import { isLinkLocal } from "../../core/endpoint.ts";
import { equalBytes } from "../../core/wire/bytes.ts";
import { createHash } from "node:crypto";
import { emitAdvertisement, IcmpType } from "./ipv6/advertisement.ts";
import { DhcpServer } from "./ipv6/dhcp_server.ts";
import { emitMessage, type Ia, parseMessage, Port } from "./ipv6/dhcpv6.ts";
import {
  ALL_NODES,
  emitDatagram,
  emitPacket6,
  isUnspecified,
  Next,
  type Packet6,
  parseDatagram,
  parsePacket6,
} from "./ipv6/packet.ts";
import { Ipv6cpOptions, linkLocal } from "./link/ipv6cp.ts";
import type { Line6 } from "./line6.ts";
import type { Offer } from "./offer.ts";
import type { Pools } from "./pools.ts";

/** Milliseconds between unasked advertisements, at most; a quarter of it is left to chance (RFC 4861 §6.2.4). */
const INTERVAL_MS = 600_000;
/** The first advertisements come faster (RFC 4861 §10). */
const FIRST_MS = 16_000;
const FIRST = 3;
/** Seconds that a router is one, without another word. */
const ROUTER_LIFETIME = 1800;
/** Milliseconds within which a link is advertised to but once, whoever asks (RFC 4861 §10). */
const LEAST_MS = 500;

/** What a subscriber's IPv6 is made with. */
export interface Settings6 {
  readonly offer: Offer;
  readonly pools: Pools;
  /** Seconds. */
  readonly validS: number;
  /** Tells our DHCPv6 server from others, the same after a restart. */
  readonly server: string;
  /** Octets of the largest packet to the subscriber. */
  mtu(): number;
}

/** IPv6 of one subscriber. */
export class Subscriber6 {
  readonly options: Ipv6cpOptions;
  readonly #line: Line6;
  readonly #settings: Settings6;
  readonly #dhcp: DhcpServer;
  /** What is announced. */
  prefixes: readonly string[] = [];
  #timer: { cancel(): void } | undefined;
  #sent = 0;
  #last = -Infinity;

  constructor(line: Line6, settings: Settings6) {
    this.#line = line;
    this.#settings = settings;
    const { offer, server, validS } = settings;
    this.options = new Ipv6cpOptions(line.scope.random, undefined, offer.interfaceId);
    const { dns6: dns, search } = offer;
    this.#dhcp = new DhcpServer({ duid: duidOf(server), dns, search, validS }, {
      take: (kind, iaid, wish, only) => this.#take(kind, iaid, wish, only),
      give: (_kind, text, declined) => declined || settings.pools.give(text),
      changed: () => line.changed(),
    });
    line.scope.defer(() => {
      for (const { text } of this.#dhcp.bindings) settings.pools.give(text);
    });
  }

  /** Single addresses that DHCPv6 gave. */
  get addresses(): string[] {
    return this.#given("na");
  }

  /** Prefixes that DHCPv6 delegated. */
  get delegated(): string[] {
    return this.#given("pd");
  }

  /** Takes what it announces; a text says why it cannot. */
  take(): string | undefined {
    const { offer: { pool6, prefixes6, user }, pools } = this.#settings;
    this.prefixes = prefixes6;
    for (const prefix of prefixes6) {
      if (!pools.claim(prefix)) return `${prefix} is in use`;
      this.#line.scope.defer(() => pools.give(prefix));
    }
    if (prefixes6.length > 0 || pool6 === undefined) return undefined;
    const lease = pools.take([pool6], user);
    if (!lease) return `no prefix is left in pool ${pool6}`;
    this.#line.scope.defer(() => pools.give(lease.text));
    this.prefixes = [lease.text];
    return undefined;
  }

  /** IPv6CP is up. */
  up(): void {
    this.#sent = 0;
    this.#last = -Infinity;
    this.#advertise();
  }

  /** IPv6CP is not up any more. */
  down(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A packet came that the datapath does not take. */
  data(bytes: Uint8Array): void {
    const packet = parsePacket6(bytes);
    if (!packet || !this.options.peer) return;
    if (packet.next === Next.Udp) return this.#dhcpMessage(packet);
    const type = packet.payload[0];
    if (type === IcmpType.Solicitation && packet.hopLimit === 255) return this.#solicited(packet);
    if (type === IcmpType.EchoRequest) return this.#echo(packet);
  }

  #solicited({ source }: Packet6): void {
    if (!isLinkLocal(source) && !isUnspecified(source)) return;
    const now = this.#line.scope.now();
    if (now - this.#last < LEAST_MS) return;
    this.#advertise();
  }

  #advertise(): void {
    const { scope } = this.#line;
    this.#timer?.cancel();
    this.#last = scope.now();
    this.#sent++;
    const wait = (this.#sent < FIRST ? FIRST_MS : INTERVAL_MS) *
      (0.75 + scope.random(1)[0]! / 1024);
    this.#timer = scope.timer(this.#last + wait, () => this.#advertise());
    const { offer, validS } = this.#settings;
    const managed = offer.addresses6.length > 0 || offer.addressPool6 !== undefined;
    const payload = emitAdvertisement({
      lifetime: ROUTER_LIFETIME,
      managed,
      other: managed || offer.dns6.length > 0 || offer.delegatedPool !== undefined ||
        offer.delegated.length > 0,
      prefixes: this.prefixes.map((prefix) => ({
        prefix,
        valid: validS,
        preferred: Math.floor(validS / 2),
        autonomous: prefix.endsWith("/64"),
      })),
      mtu: this.#settings.mtu(),
      dns: offer.dns6,
      search: offer.search,
      dnsLifetime: ROUTER_LIFETIME,
    });
    this.#send(ALL_NODES, 255, Next.Icmp, payload);
  }

  #echo({ destination, payload, source }: Packet6): void {
    if (!equalBytes(destination, linkLocal(this.options.own)) || !isLinkLocal(source)) return;
    const answer = payload.slice();
    answer[0] = IcmpType.EchoReply;
    this.#send(source, 64, Next.Icmp, answer);
  }

  #dhcpMessage({ payload, source }: Packet6): void {
    const datagram = parseDatagram(payload);
    const message = datagram?.destinationPort === Port.Server && parseMessage(datagram.data);
    if (!message || !isLinkLocal(source)) return;
    const answer = this.#dhcp.answer(message);
    if (!answer) return;
    const data = emitMessage(answer);
    this.#send(
      source,
      64,
      Next.Udp,
      emitDatagram({ sourcePort: Port.Server, destinationPort: Port.Client, data }),
    );
  }

  #send(destination: Uint8Array, hopLimit: number, next: number, payload: Uint8Array): void {
    const source = linkLocal(this.options.own);
    this.#line.send(emitPacket6({ source, destination, hopLimit, next, payload }));
  }

  #given(kind: Ia["kind"]): string[] {
    return this.#dhcp.bindings.filter((one) => one.kind === kind).map(({ text }) => text);
  }

  /** What is given to an IA: of what is the subscriber's own, and else of its pool. */
  #take(
    kind: Ia["kind"],
    iaid: number,
    wish: string | undefined,
    only: boolean,
  ): string | undefined {
    const { offer, pools } = this.#settings;
    const [own, pool] = kind === "na"
      ? [offer.addresses6, offer.addressPool6]
      : [offer.delegated, offer.delegatedPool];
    const free = own.filter((text) =>
      !this.#given(kind).includes(text) && (!only || text === wish)
    );
    const found = free.find((text) => text === wish) ?? free[0];
    if (found !== undefined && pools.claim(found)) return found;
    if (pool === undefined) return undefined;
    const user = `${offer.user} ${iaid}`;
    if (wish !== undefined && pools.claimFrom([pool], wish, user)) return wish;
    return only ? undefined : pools.take([pool], user)?.text;
  }
}

/** A DUID that needs no clock and no hardware (RFC 6355): a UUID, of a name. */
function duidOf(name: string): Uint8Array {
  const hash = createHash("sha256").update(`isthmus ${name}`).digest();
  return Uint8Array.of(0, 4, ...hash.subarray(0, 16));
}
