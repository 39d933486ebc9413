/** Who is due when, among many: a heap with one entry for each item, however often its time changes. @module */

interface Entry<T> {
  readonly item: T;
  at: number;
  /** Where it stands in the heap. */
  place: number;
}

export class Schedule<T extends object> {
  readonly #heap: Entry<T>[] = [];
  readonly #entries = new Map<T, Entry<T>>();

  /** Says that `item` is due at `at`; a later time than an earlier call's is found out when that comes. */
  set(item: T, at: number | undefined): void {
    if (at === undefined) return;
    const known = this.#entries.get(item);
    if (known) {
      if (at >= known.at) return;
      known.at = at;
      return this.#rise(known);
    }
    const entry = { item, at, place: this.#heap.length };
    this.#entries.set(item, entry);
    this.#heap.push(entry);
    this.#rise(entry);
  }

  /** Forgets an item: nothing holds on to it any more. */
  delete(item: T): void {
    const entry = this.#entries.get(item);
    if (entry) this.#remove(entry);
  }

  /** When to look again; perhaps too early, never too late. */
  next(): number | undefined {
    return this.#heap[0]?.at;
  }

  /** Takes out an item that may be due. Tell {@linkcode set} its next time afterwards. */
  take(now: number): T | undefined {
    const first = this.#heap[0];
    if (!first || first.at > now) return undefined;
    this.#remove(first);
    return first.item;
  }

  #remove(entry: Entry<T>): void {
    this.#entries.delete(entry.item);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#put(last, entry.place);
    this.#rise(last);
    this.#sink(last);
  }

  #put(entry: Entry<T>, place: number): void {
    this.#heap[place] = entry;
    entry.place = place;
  }

  #rise(entry: Entry<T>): void {
    const heap = this.#heap;
    let { place } = entry;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (heap[parent]!.at <= entry.at) break;
      this.#put(heap[parent]!, place);
      place = parent;
    }
    this.#put(entry, place);
  }

  #sink(entry: Entry<T>): void {
    const heap = this.#heap;
    let { place } = entry;
    for (let child = 2 * place + 1; child < heap.length; child = 2 * place + 1) {
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++;
      if (entry.at <= heap[child]!.at) break;
      this.#put(heap[child]!, place);
      place = child;
    }
    this.#put(entry, place);
  }
}
