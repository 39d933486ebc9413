/**
 * One protocol that negotiates options: the automaton of RFC 1661 §4 with its packets, counters and timer. LCP, IPCP and
 * IPv6CP are this with options of their own.
 *
 * No clock and no I/O: instants are handed in, packets leave by {@linkcode NegotiationSink.send}.
 *
 * @module
 */

import { equalBytes } from "../../../core/wire/bytes.ts";
import type { Finish } from "./end.ts";
import { type Event, isTimed, type State, transition } from "./automaton.ts";
import {
  Code,
  emitOptions,
  emitPacket,
  type Option,
  type Packet,
  PACKET_HEADER,
  parseOptions,
} from "./wire.ts";

/** What is thought of a peer's Configure-Request. */
export type Verdict =
  | { readonly kind: "ack" }
  /** Values that would do, or options that are missing. */
  | { readonly kind: "nak"; readonly options: readonly Option[] }
  /** Options that are not for negotiation, as the peer sent them. */
  | { readonly kind: "reject"; readonly options: readonly Option[] }
  /** There is no use in going on. */
  | { readonly kind: "fail"; readonly reason: string };

/** The options of one protocol: what we ask for, and what we think of what the peer asks for. */
export interface OptionPolicy {
  /** A negotiation begins: what was agreed on is forgotten. */
  reset(): void;
  /** What we ask for now. */
  request(): readonly Option[];
  /** Judges a Configure-Request. `insist` is false once as many Naks as there may be went out: then what is not right is to be Reject-ed. */
  judge(options: readonly Option[], insist: boolean): Verdict;
  /** The peer acknowledged our request. */
  acknowledged(options: readonly Option[]): void;
  /** The peer would rather have these. A text says why that ends the negotiation. */
  naked(options: readonly Option[]): string | undefined;
  /** The peer does not negotiate these: they are not asked for again. A text says why that ends the negotiation. */
  rejected(options: readonly Option[]): string | undefined;
}

/** Who is told what comes of it. */
export interface NegotiationSink {
  /** Sends a packet of this protocol. */
  send(packet: Uint8Array): void;
  /** This layer is up (tlu): both ends agreed. */
  up(): void;
  /** This layer is no longer up (tld), and why, where it does not come again. */
  down(reason: string): void;
  /** This layer has no more use for the one below (tlf), and why. */
  finished(reason: string, how: Finish): void;
  /** A packet made no sense, and was passed over. */
  ignored(what: string): void;
  /** Whether an answer beyond negotiation (Code-Reject, Terminate-Ack) may leave now. */
  mayAnswer(): boolean;
  /** The largest packet that the peer takes. */
  mru(): number;
  /** A packet whose code is not of the negotiation; false: nobody knows it. */
  other?(packet: Packet, state: State): boolean;
}

/** Timers and bounds (RFC 1661 §4.6). */
export interface NegotiationLimits {
  /** Milliseconds between repetitions. */
  readonly restartMs: number;
  readonly maxConfigure: number;
  readonly maxTerminate: number;
  readonly maxFailure: number;
  /** Configure-Requests, Naks and Rejects of the peer, without the layer having been up for a minute in between. */
  readonly maxRounds: number;
}

/** The RFC's defaults; the number of rounds is ours. */
export const DEFAULT_LIMITS: NegotiationLimits = {
  restartMs: 3000,
  maxConfigure: 10,
  maxTerminate: 2,
  maxFailure: 5,
  maxRounds: 60,
};

/** A layer that was up so long begins a new count of rounds, in milliseconds. */
const SETTLED_MS = 60_000;
/** In this time a repeated Configure-Request is one that crossed our answer, in milliseconds. */
const CROSSING_MS = 2000;

