/** One network protocol above a link (RFC 1661 §3.6): IPCP, IPv6CP. @module */

import type { Finish } from "./end.ts";
import { Negotiation, type NegotiationLimits, type NegotiationSink } from "./negotiation.ts";
import type { OptionPolicy } from "./negotiation.ts";
import { parsePacket } from "./wire.ts";

/** What a network protocol tells. */
export interface NetworkSink {
  up(): void;
  down(): void;
  /** It is over, or was never begun; the link lives on. */
  finished(reason: string, how: Finish): void;
}

/** The link below. */
export interface NetworkLink {
  send(protocol: number, packet: Uint8Array): void;
  /** Whether an answer beyond negotiation may leave now. */
  mayAnswer(): boolean;
  /** The largest packet that the peer takes. */
  readonly peerMru: number;
  /** A network is up. */
  settled(): void;
  ignored(what: string): void;
}

/** A network protocol. */
export class Network implements NegotiationSink {
  readonly protocol: number;
  readonly negotiation: Negotiation;
  readonly #link: NetworkLink;
  readonly #sink: NetworkSink;
  /** What came before it began: the last of it. */
  #early: Uint8Array | undefined;

  constructor(
    protocol: number,
    policy: OptionPolicy,
    link: NetworkLink,
    sink: NetworkSink,
    limits: NegotiationLimits | undefined,
  ) {
    this.protocol = protocol;
    this.#link = link;
    this.#sink = sink;
    this.negotiation = new Negotiation(policy, this, limits);
  }

  /** Begins, or begins again after LCP did. */
  begin(now: number): void {
    const { negotiation } = this;
    if (negotiation.state === "initial") negotiation.open(now);
    if (negotiation.state === "starting") negotiation.lower(true, now);
    const early = this.#early;
    this.#early = undefined;
    if (early) this.input(early, now);
  }

  /** LCP is down. */
  interrupt(now: number): void {
    this.#early = undefined;
    if (this.negotiation.state !== "initial") this.negotiation.lower(false, now);
  }

  /** A packet came before it began: only we are not ready yet, so the peer need not say it again after its time-out. */
  keep(payload: Uint8Array): void {
    this.#early = payload.slice();
  }

  input(payload: Uint8Array, now: number): void {
    const packet = parsePacket(payload);
    if (packet) this.negotiation.input(packet, now);
    else this.ignored("a packet whose length is wrong");
  }

  // ── What its negotiation tells ──

  send(packet: Uint8Array): void {
    this.#link.send(this.protocol, packet);
  }

  up(): void {
    this.#link.settled();
    this.#sink.up();
  }

  down(): void {
    this.#sink.down();
  }

  finished(reason: string, how: Finish): void {
    this.#sink.finished(reason, how);
  }

  ignored(what: string): void {
    this.#link.ignored(what);
  }

  mayAnswer(): boolean {
    return this.#link.mayAnswer();
  }

  mru(): number {
    return this.#link.peerMru;
  }
}
