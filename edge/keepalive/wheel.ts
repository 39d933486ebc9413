/** A timer wheel: what is due at about one time is dealt with at once, however much there is, on one timer. @module */

import type { Clock } from "../../plugins/host/leaves.ts";

/** How fine it is, in milliseconds. */
export const TURN_MS = 20;
/** Later than that, and the process stood still meanwhile. */
const LATE_TURNS = 5;
const SLOTS = 512;

/** Is called when it is time. */
export type Due = (now: number) => void;

/** A wheel with nothing on it. */
export class Wheel {
  readonly #clock: Clock;
  readonly #slots: Set<Due>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #when = new Map<Due, number>();
  /** The turn that was dealt with last. */
  #turn = 0;
  /** The turn that the timer is for. */
  #next = Infinity;
  #timer: Disposable | undefined;
  /** All was put off when the timer came last. */
  #stoodStill = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How much is on it. */
  get size(): number {
    return this.#when.size;
  }

  /** Has `what` called once, at `at` or a turn later. */
  set(what: Due, at: number): void {
    this.delete(what);
    if (this.#when.size === 0) this.#turn = Math.floor(this.#clock.now() / TURN_MS);
    const turn = Math.max(this.#turn + 1, Math.ceil(at / TURN_MS));
    this.#when.set(what, turn);
    this.#slots[turn % SLOTS]!.add(what);
    if (turn < this.#next) this.#wind(turn);
  }

  delete(what: Due): void {
    const turn = this.#when.get(what);
    if (turn === undefined) return;
    this.#when.delete(what);
    this.#slots[turn % SLOTS]!.delete(what);
    if (this.#when.size === 0) this.#wind(Infinity);
  }

  #wind(turn: number): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#next = turn;
    if (turn === Infinity) return;
    this.#timer = this.#clock.timer(turn * TURN_MS, () => this.#go());
  }

  #go(): void {
    const now = this.#clock.now();
    const [reached, next] = [Math.floor(now / TURN_MS), this.#next];
    this.#next = -Infinity; // nothing is wound up meanwhile
    // Never twice in a row: who is always late would never do anything.
    this.#stoodStill = !this.#stoodStill && reached - next > LATE_TURNS;
    if (this.#stoodStill) this.#stood(reached - next + 1);
    while (this.#turn < reached) {
      const slot = this.#slots[++this.#turn % SLOTS]!;
      for (const what of [...slot]) {
        if (this.#when.get(what) !== this.#turn) continue;
        this.#when.delete(what);
        slot.delete(what);
        what(now);
      }
    }
    this.#wind(this.#following());
  }

  /**
   * The process stood still for some turns: all is due later by so much, for what came in meanwhile has not been looked
   * at yet.
   */
  #stood(turns: number): void {
    this.#turn += turns;
    for (const slot of this.#slots) slot.clear();
    for (const [what, turn] of this.#when) {
      this.#when.set(what, turn + turns);
      this.#slots[(turn + turns) % SLOTS]!.add(what);
    }
  }

  /** The next turn that something may be due at. */
  #following(): number {
    if (this.#when.size === 0) return Infinity;
    let turn = this.#turn + 1;
    while (turn < this.#turn + SLOTS && this.#slots[turn % SLOTS]!.size === 0) turn++;
    return turn;
  }
}
