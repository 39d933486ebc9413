/** The keepalive of an open link (RFC 1661 §5.8), and the bound on what we answer to. @module */

/** How a silent peer is noticed. */
export interface EchoSettings {
  /** Milliseconds between Echo-Requests; 0: none. */
  readonly intervalMs: number;
  /** So many that were not answered, and the peer is taken for gone unless its data say otherwise. */
  readonly failures: number;
}

/** Counts what was not answered. */
export class Echo {
  deadline: number | undefined;
  readonly #settings: EchoSettings;
  readonly #request: () => void;
  readonly #silent: () => void;
  #unanswered = 0;

  /**
   * @param request sends an Echo-Request
   * @param silent the peer answers nothing: whoever knows of its data says {@linkcode heard}, or ends the link
   */
  constructor(settings: EchoSettings, request: () => void, silent: () => void) {
    this.#settings = settings;
    this.#request = request;
    this.#silent = silent;
  }

  start(now: number): void {
    this.#unanswered = 0;
    if (this.#settings.intervalMs > 0) this.deadline = now + this.#settings.intervalMs;
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
    this.deadline = now + this.#settings.intervalMs;
    if (this.#unanswered >= this.#settings.failures) return this.#silent();
    this.#unanswered++;
    this.#request();
  }
}

/** So many answers at once, and so many more each second. */
const BURST = 20;
const PER_SECOND = 10;

/** A bound on answers that a peer can ask for at no cost: echoes, rejects, acknowledgements of farewells. */
export class AnswerBudget {
  #left = BURST;
  #at = 0;

  /** Whether one more may leave. */
  take(now: number): boolean {
    this.#left = Math.min(BURST, this.#left + (now - this.#at) * PER_SECOND / 1000);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
