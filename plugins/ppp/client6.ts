/** IPv6 of a client: the addresses that it makes of what is announced (RFC 4862), and a delegated prefix. @module */

import { concat, equalBytes } from "../../core/wire/bytes.ts";
import { formatIp, isLinkLocal } from "../../core/endpoint.ts";
import { octetsOfAddress } from "./addresses.ts";
import { IcmpType, parseAdvertisement } from "./ipv6/advertisement.ts";
import { DhcpClient } from "./ipv6/dhcp_client.ts";
import { emitMessage, parseMessage, Port } from "./ipv6/dhcpv6.ts";
import {
  ALL_DHCP,
  ALL_ROUTERS,
  emitDatagram,
  emitPacket6,
  Next,
  type Packet6,
  parseDatagram,
  parsePacket6,
} from "./ipv6/packet.ts";
import { Ipv6cpOptions, linkLocal } from "./link/ipv6cp.ts";
import type { Line6 } from "./line6.ts";

/** Solicitations, and milliseconds between them (RFC 4861 §10). */
const SOLICITATIONS = 3;
const SOLICIT_MS = 4000;
/** As many prefixes as are taken of one router. */
const MAX_PREFIXES = 4;
/** An infinite lifetime. */
const FOR_EVER = 0xffff_ffff;

/** What a client's IPv6 is made with. */
export interface Client6Settings {
  /** Our interface identifier, 8 octets: the same for each link of a circuit, and so are our addresses. */
  readonly interfaceId: Uint8Array;
  /** Whether a prefix is asked for. */
  readonly prefix: boolean;
}

