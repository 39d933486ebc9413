/**
 * Reliable, ordered delivery of control messages (RFC 2661 §5.8 and Appendix A, RFC 3931 §4.2 and Appendix A):
 * Ns and Nr of 16 bits, a receive window, slow start and congestion avoidance, retransmission with exponential
 * back-off, a queue for what arrives early, and acknowledgements of what arrives twice.
 *
 * The channel numbers payloads; what they are and how they travel is its owner's business. It knows no clock:
 * after each input the owner drains {@linkcode ReliableChannel.poll} and waits until {@linkcode ReliableChannel.deadline}.
 *
 * @module
 */

import { ApiMisuse } from "./errors.ts";
import { Ring } from "./queues.ts";

/** How a channel behaves. */
export interface ChannelOptions {
  /** How many messages beyond the last in order are kept: what we offer as Receive Window Size. */
  readonly receiveWindow: number;
  /** Milliseconds before a message is sent again for the first time; doubles each time. */
  readonly retransmitMs: number;
  /** The longest that back-off grows to, in milliseconds; at least 8,000 (RFC 2661 §5.8). */
  readonly retransmitCapMs: number;
  /** How often a message is sent in all before the peer counts as gone. */
  readonly attempts: number;
  /** How many messages may wait for the window. */
  readonly queueLimit: number;
}

/** What a channel did, for operators. */
export interface ChannelCounters {
  sent: number;
  retransmitted: number;
  acknowledgements: number;
  received: number;
  duplicates: number;
  outOfOrder: number;
  outsideWindow: number;
}

/** A message to transmit now, or a bare acknowledgement (`payload` absent: ZLB in v2, ACK in v3). */
export interface Transmission<T> {
  readonly ns: number;
  readonly nr: number;
  readonly payload?: T;
}

interface Outgoing<T> {
  ns: number;
  readonly payload: T;
  sent: boolean;
}

/** The window that a peer has when it offers none (RFC 2661 §4.4.3). */
const DEFAULT_PEER_WINDOW = 4;

/** How long a message is sent again until the peer counts as gone, in milliseconds (RFC 2661 §5.7: 31 s by default). */
export function retransmissionCycle(
  { retransmitMs, retransmitCapMs, attempts }: Pick<
    ChannelOptions,
    "retransmitMs" | "retransmitCapMs" | "attempts"
  >,
): number {
  let total = 0;
  for (let i = 0; i < attempts; i++) total += Math.min(retransmitMs * 2 ** i, retransmitCapMs);
  return total;
}

/** `a − b` in the 16-bit number space, as a signed distance. */
export function distance(a: number, b: number): number {
  return (a - b) << 16 >> 16;
}

export class ReliableChannel<Out, In> {
  readonly counters: ChannelCounters = {
    sent: 0,
    retransmitted: 0,
    acknowledgements: 0,
    received: 0,
    duplicates: 0,
    outOfOrder: 0,
    outsideWindow: 0,
  };
  #options: ChannelOptions;
  /** Unacknowledged messages, oldest first; the first `#flying` of them are in the air. */
  readonly #unacknowledged = new Ring<Outgoing<Out>>();
  #flying = 0;
  readonly #waiting = new Ring<Out>();
  readonly #early = new Map<number, { readonly payload: In; readonly octets: number }>();
  #earlyOctets = 0;
  #nextNs = 0;
  #nextNr = 0;
  #owesAck = false;
  #peerWindow = DEFAULT_PEER_WINDOW;
  #congestionWindow = 1;
  /** Congestion avoidance: messages acknowledged since the window last grew. */
  #credit = 0;
  #slowStartThreshold = DEFAULT_PEER_WINDOW;
  #timeoutMs: number;
  #retransmitAt: number | undefined;
  /** Timeouts since the peer last acknowledged something new. */
  #timeouts = 0;
  /** Milliseconds between two times that a message is sent while the peer is asked whether it is there. */
  #pace: number | undefined;

  /** A predecessor held Ns and Nr, and it is not certain how far it came: the peer is asked. */
  #uncertain = false;
  /**
   * The peer may still wait for an acknowledgement of messages from this number on, which then come again. Until one did,
   * or a new one, this is the Nr that we tell: a later one would acknowledge what nobody has acted on.
   */
  #unheardSince: number | undefined;

