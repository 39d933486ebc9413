/**
 * Whether the peer of a control connection is still there: HELLO after silence (RFC 2661 §5.5, RFC 3931 §4.4), and at
 * once and at a quick pace where there is reason for doubt.
 *
 * @module
 */

import { Deadlines } from "./timers.ts";

/** Milliseconds between two HELLOs to a peer of whom it is doubtful whether it is there, and between two such SCCRQs. */
const ASK_MS = 250;
/** How long a peer is asked that is said to be unreachable, in milliseconds. */
const UNREACHABLE_MS = 2000;
/** One that answered is not asked again for so long. */
const TRUST_MS = 1000;

/** What it works on. */
export interface KeepaliveHost {
  /** Silence after which a HELLO is sent, in milliseconds; 0: never. */
  readonly helloMs: number;
  /** 0 to 1. */
  fraction(): number;
  /** Sends a HELLO, unless something else waits to be acknowledged. */
  hello(): void;
  /** Sends what is not acknowledged at a steady pace. */
  hurry(everyMs: number, now: number): void;
  calm(now: number): void;
  /** Asks what else was heard of the peer: {@linkcode Keepalive.heard} is the answer. False: nobody knows more. */
  silent(): boolean;
  /** The peer was asked, and is there. */
  answered(): void;
}

export class Keepalive {
  readonly #host: KeepaliveHost;
  readonly #deadlines = new Deadlines<"hello" | "ask" | "doubt" | "calm">();
  /** Since when there is silence, as far as is known. */
  #heardAt = -Infinity;
  /** Since when the peer is being asked. */
  #askedAt: number | undefined;
  /** When it last answered such a question. */
  #answeredAt = -Infinity;
  /** What is about to happen unless the peer was heard elsewhere. */
  #doubt: "hello" | "ask" | undefined;
  /** The SCCRQ counts as unanswered once it is not sent at a steady pace any more. */
  #last = false;
  /** The time between two SCCRQs, while they are sent at a steady pace. */
  #hurriedMs = Infinity;

  constructor(host: KeepaliveHost) {
    this.#host = host;
  }

  /** The connection is up. */
  start(now: number): void {
    this.stop();
    this.#host.calm(now);
    this.restart(now, now);
  }

  /** The connection has ended. */
  stop(): void {
    this.#deadlines.clearAll();
    this.#askedAt = this.#doubt = undefined;
  }

  /** HELLO after silence since `at`, a tenth of the time more or less so that many do not speak at once. */
  restart(at: number, now: number): void {
    const { helloMs } = this.#host;
    if (helloMs === 0) return this.#deadlines.clear("hello");
    this.#heardAt = at;
    this.#deadlines.set(
      "hello",
      Math.max(now, at + helloMs * (0.9 + 0.2 * this.#host.fraction())),
    );
  }

  /** Asks the peer whether it is there; {@linkcode timeout} says that it was silent for so long. */
  ask(silenceMs: number, now: number): void {
    const until = this.#deadlines.get("ask") ?? Infinity;
    this.#deadlines.set("ask", Math.min(until, now + silenceMs));
    if (this.#askedAt !== undefined) return;
    this.#askedAt = now;
    this.#host.hurry(ASK_MS, now);
    this.#host.hello();
  }

  /** Somebody on the way says that the peer cannot be reached. Anybody can say that: it makes us ask, and ends nothing. */
  unreachable(now: number): void {
    const trusted = this.#answeredAt + TRUST_MS;
    if (now >= trusted) this.ask(UNREACHABLE_MS, now);
    else this.#deadlines.set("doubt", trusted);
  }

  /** The addressee of an SCCRQ is said to be unreachable: it is sent sooner again, until it would have been given up. */
  unreachableYet(until: number, now: number): void {
    this.hurry(now, ASK_MS, Math.max(0, until - now), true);
  }

  /** Sends an SCCRQ at a steady pace for some time. @param last it counts as unanswered then */
  hurry(now: number, everyMs: number, forMs: number, last = false): void {
    if (this.#hurriedMs <= everyMs) return;
    this.#hurriedMs = everyMs;
    this.#last = last;
    this.#host.hurry(everyMs, now);
    this.#deadlines.set("calm", now + forMs);
  }

  /** Something valid came from the peer at `at`; undefined: nothing did, as far as the owner knows. */
  heard(at: number | undefined, now: number): void {
    const doubt = this.#doubt;
    this.#doubt = undefined;
    if (at !== undefined && this.#askedAt !== undefined && at >= this.#askedAt) {
      this.#askedAt = undefined;
      this.#deadlines.clear("ask");
      this.#host.calm(now);
      this.#answeredAt = now;
      this.#host.answered();
    } else if (doubt === "ask") {
      this.#doubt = doubt;
      this.#deadlines.set("ask", now);
    }
    if (at !== undefined && at > this.#heardAt) this.restart(at, now);
    else if (doubt === "hello") this.#sayHello(now);
  }

  deadline(): number | undefined {
    return this.#deadlines.next();
  }

  /** Does what is due, and says where the peer was asked, and was silent, or did not answer an SCCRQ. */
  timeout(now: number): "silent" | "unanswered" | undefined {
    for (let due = this.#deadlines.take(now); due !== undefined; due = this.#deadlines.take(now)) {
      if (due === "calm") {
        this.#hurriedMs = Infinity;
        this.#host.calm(now);
        if (this.#last) return "unanswered";
        continue;
      }
      if (due === "doubt") {
        this.ask(UNREACHABLE_MS, now);
        continue;
      }
      // The owner is asked first; where it says nothing in time, nothing was heard.
      if (this.#doubt !== due && this.#host.silent()) {
        this.#doubt = due;
        this.#deadlines.set(due, now + ASK_MS);
        continue;
      }
      this.#doubt = undefined;
      if (due === "ask") return "silent";
      this.#sayHello(now);
    }
    return undefined;
  }

  #sayHello(now: number): void {
    this.#host.hello();
    this.restart(now, now);
  }
}