/** IPv6 of a client. */
export class Client6 {
  readonly options: Ipv6cpOptions;
  readonly #line: Line6;
  readonly #dhcp: DhcpClient;
  readonly #wantsPrefix: boolean;
  /** Until when announced prefixes are valid. */
  readonly #prefixes = new Map<string, number>();
  #announced: { readonly dns: readonly string[] } = { dns: [] };
  /** Until when the other end is a default router. */
  #routerUntil = 0;
  #dhcpRuns = false;
  #timers: {
    solicit?: { cancel(): void };
    dhcp?: { cancel(): void };
    expiry?: { cancel(): void };
  } = {};

  constructor(line: Line6, { interfaceId, prefix }: Client6Settings) {
    this.#line = line;
    this.#wantsPrefix = prefix;
    this.options = new Ipv6cpOptions(line.scope.random, interfaceId);
    // A DUID of the link layer, of the only number that lasts (RFC 8415 §11.4; hardware type 0: none).
    const duid = concat([Uint8Array.of(0, 3, 0, 0), interfaceId]);
    this.#dhcp = new DhcpClient(duid, prefix, line.scope.random, {
      send: (message) => this.#sendDhcp(emitMessage(message)),
      changed: () => line.changed(),
    });
    line.scope.defer(() => {
      if (this.#dhcpRuns) this.#dhcp.stop(line.scope.now());
    });
  }

  /** `2001:db8::1234/64` of each announced prefix. */
  get addresses(): string[] {
    const id = this.options.own;
    return [...this.#prefixes.keys()].map((prefix) => {
      const octets = octetsOfAddress(prefix.split("/")[0]!).slice();
      octets.set(id, 8);
      return `${formatIp(octets)}/64`;
    });
  }

  get delegated(): string[] {
    return this.#dhcp.prefix === undefined ? [] : [this.#dhcp.prefix];
  }

  get dns(): readonly string[] {
    return this.#dhcp.dns.length > 0 ? this.#dhcp.dns : this.#announced.dns;
  }

  /** Whether the other end is a default router. */
  get hasRouter(): boolean {
    return this.#routerUntil > this.#line.scope.now();
  }

  /** IPv6CP is up. */
  up(): void {
    this.#solicit(SOLICITATIONS);
    if (this.#wantsPrefix) this.#startDhcp();
  }

  /** IPv6CP is not up any more. */
  down(): void {
    for (const timer of Object.values(this.#timers)) timer.cancel();
    this.#timers = {};
    this.#prefixes.clear();
    this.#routerUntil = 0;
    if (this.#dhcpRuns) this.#dhcp.stop(this.#line.scope.now());
    this.#dhcpRuns = false;
  }

  /** A packet came that the datapath does not take. */
  data(bytes: Uint8Array): void {
    const packet = parsePacket6(bytes);
    if (!packet || !this.options.peer || !isLinkLocal(packet.source)) return;
    if (packet.next === Next.Udp) return this.#dhcpMessage(packet);
    const type = packet.payload[0];
    if (type === IcmpType.Advertisement && packet.hopLimit === 255) {
      this.#advertised(packet.payload);
    }
    if (
      type === IcmpType.EchoRequest && equalBytes(packet.destination, linkLocal(this.options.own))
    ) {
      const answer = packet.payload.slice();
      answer[0] = IcmpType.EchoReply;
      this.#send(packet.source, 64, Next.Icmp, answer);
    }
  }

  #advertised(message: Uint8Array): void {
    const said = parseAdvertisement(message);
    if (!said) return;
    const now = this.#line.scope.now();
    const before = this.#figures();
    this.#timers.solicit?.cancel();
    delete this.#timers.solicit;
    this.#routerUntil = now + said.lifetime * 1000;
    this.#announced = said;
    for (const { autonomous, preferred, prefix, valid } of said.prefixes) {
      if (!autonomous || !prefix.endsWith("/64") || preferred > valid) continue;
      if (valid === 0) this.#prefixes.delete(prefix);
      else if (this.#prefixes.has(prefix) || this.#prefixes.size < MAX_PREFIXES) {
        this.#prefixes.set(prefix, valid === FOR_EVER ? Infinity : now + valid * 1000);
      }
    }
    this.#setExpiry();
    if (said.other && !this.#dhcpRuns) this.#startDhcp();
    if (this.#figures() !== before) this.#line.changed();
  }

  #setExpiry(): void {
    this.#timers.expiry?.cancel();
    delete this.#timers.expiry;
    const first = Math.min(...this.#prefixes.values());
    if (first === Infinity) return;
    this.#timers.expiry = this.#line.scope.timer(first, () => {
      const now = this.#line.scope.now();
      for (const [prefix, until] of this.#prefixes) if (until <= now) this.#prefixes.delete(prefix);
      this.#setExpiry();
      this.#line.changed();
    });
  }

  #solicit(left: number): void {
    if (left === 0) return;
    this.#send(
      ALL_ROUTERS,
      255,
      Next.Icmp,
      Uint8Array.of(IcmpType.Solicitation, 0, 0, 0, 0, 0, 0, 0),
    );
    const { scope } = this.#line;
    this.#timers.solicit = scope.timer(scope.now() + SOLICIT_MS, () => this.#solicit(left - 1));
  }

  #startDhcp(): void {
    this.#dhcpRuns = true;
    this.#dhcp.start(this.#line.scope.now());
    this.#armDhcp();
  }

  #dhcpMessage({ payload }: Packet6): void {
    const datagram = parseDatagram(payload);
    const message = datagram?.destinationPort === Port.Client && parseMessage(datagram.data);
    if (!message || !this.#dhcpRuns) return;
    this.#dhcp.input(message, this.#line.scope.now());
    this.#armDhcp();
  }

  #armDhcp(): void {
    this.#timers.dhcp?.cancel();
    delete this.#timers.dhcp;
    const { deadline } = this.#dhcp;
    if (deadline === undefined) return;
    this.#timers.dhcp = this.#line.scope.timer(deadline, () => {
      this.#dhcp.timeout(this.#line.scope.now());
      this.#armDhcp();
    });
  }

  #sendDhcp(data: Uint8Array): void {
    const datagram = emitDatagram({ sourcePort: Port.Client, destinationPort: Port.Server, data });
    this.#send(ALL_DHCP, 1, Next.Udp, datagram);
  }

  #send(destination: Uint8Array, hopLimit: number, next: number, payload: Uint8Array): void {
    const source = linkLocal(this.options.own);
    this.#line.send(emitPacket6({ source, destination, hopLimit, next, payload }));
  }

  #figures(): string {
    return [...this.addresses, ...this.dns, this.hasRouter].join();
  }
}
