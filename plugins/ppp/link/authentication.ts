/** The authentication phase of a link (RFC 1661 §3.5): each end that was asked to proves itself, and no further. @module */

import type { ProxyAuth } from "../../session.ts";
import type { Asked } from "../aaa/authenticator.ts";
import type { AuthEnd, Checker, CheckerSink, Credentials, ProverSink } from "./auth.ts";
import { ChapChecker, ChapProver } from "./chap.ts";
import { authEnd, Cause, Direction, type LinkEnd } from "./end.ts";
import type { AuthMethod, LcpAgreed } from "./lcp.ts";
import { PapChecker, PapProver } from "./pap.ts";
import { proxyAuthOf } from "./proxy.ts";
import { type Packet, Protocol } from "./wire.ts";

/** What a client said, under which identifier. */
export interface Said {
  readonly asked: Asked;
  readonly id: number;
}

/** Who we are to each other. */
export interface AuthSettings {
  /** What we call ourselves in a Challenge. */
  readonly name: string;
  /** Milliseconds until a client that proved itself by CHAP is challenged again; absent or 0: never. */
  readonly againMs?: number;
  /** Who we say to be, where the peer asks. A secret. */
  readonly credentials?: Credentials;
}

/** The link that it is a phase of. */
export interface AuthLink {
  readonly random: (length: number) => Uint8Array;
  send(protocol: number, packet: Uint8Array): void;
  /** The client has said who it is. */
  asked(asked: Asked): void;
  /** Both ends know who the other is, as far as they care. */
  proved(): void;
  /** One of them does not. */
  end(end: LinkEnd): void;
  ignored(what: string): void;
}

const NOBODY: Credentials = { name: "", secret: "" };

/** The phase, from LCP's opening to its end: answers that were lost are given again. */
export class Authentication implements CheckerSink, ProverSink {
  readonly #link: AuthLink;
  #checker: Checker | undefined;
  /** The protocol by which the client has proved itself, once what it said is forgotten. */
  #settled: number | undefined;
  readonly #prover: AuthEnd | undefined;
  /** What does not yet hold: that it has begun, and a proof of each end that has to give one. */
  #missing: number;
  #said: Said | undefined;

  constructor(link: AuthLink, { answer, authenticate }: LcpAgreed, settings: AuthSettings) {
    this.#link = link;
    this.#checker = authenticate && this.#makeChecker(authenticate, settings);
    this.#prover = answer && this.#makeProver(answer, settings.credentials ?? NOBODY);
    this.#missing = 1 + (this.#checker ? 1 : 0) + (this.#prover ? 1 : 0);
  }

  /** When {@linkcode timeout} is to be called. */
  get deadline(): number | undefined {
    const [one, other] = [this.#checker?.deadline, this.#prover?.deadline];
    return one === undefined ? other : other === undefined ? one : Math.min(one, other);
  }

  /** How the client proved itself, for an LNS (RFC 2661 §4.4.5), until it was accepted. A secret. */
  get proxyAuth(): ProxyAuth | undefined {
    return this.#said && proxyAuthOf(this.#said.asked, this.#said.id);
  }

  /** LCP is open. @param said what the client has said to another already */
  start(said: Said | undefined, now: number): void {
    if (said) this.#checker?.adopt(said.asked, said.id);
    else this.#checker?.start(now);
    this.#prover?.start(now);
    this.#proved();
  }

  /** The client is who it says. */
  accept(message: string, now: number): void {
    if (!this.#checker) return;
    this.#checker.accept(message, now);
    // Nobody is told of it any more: it is a secret, and takes room.
    this.#said = undefined;
    this.#proved();
  }

  /** It is not. */
  reject(message: string): void {
    this.#checker?.reject(message);
  }

  /** Nobody can say whether a client that was let in is who it says now. */
  postpone(now: number): void {
    this.#said = undefined;
    this.#checker?.postpone(now);
  }

  /**
   * A network is up: the client knows that it is in. What it said is a secret, takes room, and where it is not challenged
   * again is not needed any more.
   */
  settle(): void {
    if (!this.#checker || this.#checker.deadline !== undefined) return;
    this.#settled = this.#checker.protocol;
    this.#checker = undefined;
  }

  /** Whether it is a protocol by which one of both ends proves itself. */
  speaks(protocol: number): boolean {
    return this.asksBy(protocol) || this.#prover?.protocol === protocol;
  }

  /** Whether it is the protocol by which the client proves itself. */
  asksBy(protocol: number): boolean {
    return (this.#checker?.protocol ?? this.#settled) === protocol;
  }

  /** A packet came of a protocol that it speaks. */
  input(protocol: number, packet: Packet, now: number): void {
    // Of both protocols the end that asks gets one code, and the other end the rest.
    const forChecker = packet.code === (protocol === Protocol.Pap ? 1 : 2);
    const end = forChecker ? this.#checker : this.#prover;
    if (end?.protocol === protocol) end.input(packet, now);
    else this.ignored("an authentication packet that nobody waits for");
  }

  timeout(now: number): void {
    this.#checker?.timeout(now);
    this.#prover?.timeout(now);
  }

  // ── What both ends tell ──

  send(protocol: number, packet: Uint8Array): void {
    this.#link.send(protocol, packet);
  }

  asked(asked: Asked, id: number): void {
    this.#said = { asked, id };
    this.#link.asked(asked);
  }

  accepted(): void {
    this.#proved();
  }

  silent(protocol: number, reason: string): void {
    this.#link.end(authEnd(reason, protocol, Cause.AuthTimeout));
  }

  refused(protocol: number, reason: string): void {
    this.#link.end(authEnd(reason, protocol, Cause.AuthFailed, Direction.Local));
  }

  ignored(what: string): void {
    this.#link.ignored(what);
  }

  /** One of those that were missing is there. */
  #proved(): void {
    if (--this.#missing === 0) this.#link.proved();
  }

  #makeChecker(method: AuthMethod, { againMs, name }: AuthSettings): Checker {
    if (method === "pap") return new PapChecker(this);
    return new ChapChecker(method, name, this.#link.random, this, againMs);
  }

  #makeProver(method: AuthMethod, credentials: Credentials): AuthEnd {
    if (method === "pap") return new PapProver(credentials, this);
    return new ChapProver(method, credentials, this.#link.random, this);
  }
}
