/**
 * How a control connection ends: by a StopCCN of ours or of the peer's, because its peer is gone, or without a word
 * (RFC 2661 §5.7, RFC 3931 §3.3.2). What ends, its calls end with it.
 *
 * @module
 */

import type { Calls } from "./calls.ts";
import { retransmissionCycle } from "./channel.ts";
import type { Stage } from "./connection_stage.ts";
import { hasEnded } from "./connection_states.ts";
import { ErrorCode, type Result, StopResult } from "./errors.ts";
import type { Cause } from "./events.ts";
import type { Handshake } from "./handshake.ts";
import type { Keepalive } from "./keepalive.ts";
import type { Transport } from "./transport.ts";
import type { RawAvp } from "./wire/raw_avp.ts";

/** What of a connection ends. */
export interface Ending {
  readonly stage: Stage;
  readonly transport: Transport;
  readonly handshake: Handshake;
  readonly keepalive: Keepalive;
  readonly calls: Calls;
  /** Whether the peer dialed us and proved nothing: its end leaves a tombstone, and no connection. */
  isStranger(): boolean;
  /** Tells of the stage. */
  announce(cause?: Cause, others?: readonly RawAvp[]): void;
}

/** The end of one connection. */
export class Farewell {
  readonly #of: Ending;
  /** Why an SCCRQ was given up: what its answer is told. */
  #inVain: Result | undefined;

  constructor(of: Ending) {
    this.#of = of;
  }

  /** StopCCN with `result`. */
  close(result: Result, cause: Cause, now: number): void {
    const { stage, transport, calls, announce, isStranger } = this.#of;
    if (hasEnded(stage.state)) return;
    const unanswered = transport.peerId === 0;
    // An SCCRQ that nobody answers is not sent any more; what the peer may already have is made sure of.
    if (unanswered || isStranger()) transport.abandon();
    else transport.dropWaiting();
    this.#say(result);
    stage.state = "stopping";
    calls.closeAll({ by: "connection", result }, now);
    if (unanswered || isStranger()) return this.closed(now, cause);
    this.clearDeadlines();
    stage.deadlines.set("stop", now + this.#lingerMs());
    announce(cause);
  }

  /**
   * Gives up an SCCRQ that nobody answered, without a word: an answer that comes late is told by StopCCN that it was in
   * vain (RFC 2661 §8.1).
   */
  giveUp(result: Result, now: number): void {
    const { stage, transport, calls } = this.#of;
    if (stage.state !== "wait-ctl-reply") return;
    this.#inVain = result;
    transport.abandon();
    const cause: Cause = { by: "timeout", result };
    stage.state = "stopping";
    calls.closeAll({ ...cause, by: "connection" }, now);
    this.closed(now, cause);
  }

  /** What was given up is answered. */
  answeredLate(): void {
    if (this.#inVain) this.#say(this.#inVain);
  }

  /** Ends one that is half open without a word, and has one ready for when its peer answers after all. */
  evict(result: Result, now: number): void {
    const { handshake, transport } = this.#of;
    transport.prepareLastWord(handshake.dialect.stop(handshake.localId, result));
    this.discard({ by: "local", result }, now);
  }

  /** Without a word to the peer. */
  discard(cause: Cause, now: number): void {
    const { stage, transport, calls, announce } = this.#of;
    if (stage.state === "closed") return;
    transport.abandon();
    this.clearDeadlines();
    stage.state = "closed";
    calls.closeAll({ ...cause, by: "connection" }, now);
    announce(cause);
  }

  /** The peer said StopCCN: nothing more is sent but acknowledgements. */
  stopped(cause: Cause, now: number, others?: readonly RawAvp[]): void {
    const { stage, transport, calls } = this.#of;
    const ending = hasEnded(stage.state);
    transport.abandon();
    if (stage.state === "closed") return;
    stage.state = "stopping";
    calls.closeAll({ ...cause, by: "connection" }, now);
    this.closed(now, ending ? undefined : cause, others);
  }

  /** The last attempt has passed: the peer is gone, and nothing is owed to it. */
  lost(now: number): void {
    const { stage, transport } = this.#of;
    if (stage.state === "stopping") return this.vanish();
    if (stage.state === "closed") return transport.abandon();
    this.discard({ by: "timeout", result: fsmError("the peer does not answer") }, now);
  }

  /** Our StopCCN was sent as often as it may be. */
  vanish(): void {
    const { stage, transport, announce } = this.#of;
    transport.abandon();
    this.clearDeadlines();
    stage.state = "closed";
    announce();
  }

  /** Closed; what comes again is still acknowledged for a full retransmission cycle (RFC 2661 §5.7). */
  closed(now: number, cause?: Cause, others?: readonly RawAvp[]): void {
    const { stage, announce, isStranger } = this.#of;
    this.clearDeadlines();
    if (!isStranger()) stage.deadlines.set("linger", now + this.#lingerMs());
    stage.state = "closed";
    stage.settledAt = now;
    announce(cause, others);
  }

  clearDeadlines(): void {
    this.#of.stage.deadlines.clearAll();
    this.#of.keepalive.stop();
  }

  #say(result: Result): void {
    const { handshake, transport } = this.#of;
    transport.send("StopCCN", handshake.dialect.stop(handshake.localId, result), 0);
  }

  /** A full retransmission cycle: ours, or what RFC 2661 §5.7 recommends. */
  #lingerMs(): number {
    const { settings } = this.#of.handshake;
    return Math.max(31 * settings.retransmitMs, retransmissionCycle(settings));
  }
}

/** What a finite state machine cannot go on from. */
export function fsmError(message: string): Result {
  return { result: StopResult.FsmError, error: ErrorCode.None, message };
}
