/**
 * Requests to one port of one server: which identifier each has, when it is sent again, which answer is believed, and
 * whether the server is alive (RFC 2865 §2.5, RFC 5080 §2.2, RFC 3539 §3.4).
 *
 * A socket has room for 256 requests, for an Identifier has 8 bits: so as many sockets are opened as are needed.
 *
 * @module
 */

import { canonicalIp } from "../../../../core/endpoint.ts";
import type { Scope, UdpAddress, UdpSocket } from "../../../scope.ts";
import { doubtOfResponse, isSigned, type Secret } from "./authenticity.ts";
import type { RadiusMeters } from "./meters.ts";
import { CODE, type Packet, parsePacket, PROXY_STATE, type VendorFormats } from "./packet.ts";

/** What this is driven by: time, chance and sockets. */
export type Io = Pick<Scope, "now" | "timer" | "random" | "udp" | "log">;

/** Sockets of one exchange: 16,384 requests in flight. */
const MOST_LANES = 64;
const IDS = 256;
/** Requests that wait for an identifier; more are refused. */
const MOST_WAITING = 16_384;

/** Where requests go, and how patiently. */
export interface ExchangeSetting {
  /** For people: the server's name in the configuration. */
  readonly name: string;
  readonly remote: UdpAddress;
  /** Our own address; absent: the kernel's choice. */
  readonly local?: string;
  readonly netns?: string;
  readonly secret: Secret;
  readonly formats: VendorFormats;
  /** Codes of answers. */
  readonly answers: readonly number[];
  /** The first wait for an answer; each next one is twice as long, at most twice the first in all but name. */
  readonly timeoutMs: number;
  /** How often a request is sent. */
  readonly tries: number;
  readonly deadTimeMs: number;
  /** Milliseconds between Status-Server packets to a server that is dead; absent: none are sent. */
  readonly probeMs?: number;
  /** Whether answers must have a Message-Authenticator; `auto`: once one had. */
  readonly signed: "auto" | "yes" | "no";
}

/** Writes a request down under an identifier and an authenticator of 16 random octets, which accounting does not use. */
export type Build = (id: number, authenticator: Uint8Array) => Uint8Array;

/** What became of a request. */
export type Outcome =
  | { readonly kind: "answer"; readonly packet: Packet; readonly authenticator: Uint8Array }
  | { readonly kind: "silence" }
  | { readonly kind: "dead" }
  | { readonly kind: "busy" };

/** A request that waits for its answer. */
interface Flight {
  readonly build: Build;
  readonly settle: (outcome: Outcome) => void;
  /** Whether the server is known to be dead: it is asked all the same, and its silence is no news. */
  readonly probing: boolean;
  /** A Status-Server: sent once, and nothing hangs on what its answer says. */
  readonly status: boolean;
  lane?: Lane;
  id: number;
  datagram: Uint8Array;
  firstSent: number;
  sent: number;
  waitMs: number;
  timer?: { cancel(): void };
}

/** A socket, and what is in flight on it. */
interface Lane {
  readonly socket: UdpSocket;
  readonly slots: (Flight | undefined)[];
  used: number;
  next: number;
}

/** What operators see of an exchange. */
export interface ExchangeFigures {
  readonly state: "alive" | "dead";
  readonly inFlight: number;
  readonly requests: number;
  readonly retransmissions: number;
  readonly timeouts: number;
  readonly rejectedAnswers: number;
  /** Milliseconds to the last answer. */
  readonly rttMs: number | undefined;
}

/** See {@linkcode ExchangeSetting}. */
export class Exchange {
  readonly setting: ExchangeSetting;
  readonly #io: Io;
  readonly #meters: RadiusMeters;
  readonly #lanes: Lane[] = [];
  readonly #waiting: Flight[] = [];
  readonly #flying = new Set<Flight>();
  readonly #remote: string;
  #opening = false;
  #closed = false;
  #heard = -Infinity;
  #deadUntil: number | undefined;
  #probe: { cancel(): void } | undefined;
  /** The request that finds out whether a server is alive again, whose time of being dead is over. */
  #trial: Flight | undefined;
  #signs = false;
  #figures = { requests: 0, retransmissions: 0, timeouts: 0, rejectedAnswers: 0 };
  #rttMs: number | undefined;
  /** Called when a server that was dead answers again. */
  onAlive: () => void = () => {};

  constructor(setting: ExchangeSetting, io: Io, meters: RadiusMeters) {
    this.setting = setting;
    this.#io = io;
    this.#meters = meters;
    this.#remote = canonicalIp(setting.remote.address) ?? setting.remote.address;
  }

