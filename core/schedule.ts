/** Who is due when, among many: a heap of deadlines that tolerates outdated entries. @module */

interface Entry<T> {
  readonly at: number;
  readonly item: T;
}

export class Schedule<T extends object> {
  readonly #heap: Entry<T>[] = [];
  /** The earliest entry of each item. */
  readonly #scheduled = new WeakMap<T, number>();

  /** Says that `item` is due at `at`; a later time than an earlier call's is found out when that comes. */
  set(item: T, at: number | undefined): void {
    if (at === undefined || at >= (this.#scheduled.get(item) ?? Infinity)) return;
    this.#scheduled.set(item, at);
    this.#push({ at, item });
  }

  /** When to look again; perhaps too early, never too late. */
  next(): number | undefined {
    return this.#heap[0]?.at;
  }

  /** Takes out an item that may be due. Tell {@linkcode set} its next time afterwards. */
  take(now: number): T | undefined {
    while (this.#heap.length > 0 && this.#heap[0]!.at <= now) {
      const { at, item } = this.#pop();
      if (this.#scheduled.get(item) !== at) continue;
      this.#scheduled.delete(item);
      return item;
    }
    return undefined;
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let i = heap.push(entry) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent]!.at <= entry.at) break;
      heap[i] = heap[parent]!;
      i = parent;
    }
    heap[i] = entry;
  }

  #pop(): Entry<T> {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let i = 0;
    for (let child = 1; child < heap.length; child = 2 * i + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (last.at <= heap[child]!.at) break;
      heap[i] = heap[child]!;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}
