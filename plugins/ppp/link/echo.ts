/** The keepalive of an open link (RFC 1661 §5.8). @module */

/** How a silent peer is noticed. */
export interface EchoSettings {
  /** Milliseconds between Echo-Requests; 0: none. */
  readonly intervalMs: number;
  /** So many that were not answered, and the peer is taken for gone unless its data say otherwise. */
  readonly failures: number;
}

/** Who sends Echo-Requests, and is told that nothing answers them. */
export interface EchoSink {
  /** Sends an Echo-Request. */
  sendEcho(): void;
  /** The peer answers nothing: whoever knows of its data says {@linkcode Echo.heard}, or ends the link. */
  unanswered(): void;
}

/**
 * Counts what was not answered. Requests go out at whole hundredths of the interval: those of many links leave together,
 * and their answers come together, so that either thread wakes up a few times a second and not once for each link.
 */
export class Echo {
  deadline: number | undefined;
  readonly #settings: EchoSettings;
  readonly #sink: EchoSink;
  #unanswered = 0;

  constructor(settings: EchoSettings, sink: EchoSink) {
    this.#settings = settings;
    this.#sink = sink;
  }

  start(now: number): void {
    this.#unanswered = 0;
    if (this.#settings.intervalMs > 0) this.#wait(now);
  }

  stop(): void {
    this.deadline = undefined;
  }

  /** Something came from the peer: it lives. */
  heard(): void {
    this.#unanswered = 0;
  }

  timeout(now: number): void {
    if (this.deadline === undefined || now < this.deadline) return;
    this.#wait(now);
    if (this.#unanswered >= this.#settings.failures) return this.#sink.unanswered();
    this.#unanswered++;
    this.#sink.sendEcho();
  }

  /** Until the last hundredth of the interval that is no later than an interval from now. */
  #wait(now: number): void {
    const { intervalMs } = this.#settings;
    const step = intervalMs / 100;
    this.deadline = Math.floor((now + intervalMs) / step) * step;
  }
}