  /** Opens the first socket. Rejects where it cannot be had. */
  async open(): Promise<void> {
    await this.#addLane();
  }

  /** Whether it is to be asked before those that are dead. */
  get alive(): boolean {
    if (this.#deadUntil === undefined) return true;
    // Where nobody probes it, one request does when its time is over; the others need not wait for what comes of it.
    return this.setting.probeMs === undefined && this.#trial === undefined &&
      this.#io.now() >= this.#deadUntil;
  }

  figures(): ExchangeFigures {
    return {
      state: this.#deadUntil === undefined ? "alive" : "dead",
      inFlight: this.#flying.size,
      ...this.#figures,
      rttMs: this.#rttMs,
    };
  }

  /** Gives up all, and sends nothing more; the sockets are their scope's. */
  close(): void {
    this.#closed = true;
    this.#probe?.cancel();
    for (const flight of [...this.#flying, ...this.#waiting]) this.#end(flight, { kind: "dead" });
    this.#waiting.length = 0;
  }

  /** Sends a request until it is answered, has been sent often enough, or `signal` is aborted. */
  request(build: Build, signal?: AbortSignal, status = false): Promise<Outcome> {
    if (this.#closed || signal?.aborted) return Promise.resolve({ kind: "dead" });
    if (this.#waiting.length >= MOST_WAITING) {
      this.#meters.busy.add();
      return Promise.resolve({ kind: "busy" });
    }
    return new Promise((resolve) => {
      const abort = () => this.#end(flight, { kind: "dead" });
      const flight: Flight = {
        build,
        settle: (outcome) => {
          signal?.removeEventListener("abort", abort);
          resolve(outcome);
        },
        probing: this.#deadUntil !== undefined,
        status,
        id: 0,
        datagram: EMPTY,
        firstSent: 0,
        sent: 0,
        waitMs: this.setting.timeoutMs,
      };
      signal?.addEventListener("abort", abort);
      if (flight.probing && this.alive) this.#trial = flight;
      this.#waiting.push(flight);
      this.#serve();
    });
  }

  /** Gives identifiers to those that wait for one. */
  #serve(): void {
    while (this.#waiting.length > 0) {
      const lane = this.#lanes.find(({ used }) => used < IDS);
      if (!lane) break;
      this.#begin(this.#waiting.shift()!, lane);
    }
    const scarce = this.#lanes.every(({ used }) => used > IDS - 32);
    if (scarce && this.#lanes.length > 0 && this.#lanes.length < MOST_LANES) this.#grow();
  }

  #grow(): void {
    if (this.#opening || this.#closed) return;
    this.#opening = true;
    this.#addLane().then(
      () => {
        this.#opening = false;
        this.#serve();
      },
      (error) => {
        // Those in flight give their identifiers back; the next scarcity asks for a socket again.
        this.#opening = false;
        this.#io.log("warn", "cannot open another socket for RADIUS", { error: String(error) });
      },
    );
  }

  async #addLane(): Promise<void> {
    const { local, netns } = this.setting;
    const lane: { current?: Lane } = {};
    const socket = await this.#io.udp(
      { ...(local !== undefined && { local }), ...(netns !== undefined && { netns }) },
      (datagram, from) => lane.current && this.#receive(lane.current, datagram, from),
    );
    lane.current = { socket, slots: new Array(IDS).fill(undefined), used: 0, next: 0 };
    this.#lanes.push(lane.current);
  }

  #begin(flight: Flight, lane: Lane): void {
    // Round and round: an identifier rests as long as can be before it is used again.
    while (lane.slots[lane.next]) lane.next = (lane.next + 1) % IDS;
    flight.lane = lane;
    flight.id = lane.next;
    lane.slots[flight.id] = flight;
    lane.next = (lane.next + 1) % IDS;
    lane.used++;
    flight.datagram = flight.build(flight.id, this.#io.random(16));
    flight.firstSent = this.#io.now();
    this.#flying.add(flight);
    this.#figures.requests++;
    this.#meters.requests.add();
    this.#transmit(flight);
  }

  #transmit(flight: Flight): void {
    flight.sent++;
    flight.lane!.socket.send(flight.datagram, this.setting.remote);
    // RFC 5080 §2.2.1: the wait is doubled, up to a bound, and varied, so that clients do not keep step.
    // The authenticator is as random as need be.
    const varied = flight.waitMs * (0.95 + 0.1 * flight.datagram[4 + flight.sent]! / 255);
    flight.waitMs = Math.min(flight.waitMs * 2, this.setting.timeoutMs * 2);
    flight.timer = this.#io.timer(this.#io.now() + varied, () => this.#unanswered(flight));
  }

