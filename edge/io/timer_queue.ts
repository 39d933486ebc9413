/** Many timers on one of the runtime's: a heap of instants, of which only the first is waited for. @module */

/** The longest delay that a runtime timer takes, in milliseconds; longer ones are taken in steps. */
const MAX_DELAY_MS = 0x7fff_ffff;
/** So long is called what is due, in milliseconds; then whatever else waits has its turn. */
const TURN_MS = 10;

/** The runtime's time. */
export interface Runtime {
  /** Monotonic milliseconds. */
  now(): number;
  /** Calls back once after so many milliseconds, a whole number; the result cancels it. */
  after(ms: number, callback: () => void): () => void;
}

/** Timers in the order of their instants; those of one instant in the order of their making. */
export class TimerQueue {
  readonly #runtime: Runtime;
  /** A binary heap: the children of `i` are `2i + 1` and `2i + 2`, and none of them is before it. */
  readonly #heap: Timer[] = [];
  #made = 0;
  #cancel: (() => void) | undefined;
  /** What the runtime's timer waits for. */
  #waitsFor = Infinity;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Calls `callback` once at or after `at`; disposal cancels it. */
  add(at: number, callback: () => void): Disposable {
    const timer = new Timer(this, at, this.#made++, callback);
    timer.index = this.#heap.length;
    this.#heap.push(timer);
    this.#rise(timer);
    if (timer.index === 0) this.#wait();
    return timer;
  }

  /** Takes a timer out; it may have been called already. */
  remove(timer: Timer): void {
    const { index } = timer;
    if (index < 0) return;
    timer.index = -1;
    const last = this.#heap.pop()!;
    if (last !== timer) {
      this.#put(last, index);
      this.#rise(last);
      this.#sink(last);
    }
    // Where others are left, one that comes too early looks again: most timers are cancelled.
    if (this.#heap.length === 0) this.#stop();
  }

  #due(): void {
    this.#cancel = undefined;
    this.#waitsFor = Infinity;
    const until = this.#runtime.now() + TURN_MS;
    try {
      for (let now = until - TURN_MS; now < until; now = this.#runtime.now()) {
        const first = this.#heap[0];
        if (!first || first.at > now) break;
        this.remove(first);
        first.callback();
      }
    } finally {
      this.#wait();
    }
  }

  /** Has the runtime call when the first is due. */
  #wait(): void {
    const first = this.#heap[0];
    if (!first || this.#waitsFor <= first.at) return;
    this.#stop();
    this.#waitsFor = first.at;
    const delay = Math.max(0, Math.ceil(first.at - this.#runtime.now()));
    this.#cancel = this.#runtime.after(Math.min(delay, MAX_DELAY_MS), () => this.#due());
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waitsFor = Infinity;
  }

  #rise(timer: Timer): void {
    while (timer.index > 0) {
      const parent = this.#heap[(timer.index - 1) >> 1]!;
      if (!timer.isBefore(parent)) return;
      this.#swap(timer, parent);
    }
  }

  #sink(timer: Timer): void {
    for (;;) {
      const left = this.#heap[2 * timer.index + 1];
      const right = this.#heap[2 * timer.index + 2];
      const child = right && left && right.isBefore(left) ? right : left;
      if (!child?.isBefore(timer)) return;
      this.#swap(timer, child);
    }
  }

  #swap(one: Timer, other: Timer): void {
    const { index } = one;
    this.#put(one, other.index);
    this.#put(other, index);
  }

  #put(timer: Timer, index: number): void {
    this.#heap[index] = timer;
    timer.index = index;
  }
}

class Timer implements Disposable {
  readonly at: number;
  readonly callback: () => void;
  /** Its place in the heap; -1: it has none any more. */
  index = -1;
  readonly #queue: TimerQueue;
  readonly #order: number;

  constructor(queue: TimerQueue, at: number, order: number, callback: () => void) {
    this.#queue = queue;
    this.at = at;
    this.#order = order;
    this.callback = callback;
  }

  isBefore(other: Timer): boolean {
    return this.at < other.at || (this.at === other.at && this.#order < other.#order);
  }

  [Symbol.dispose](): void {
    this.#queue.remove(this);
  }
}