/** One protocol's negotiation. */
export class Negotiation {
  readonly #policy: OptionPolicy;
  readonly #sink: NegotiationSink;
  readonly #limits: NegotiationLimits;
  #state: State = "initial";
  #now = 0;
  #deadline: number | undefined;
  /** What is left of the restart counter. */
  #restarts = 0;
  /** Why the layer finishes, once that is known. */
  #reason = "no answer";
  #how: Finish = "no-answer";
  #id: number;
  /** Our last Configure-Request, until it is answered. */
  #requested: { readonly id: number; readonly data: Uint8Array } | undefined;
  #naks = 0;
  #rounds = 0;
  #upSince: number | undefined;
  /** Our last Configure-Ack, and when it left. */
  #acked: { readonly packet: Uint8Array; readonly at: number; repeats: number } | undefined;
  /** Our Terminate-Request or Code-Reject counter shares the identifiers. */
  #terminateId = 0;
  /** What the peer's request that is being dealt with leads to. */
  #answer: Uint8Array | undefined;

  constructor(
    policy: OptionPolicy,
    sink: NegotiationSink,
    limits: NegotiationLimits = DEFAULT_LIMITS,
    firstId = 1,
  ) {
    this.#policy = policy;
    this.#sink = sink;
    this.#limits = limits;
    this.#id = firstId & 0xff;
  }

  get state(): State {
    return this.#state;
  }

  /** When {@linkcode timeout} is to be called. */
  get deadline(): number | undefined {
    return this.#deadline;
  }

  /** The layer below is there, or is not. */
  lower(up: boolean, now: number): void {
    this.#now = now;
    this.#do(up ? "up" : "down");
  }

  /** Begins to negotiate as soon as the layer below is there. */
  open(now: number): void {
    this.#now = now;
    this.#because("no answer", "no-answer");
    this.#do("open");
  }

  /** Ends the layer, and tells the peer. */
  close(reason: string, now: number): void {
    this.#now = now;
    this.#because(reason, "not-agreed");
    this.#do("close");
  }

  /** Takes what others negotiated: opened at once, without a packet (proxy LCP, RFC 2661 §4.4.5). */
  adopt(now: number): void {
    this.#now = now;
    this.#become("opened");
    this.#upSince = now;
    this.#sink.up();
  }

  /** The peer does not know this protocol (RXJ-, a Protocol-Reject). */
  protocolRejected(now: number): void {
    this.#now = now;
    this.#because("the peer rejects the protocol", "rejected");
    this.#do("RXJ-");
  }

