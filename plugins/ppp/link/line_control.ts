/**
 * LCP of a link: its negotiation, and what it has beyond that for as long as the link is open: echoes, rejected protocols
 * (RFC 1661 §5.7 to §5.9, RFC 1570 §2).
 *
 * @module
 */

import { concat } from "../../../core/wire/bytes.ts";
import type { ProxyLcp } from "../../session.ts";
import { AnswerBudget } from "./budget.ts";
import { Echo, type EchoSettings, type EchoSink } from "./echo.ts";
import { Cause, lcpEnd, type LinkEnd } from "./end.ts";
import { type LcpAgreed, LcpOptions, type LcpSettings } from "./lcp.ts";
import {
  Negotiation,
  type NegotiationLimits,
  type NegotiationSink,
  rejectOf,
} from "./negotiation.ts";
import type { State } from "./automaton.ts";
import { Code, emitPacket, numberOf, type Packet, Protocol, u16, u32 } from "./wire.ts";

/** So often may an Echo-Request carry our own number. */
const MAX_OWN_ECHOES = 3;

/** How LCP shall be. */
export interface LineSettings {
  readonly lcp: LcpSettings;
  readonly echo: EchoSettings;
  readonly limits?: NegotiationLimits;
}

/** The link whose LCP it is. */
export interface LineLink {
  readonly random: (length: number) => Uint8Array;
  send(protocol: number, packet: Uint8Array): void;
  /** Both ends agreed. */
  lineUp(): void;
  /** They agree no more, and why, where that is for good. */
  lineDown(reason: string): void;
  /** There is no use in going on. */
  lineOver(end: LinkEnd): void;
  /** The link is to be ended. */
  end(end: LinkEnd): void;
  /** The peer does not speak a protocol. */
  rejected(protocol: number): void;
  unanswered(): void;
  ignored(what: string): void;
}

/** LCP of one link. */
export class LineControl implements NegotiationSink, EchoSink {
  readonly negotiation: Negotiation;
  readonly #link: LineLink;
  readonly #options: LcpOptions;
  readonly #echo: Echo;
  readonly #budget = new AnswerBudget();
  /** Until {@linkcode forget}. */
  #said: { -readonly [key in keyof ProxyLcp]: Uint8Array } | undefined = {};
  #heard = false;
  #ownEchoes = 0;
  #id = 0;
  #now = 0;