  /** Octets of messages beyond the last in order that are kept at most; the peer sends again what is not. */
  earlyLimit = Infinity;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#timeoutMs = options.retransmitMs;
  }

  /** Takes other times and limits; what is in the air keeps the time that it was given. */
  reconfigure(options: Omit<ChannelOptions, "receiveWindow">): void {
    this.#options = { ...this.#options, ...options };
    this.#timeoutMs = Math.min(this.#timeoutMs, options.retransmitCapMs);
    if (this.#timeouts === 0) this.#timeoutMs = options.retransmitMs;
  }

  /** Ns of the next new message; what a bare acknowledgement carries. */
  get ns(): number {
    return this.#nextNs;
  }

  /** Nr: the Ns that we expect next. */
  get nr(): number {
    return this.#unheardSince ?? this.#nextNr;
  }

  /**
   * Goes on in the place of another channel, which may have come further than `numbers`. One message goes out alone, to
   * be answered: a HELLO. Its Ns is one that the peer has seen, or, where nothing is known, now from the one half of the
   * numbers and now from the other; what came before is acknowledged again, and that tells both numbers (RFC 2661 §5.8,
   * RFC 3931 §4.2), as any message of the peer does.
   */
  resume(numbers: { readonly ns: number; readonly nr: number } | undefined): void {
    this.#nextNs = ((numbers?.ns ?? 0) - 1) & 0xffff;
    this.#nextNr = numbers?.nr ?? 0;
    this.#unheardSince = numbers?.nr;
    this.#uncertain = true;
  }

  /** The messages that may be in the air now. */
  get window(): number {
    return Math.min(this.#peerWindow, this.#congestionWindow);
  }

  /** Whether something came that no message or acknowledgement of ours has told of yet. */
  get owesAcknowledgement(): boolean {
    return this.#owesAck;
  }

  /** Messages sent or waiting that the peer has not acknowledged. */
  get outstanding(): number {
    return this.#unacknowledged.length + this.#waiting.length;
  }

  /** Takes over the peer's Receive Window Size; never more than half of the number space, where old and new get mixed up. */
  get peerWindow(): number {
    return this.#peerWindow;
  }

  set peerWindow(size: number) {
    this.#peerWindow = Math.min(size, 0x7fff);
    this.#slowStartThreshold = this.#peerWindow;
  }

  /** Whether {@linkcode send} would take another message. */
  get hasRoom(): boolean {
    return this.#waiting.length < this.#options.queueLimit;
  }

  /** Queues a message. @throws {ApiMisuse} where there is no room: ask {@linkcode hasRoom} first. */
  send(payload: Out): void {
    if (!this.hasRoom) throw new ApiMisuse("the control channel's queue is full");
    this.#waiting.push(payload);
  }

  /**
   * Takes a message (or a bare acknowledgement, `payload` absent) and returns what can now be delivered, in order.
   * A message that came before is acknowledged again; one beyond the window is dropped.
   * @param octets what the payload counts for while it is kept
   */
  receive(ns: number, nr: number, payload: In | undefined, now: number, octets = 0): In[] {
    if (this.#uncertain) this.#learn(ns, nr);
    this.#acknowledge(nr, now);
    if (payload === undefined) return [];
    if (this.#unheardSince !== undefined) {
      if (distance(ns, this.#unheardSince) >= 0 && distance(ns, this.#nextNr) < 0) {
        this.#nextNr = ns;
      }
      this.#unheardSince = undefined;
    }
    const ahead = distance(ns, this.#nextNr);
    if (ahead < 0) {
      this.counters.duplicates++;
      this.#owesAck = true;
      return [];
    }
    const full = ahead > 0 && this.#earlyOctets + octets > this.earlyLimit;
    if (ahead >= this.#options.receiveWindow || full) {
      this.counters.outsideWindow++;
      return [];
    }
    if (this.#early.has(ns)) {
      this.counters.duplicates++;
      return [];
    }
    if (ahead > 0) {
      this.counters.outOfOrder++;
      this.#early.set(ns, { payload, octets });
      this.#earlyOctets += octets;
      return [];
    }
    return this.#deliver(payload);
  }

  /**
   * The next thing to transmit; undefined: nothing until {@linkcode deadline}.
   * @param hold no bare acknowledgement yet
   * @param may whether a message, or an acknowledgement, may go now; where not, nothing goes and nothing changes
   */
  poll(
    now: number,
    hold = false,
    may: (payload: Out | undefined) => boolean = () => true,
  ): Transmission<Out> | undefined {
    const next = this.#nextToFly();
    if (next) {
      if (!may(next.payload)) return undefined;
      if (next.sent) this.counters.retransmitted++;
      else this.counters.sent++;
      next.sent = true;
      this.#flying++;
      this.#retransmitAt ??= now + (this.#pace ?? this.#timeoutMs);
      this.#owesAck = false;
      return { ns: next.ns, nr: this.nr, payload: next.payload };
    }
    if (!this.#owesAck || hold || !may(undefined)) return undefined;
    this.#owesAck = false;
    this.counters.acknowledgements++;
    return { ns: this.#nextNs, nr: this.nr };
  }

  /** Sends again what is in the air: the peer has just shown that it lacks it. */
  repeat(): void {
    this.#flying = 0;
    this.#retransmitAt = undefined;
  }

  /** When {@linkcode timeout} is due. */
  deadline(): number | undefined {
    return this.#retransmitAt;
  }

  /**
   * The retransmission time has come: everything in the air counts as lost and is sent again, one message first
   * (Appendix A). False: the oldest was sent as often as it may be, and the peer counts as gone. How often a message
   * was sent because an older one was lost does not count against it.
   */
  timeout(now: number): boolean {
    if (this.#retransmitAt === undefined || this.#retransmitAt > now) return true;
    this.#retransmitAt = undefined;
    const first = this.#unacknowledged.at(0);
    if (!first) return true;
    if (this.#uncertain) first.ns ^= 0x8000;
    if (this.#pace !== undefined) {
      this.#flying = 0;
      return true;
    }
    if (++this.#timeouts >= this.#options.attempts) return false;
    this.#slowStartThreshold = Math.max(1, Math.floor(this.#congestionWindow / 2));
    this.#congestionWindow = 1;
    this.#credit = 0;
    this.#timeoutMs = Math.min(2 * this.#timeoutMs, this.#options.retransmitCapMs);
    this.#flying = 0;
    return true;
  }

  /**
   * From now on the oldest message that is not acknowledged is sent at a steady pace; that counts neither as an attempt
   * nor as a sign of congestion.
   */
  hurry(everyMs: number, now: number): void {
    this.#pace = everyMs;
    if (this.#retransmitAt === undefined) return;
    this.#retransmitAt = Math.min(this.#retransmitAt, now + everyMs);
  }

  /** As before {@linkcode hurry}, as if nothing had been sent meanwhile. */
  calm(now: number): void {
    if (this.#pace === undefined) return;
    this.#pace = undefined;
    if (this.#retransmitAt !== undefined) this.#retransmitAt = now + this.#timeoutMs;
  }

  /** Forgets what was not sent yet; what is in the air is still made sure of. */
  dropWaiting(): void {
    this.#waiting.clear();
  }

  /** Forgets all that was to be sent: the connection is over, and only acknowledgements still go out. */
  abandon(): void {
    this.#unacknowledged.clear();
    this.#waiting.clear();
    this.#flying = 0;
    this.#retransmitAt = undefined;
  }

  /** The next message that the window lets out: one to send again, or a new one. */
  #nextToFly(): Outgoing<Out> | undefined {
    const alone = this.#uncertain || this.#pace !== undefined;
    if (this.#flying >= (alone ? 1 : this.window)) return undefined;
    if (this.#flying < this.#unacknowledged.length) return this.#unacknowledged.at(this.#flying);
    if (this.#waiting.length === 0) return undefined;
    const message = { ns: this.#nextNs, payload: this.#waiting.shift()!, sent: false };
    this.#nextNs = (this.#nextNs + 1) & 0xffff;
    this.#unacknowledged.push(message);
    return message;
  }

  /** The peer has told both numbers: what was asked with is done with. */
  #learn(ns: number, nr: number): void {
    this.#uncertain = false;
    this.#nextNs = nr;
    this.#nextNr = ns;
    this.#unheardSince ??= (ns - this.#options.receiveWindow) & 0xffff;
    this.#unacknowledged.clear();
    this.#flying = 0;
    this.#timeouts = 0;
    this.#timeoutMs = this.#options.retransmitMs;
    this.#retransmitAt = undefined;
  }

  /** The peer has everything before `nr`. An Nr of what was never sent is ignored. */
  #acknowledge(nr: number, now: number): void {
    const first = this.#unacknowledged.at(0);
    if (!first) return;
    const count = distance(nr, first.ns);
    if (count <= 0 || count > this.#unacknowledged.length) return;
    for (let i = 0; i < count; i++) this.#unacknowledged.shift();
    this.#timeouts = 0;
    this.#flying = Math.max(0, this.#flying - count);
    this.#timeoutMs = this.#options.retransmitMs;
    this.#retransmitAt = this.#flying > 0 ? now + (this.#pace ?? this.#timeoutMs) : undefined;
    // One acknowledgement may be for many messages: counting messages doubles the window each round trip, as Appendix A wants.
    for (let i = 0; i < count; i++) this.#grow();
  }

  /** Slow start: by one for each message; congestion avoidance: by one for a whole window (Appendix A). */
  #grow(): void {
    if (this.#congestionWindow >= this.#peerWindow) return;
    const slow = this.#congestionWindow < this.#slowStartThreshold;
    if (!slow && ++this.#credit < this.#congestionWindow) return;
    this.#credit = 0;
    this.#congestionWindow++;
  }

  #deliver(payload: In): In[] {
    const delivered: In[] = [];
    for (let next: In | undefined = payload; next !== undefined;) {
      delivered.push(next);
      this.#nextNr = (this.#nextNr + 1) & 0xffff;
      const early = this.#early.get(this.#nextNr);
      next = early?.payload;
      this.#earlyOctets -= early?.octets ?? 0;
      this.#early.delete(this.#nextNr);
    }
    this.counters.received += delivered.length;
    this.#owesAck = true;
    return delivered;
  }
}