  /** Time has passed. */
  timeout(now: number): void {
    this.#now = now;
    // It takes room, and is looked at only while requests may cross.
    if (this.#acked && now - this.#acked.at > CROSSING_MS) this.#acked = undefined;
    if (this.#deadline === undefined || now < this.#deadline) return;
    this.#deadline = undefined;
    if (this.#restarts > 0) return this.#do("TO+");
    this.#do("TO-");
  }

  /** A packet came. */
  input(packet: Packet, now: number): void {
    this.#now = now;
    switch (packet.code) {
      case Code.ConfigureRequest:
        return this.#configureRequest(packet);
      case Code.ConfigureAck:
      case Code.ConfigureNak:
      case Code.ConfigureReject:
        return this.#configureAnswer(packet);
      case Code.TerminateRequest:
        if (!isEnding(this.#state)) this.#because("the peer terminates it", "terminated");
        this.#answer = emitPacket({
          code: Code.TerminateAck,
          id: packet.id,
          data: new Uint8Array(),
        });
        return this.#do("RTR");
      case Code.TerminateAck:
        return this.#do("RTA");
      case Code.CodeReject:
        return this.#codeReject(packet);
    }
    if (this.#sink.other?.(packet, this.#state)) return;
    this.#answer = rejectOf(Code.CodeReject, this.#nextId(), emitPacket(packet), this.#sink.mru());
    this.#do("RUC");
  }

  #configureRequest(packet: Packet): void {
    const options = parseOptions(packet.data);
    if (!options) return this.#sink.ignored("a Configure-Request with half an option");
    if (this.#repeats(packet)) return;
    if (this.#isNew()) this.#begin();
    if (!this.#countRound()) return;
    const verdict = this.#policy.judge(options, this.#naks < this.#limits.maxFailure);
    const { id } = packet;
    switch (verdict.kind) {
      case "fail":
        this.close(verdict.reason, this.#now);
        return;
      case "ack":
        this.#answer = emitPacket({ code: Code.ConfigureAck, id, data: packet.data });
        this.#acked = { packet: this.#answer, at: this.#now, repeats: 0 };
        this.#naks = 0;
        return this.#do("RCR+");
      case "nak":
      case "reject": {
        if (verdict.kind === "nak") this.#naks++;
        const code = verdict.kind === "nak" ? Code.ConfigureNak : Code.ConfigureReject;
        this.#answer = emitPacket({ code, id, data: emitOptions(verdict.options) });
        return this.#do("RCR-");
      }
    }
  }

  /**
   * On an open layer a request means to negotiate anew (§4.3). Not so one that was acknowledged a moment ago and comes
   * again octet by octet: its Ack was lost, or the network doubled it, and it is acknowledged again; once.
   */
  #repeats(packet: Packet): boolean {
    const acked = this.#acked;
    if (this.#state !== "opened" || !acked || this.#now - acked.at > CROSSING_MS) return false;
    const same = acked.packet[1] === packet.id &&
      equalBytes(acked.packet.subarray(PACKET_HEADER), packet.data);
    if (acked.repeats > 0 || !same) return false;
    acked.repeats++;
    this.#sink.send(acked.packet);
    return true;
  }

  #configureAnswer({ code, id, data }: Packet): void {
    const requested = this.#requested;
    if (!requested || id !== requested.id) {
      if (this.#state === "closed" || this.#state === "stopped") {
        return this.#do(code === Code.ConfigureAck ? "RCA" : "RCN");
      }
      return this.#sink.ignored("an answer to no Configure-Request of ours");
    }
    const refusal = this.#hear(code, data, requested.data);
    if (refusal === null) return;
    this.#requested = undefined;
    if (refusal !== undefined) return this.close(refusal, this.#now);
    if (code !== Code.ConfigureAck && !this.#countRound()) return;
    this.#do(code === Code.ConfigureAck ? "RCA" : "RCN");
  }

  /** Tells the policy; null: the answer is not one to what was asked. */
  #hear(code: number, data: Uint8Array, asked: Uint8Array): string | undefined | null {
    const options = parseOptions(data);
    if (!options) {
      this.#sink.ignored("an answer with half an option");
      return null;
    }
    if (code === Code.ConfigureAck) {
      if (!equalBytes(data, asked)) {
        this.#sink.ignored("a Configure-Ack of something else than was asked for");
        return null;
      }
      this.#policy.acknowledged(options);
      return undefined;
    }
    if (code === Code.ConfigureNak) return this.#policy.naked(options);
    const ours = parseOptions(asked)!;
    const known = options.length > 0 &&
      options.every((one) =>
        ours.some((other) => one.type === other.type && equalBytes(one.value, other.value))
      );
    if (!known) {
      this.#sink.ignored("a Configure-Reject of something else than was asked for");
      return null;
    }
    return this.#policy.rejected(options);
  }

  /** Codes that negotiation cannot do without end it; others are no longer used (§5.6). */
  #codeReject({ data }: Packet): void {
    const code = data[0];
    if (code === undefined) return this.#sink.ignored("a Code-Reject of nothing");
    if (code > Code.CodeReject) return this.#do("RXJ+");
    this.#because(`the peer does not know code ${code}`, "rejected");
    this.#do("RXJ-");
  }

  #countRound(): boolean {
    if (++this.#rounds <= this.#limits.maxRounds) return true;
    if (this.#state !== "closing" && this.#state !== "stopping") {
      this.close("the peer negotiates without end", this.#now);
    }
    return false;
  }

  #isNew(): boolean {
    return this.#state === "opened" || this.#state === "stopped";
  }

  /** What was agreed on, and how often was naked, is of the past. */
  #begin(): void {
    if (this.#upSince !== undefined && this.#now - this.#upSince >= SETTLED_MS) this.#rounds = 0;
    this.#policy.reset();
    this.#naks = 0;
    this.#because("no answer", "no-answer");
  }

  /** Why and how the layer finishes, if it does. */
  #because(reason: string, how: Finish): void {
    this.#reason = reason;
    this.#how = how;
  }

  #do(event: Event): void {
    const found = transition(this.#state, event);
    if (!found) return this.#sink.ignored(`${event} in ${this.#state}`);
    const before = this.#state;
    // Whoever is told of the change sees the state that it leads to.
    this.#become(found.next);
    const anew = before === "closed" || before === "starting" ||
      before === "opened" && !event.startsWith("RCR");
    if (anew && found.actions.includes("scr")) this.#begin();
    for (const action of found.actions) this.#act(action);
    this.#answer = undefined;
  }

  #become(state: State): void {
    this.#state = state;
    if (!isTimed(state)) this.#deadline = undefined;
  }

  #act(action: string): void {
    switch (action) {
      case "irc":
        this.#restarts = this.#state === "closing" || this.#state === "stopping"
          ? this.#limits.maxTerminate
          : this.#limits.maxConfigure;
        return;
      case "zrc":
        this.#restarts = 0;
        this.#deadline = this.#now + this.#limits.restartMs;
        return;
      case "scr":
        return this.#sendRequest();
      case "sca":
      case "scn":
        return this.#sink.send(this.#answer!);
      case "sta":
        // Also in answer to what has no place in this state: then there is no request to take the identifier from.
        this.#answer ??= emitPacket({
          code: Code.TerminateAck,
          id: this.#nextId(),
          data: new Uint8Array(),
        });
        if (this.#sink.mayAnswer()) this.#sink.send(this.#answer);
        return;
      case "scj":
        if (this.#sink.mayAnswer()) this.#sink.send(this.#answer!);
        return;
      case "str":
        return this.#sendTerminate();
      case "tlu":
        this.#upSince = this.#now;
        return this.#sink.up();
      case "tld":
        return this.#sink.down(this.#reason);
      case "tlf":
        return this.#sink.finished(this.#reason, this.#how);
    }
  }

  #sendRequest(): void {
    const data = emitOptions(this.#policy.request());
    const before = this.#requested;
    // The same request again keeps its identifier, so that an answer that was long on its way still counts.
    const same = before && equalBytes(before.data, data);
    if (!same) this.#requested = { id: this.#nextId(), data };
    this.#restarts--;
    this.#deadline = this.#now + this.#limits.restartMs;
    this.#sink.send(emitPacket({ code: Code.ConfigureRequest, id: this.#requested!.id, data }));
  }

  #sendTerminate(): void {
    if (this.#restarts === this.#limits.maxTerminate) this.#terminateId = this.#nextId();
    this.#restarts--;
    this.#deadline = this.#now + this.#limits.restartMs;
    const data = new TextEncoder().encode(this.#reason).subarray(0, 100);
    this.#sink.send(emitPacket({ code: Code.TerminateRequest, id: this.#terminateId, data }));
  }

  #nextId(): number {
    const id = this.#id;
    this.#id = (id + 1) & 0xff;
    return id;
  }
}

/** Whether it is known already why the layer ends. */
function isEnding(state: State): boolean {
  return ["closing", "closed", "stopping", "stopped"].includes(state);
}

/** A Code-Reject or Protocol-Reject: as much of what was rejected as the peer takes (§5.6, §5.7). */
export function rejectOf(code: number, id: number, rejected: Uint8Array, mru: number): Uint8Array {
  return emitPacket({ code, id, data: rejected.subarray(0, Math.max(0, mru - PACKET_HEADER)) });
}
