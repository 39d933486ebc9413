/** A bound on answers that a peer can ask for at no cost: echoes, rejects, acknowledgements of farewells. @module */

/** So many answers at once, and so many more each second. */
const BURST = 20;
const PER_SECOND = 10;

/** The answers of one link. */
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