  constructor(link: LineLink, { echo, lcp, limits }: LineSettings) {
    this.#link = link;
    this.#options = new LcpOptions(lcp, link.random);
    this.negotiation = new Negotiation(this.#options, this, limits, link.random(1)[0]);
    this.#echo = new Echo(echo, this);
  }

  /** What was agreed on. */
  get agreed(): LcpAgreed {
    return this.#options.agreed;
  }

  get isOpen(): boolean {
    return this.negotiation.state === "opened";
  }

  /** What was said so far, for an LNS (RFC 2661 §4.4.5). */
  get said(): ProxyLcp {
    return this.#said ?? {};
  }

  /** The code of RFC 3145 for an end of LCP's own. */
  get cause(): number {
    if (this.#options.isLooped) return Cause.Looped;
    return this.#heard ? Cause.LcpTimeout : Cause.NoLcp;
  }

  /** When {@linkcode timeout} is to be called. */
  get deadline(): number | undefined {
    const [one, other] = [this.negotiation.deadline, this.#echo.deadline];
    return one === undefined ? other : other === undefined ? one : Math.min(one, other);
  }

  open(now: number): void {
    this.#now = now;
    this.negotiation.open(now);
    this.negotiation.lower(true, now);
  }

  /** Whether what a LAC and its client agreed on will do; then {@linkcode adopt} takes it. */
  accepts(...[sent, received]: Parameters<LcpOptions["adopt"]>): boolean {
    return this.#options.adopt(sent, received);
  }

  /** Opens with what was said to a LAC. */
  adopt(said: ProxyLcp, now: number): void {
    this.#now = now;
    this.#said = said;
    this.#heard = true;
    this.negotiation.adopt(now);
  }

  input(packet: Packet, now: number): void {
    this.#now = now;
    this.#heard = true;
    this.#echo.heard();
    if (packet.code === Code.ConfigureRequest) this.#note("initialReceived", packet.data.slice());
    this.negotiation.input(packet, now);
  }

  timeout(now: number): void {
    this.#now = now;
    this.negotiation.timeout(now);
    this.#echo.timeout(now);
  }

  /** What was said is for nobody any more, before LCP is negotiated anew. */
  forget(): void {
    this.#said = undefined;
  }

  /** The peer lives: its data came. */
  heard(): void {
    this.#echo.heard();
  }

  /** No more Echo-Requests. */
  stop(): void {
    this.#echo.stop();
  }

  sendEcho(): void {
    const data = u32(this.#options.magic);
    this.send(emitPacket({ code: Code.EchoRequest, id: this.#nextId(), data }));
  }

  /** A protocol that is not spoken here is told to be so. */
  reject(protocol: number, payload: Uint8Array, now: number): void {
    this.#now = now;
    this.ignored("a protocol that is not spoken here");
    if (!this.mayAnswer()) return;
    const rejected = concat([u16(protocol), payload]);
    this.send(rejectOf(Code.ProtocolReject, this.#nextId(), rejected, this.mru()));
  }

  /** Whether an answer that costs the peer nothing may leave now. */
  mayAnswer(): boolean {
    if (this.#budget.take(this.#now)) return true;
    this.ignored("one more than is answered");
    return false;
  }

  // ── What its negotiation and its keepalive tell ──

  send(packet: Uint8Array): void {
    const data = packet.subarray(4);
    if (packet[0] === Code.ConfigureRequest) this.#note("lastSent", data);
    if (packet[0] === Code.ConfigureAck) this.#note("lastReceived", data);
    this.#link.send(Protocol.Lcp, packet);
  }

  up(): void {
    this.#echo.start(this.#now);
    this.#link.lineUp();
  }

  down(reason: string): void {
    this.#echo.stop();
    this.#link.lineDown(reason);
  }

  finished(reason: string): void {
    this.#link.lineOver(lcpEnd(reason, this.cause));
  }

  ignored(what: string): void {
    this.#link.ignored(what);
  }

  mru(): number {
    return this.#options.peerMru;
  }

  unanswered(): void {
    this.#link.unanswered();
  }

  /** What LCP has beyond negotiation. */
  other(packet: Packet, state: State): boolean {
    switch (packet.code) {
      case Code.ProtocolReject:
        if (state === "opened") this.#protocolRejected(packet.data);
        return true;
      case Code.EchoRequest:
        if (state === "opened") this.#answerEcho(packet);
        return true;
      case Code.EchoReply:
      case Code.DiscardRequest:
      case Code.Identification:
      case Code.TimeRemaining:
        return true;
      default:
        return false;
    }
  }

  #note(what: keyof ProxyLcp, data: Uint8Array): void {
    this.#said ??= {};
    if (what !== "initialReceived" || !this.#said.initialReceived) this.#said[what] = data;
  }

  #answerEcho({ data, id }: Packet): void {
    if (data.length < 4) return this.ignored("an Echo-Request without a number");
    const { magic, peerMru } = this.#options;
    if (magic !== 0 && numberOf(data.subarray(0, 4)) === magic) {
      if (++this.#ownEchoes >= MAX_OWN_ECHOES) {
        this.#link.end(lcpEnd("the line is looped back", Cause.Looped));
      }
      return;
    }
    if (!this.mayAnswer()) return;
    const rest = data.subarray(4, Math.max(4, peerMru - 4));
    this.send(emitPacket({ code: Code.EchoReply, id, data: concat([u32(magic), rest]) }));
  }

  #protocolRejected(data: Uint8Array): void {
    if (data.length < 2) return this.ignored("a Protocol-Reject of nothing");
    this.#link.rejected(numberOf(data.subarray(0, 2)));
  }

  #nextId(): number {
    return this.#id = (this.#id + 1) & 0xff;
  }
}