  #unanswered(flight: Flight): void {
    if (flight.sent < this.setting.tries && !flight.status) {
      this.#figures.retransmissions++;
      this.#meters.retransmissions.add();
      return this.#transmit(flight);
    }
    this.#figures.timeouts++;
    this.#meters.timeouts.add();
    const silent = this.#heard < flight.firstSent;
    this.#end(flight, { kind: "silence" });
    if (silent) this.#declareDead();
  }

  /** Nothing was heard for as long as a request may take: who waits for this server is told to go elsewhere. */
  #declareDead(): void {
    const first = this.#deadUntil === undefined;
    this.#deadUntil = this.#io.now() + this.setting.deadTimeMs;
    this.#probeLater();
    if (!first) return;
    const { name } = this.setting;
    this.#io.log("warn", "a RADIUS server does not answer", { server: name });
    const others = [...this.#flying, ...this.#waiting].filter(({ probing }) => !probing);
    for (const flight of others) this.#end(flight, { kind: "dead" });
  }

  #probeLater(): void {
    const { probeMs } = this.setting;
    if (probeMs === undefined || this.#closed) return;
    this.#probe?.cancel();
    this.#probe = this.#io.timer(this.#io.now() + probeMs, () => {
      if (this.#deadUntil === undefined) return;
      this.#meters.probes.add();
      void this.request(this.probe, undefined, true);
      this.#probeLater();
    });
  }

  /** Writes a Status-Server down (RFC 5997 §2). */
  probe: Build = () => EMPTY;

  #receive(lane: Lane, datagram: Uint8Array, from: UdpAddress): void {
    const { remote, formats } = this.setting;
    const address = from.address === this.#remote ? from.address : canonicalIp(from.address);
    if (from.port !== remote.port || address !== this.#remote) {
      return this.#meters.strangers.add();
    }
    const packet = parsePacket(datagram, formats);
    if (typeof packet === "string") return this.#reject(this.#meters.malformed);
    const flight = lane.slots[packet.id];
    if (!flight) return this.#meters.late.add();
    const wrong = this.#doubt(packet, flight);
    if (wrong) return this.#reject(wrong);
    this.#meters.malformedAttributes.add(packet.malformed);
    this.#signs ||= isSigned(packet);
    this.#rttMs = this.#io.now() - flight.firstSent;
    this.#hear();
    const authenticator = flight.datagram.subarray(4, 20);
    this.#end(flight, { kind: "answer", packet, authenticator });
  }

  /** The counter of why an answer is not believed. */
  #doubt(packet: Packet, flight: Flight): { add(): void } | undefined {
    const { answers, secret, signed } = this.setting;
    const meters = this.#meters;
    if (!answers.includes(packet.code)) return meters.unexpected;
    const doubt = doubtOfResponse(packet, flight.datagram.subarray(4, 20), secret);
    // An answer to an earlier request with this identifier: it came too late, and says nothing of the server.
    if (doubt === "authenticator") return meters.badAuthenticator;
    if (doubt) return meters.badMessageAuthenticator;
    if (packet.code === CODE.accountingResponse || flight.status) return undefined;
    if (isSigned(packet)) return undefined;
    if (signed === "yes" || (signed === "auto" && this.#signs)) return meters.unsigned;
    // CVE-2024-3596 hides its collision there; we send none, so none comes back.
    const proxied = packet.attributes.some(({ vendor, type }) =>
      vendor === 0 && type === PROXY_STATE
    );
    return proxied ? meters.proxyState : undefined;
  }

  #reject(counter: { add(): void }): void {
    this.#figures.rejectedAnswers++;
    counter.add();
  }

  #hear(): void {
    this.#heard = this.#io.now();
    if (this.#deadUntil === undefined) return;
    this.#deadUntil = undefined;
    this.#probe?.cancel();
    this.#io.log("info", "a RADIUS server answers again", { server: this.setting.name });
    this.onAlive();
  }

  #end(flight: Flight, outcome: Outcome): void {
    flight.timer?.cancel();
    if (this.#trial === flight) this.#trial = undefined;
    if (this.#flying.delete(flight)) {
      flight.lane!.slots[flight.id] = undefined;
      flight.lane!.used--;
    } else {
      const at = this.#waiting.indexOf(flight);
      if (at >= 0) this.#waiting.splice(at, 1);
    }
    flight.settle(outcome);
    this.#serve();
  }
}

const EMPTY = new Uint8Array(0);
