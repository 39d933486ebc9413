/**
 * Things in order, of which very many come and go: putting one in, taking one out, and finding a place cost little
 * however many there are, so that nobody has to sort them in one turn. Pure.
 *
 * @module
 */

/** Below 0: `a` comes first; 0: they are the same one. */
export type Order<T> = (a: T, b: T) => number;

/** So many stand in one chunk, at most. */
const MOST = 512;

/** A set in order. What an item is compared by must not change while it is in. */
export class Sorted<T> {
  readonly #order: Order<T>;
  /** None is empty; each is in order, and so are they. */
  readonly #chunks: T[][] = [];
  #size = 0;
  /** Counts changes: who is on its way through looks for its place again. */
  #changes = 0;

  constructor(order: Order<T>) {
    this.#order = order;
  }

  get size(): number {
    return this.#size;
  }

  /** Puts an item in; one that is the same gives it its place. */
  add(item: T): void {
    const [at, index] = this.#placeOf((other) => this.#order(other, item) >= 0);
    const found = this.#chunks[at]?.[index];
    if (found !== undefined && this.#order(found, item) === 0) {
      this.#chunks[at]![index] = item;
      return;
    }
    this.#changes++;
    this.#size++;
    // Behind all others: into the last chunk.
    const chunk = this.#chunks[at] ?? this.#chunks.at(-1);
    if (!chunk) return void this.#chunks.push([item]);
    chunk.splice(this.#chunks[at] ? index : chunk.length, 0, item);
    if (chunk.length <= MOST) return;
    this.#chunks.splice(this.#chunks.indexOf(chunk) + 1, 0, chunk.splice(MOST / 2));
  }

  /** Takes the same one out, if it is in. */
  delete(item: T): void {
    const [at, index] = this.#placeOf((other) => this.#order(other, item) >= 0);
    const chunk = this.#chunks[at];
    if (!chunk || this.#order(chunk[index]!, item) !== 0) return;
    this.#changes++;
    this.#size--;
    chunk.splice(index, 1);
    if (chunk.length === 0) this.#chunks.splice(at, 1);
  }

  /**
   * All from the first on for which `isBehind`, in order; it must hold for all that come after one for which it holds.
   * What comes and goes meanwhile disturbs nothing: it is found if its place is still ahead.
   */
  *from(isBehind: (item: T) => boolean): Generator<T, void> {
    let [at, index] = this.#placeOf(isBehind);
    let changes = this.#changes;
    for (;;) {
      const item = this.#chunks[at]?.[index];
      if (item === undefined) return;
      yield item;
      if (changes !== this.#changes) {
        [at, index] = this.#placeOf((other) => this.#order(other, item) > 0);
        changes = this.#changes;
      } else if (++index === this.#chunks[at]!.length) [at, index] = [at + 1, 0];
    }
  }

  [Symbol.iterator](): Generator<T, void> {
    return this.from(() => true);
  }

  /** Where the first one stands for which `isBehind`; the chunk behind the last: there is none. */
  #placeOf(isBehind: (item: T) => boolean): [chunk: number, index: number] {
    const at = firstOf(this.#chunks.length, (i) => isBehind(this.#chunks[i]!.at(-1)!));
    const chunk = this.#chunks[at];
    return [at, chunk ? firstOf(chunk.length, (i) => isBehind(chunk[i]!)) : 0];
  }
}

/** A map whose names can be gone through in order. */
export class NamedInOrder<T> extends Map<string, T> {
  readonly #names = new Sorted<string>(byText);

  constructor(entries: Iterable<readonly [string, T]> = []) {
    super();
    for (const [name, value] of entries) this.set(name, value);
  }

  override set(name: string, value: T): this {
    if (!this.has(name)) this.#names.add(name);
    return super.set(name, value);
  }

  override delete(name: string): boolean {
    this.#names.delete(name);
    return super.delete(name);
  }

  override clear(): void {
    for (const name of [...this.keys()]) this.delete(name);
  }

  /** The names that come after one. */
  namesAfter(name: string): Iterable<string> {
    return this.#names.from((other) => other > name);
  }
}

/** The order of texts by their code units. */
export function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Two that are in order as one that is. */
export function* merged<T>(a: Iterable<T>, b: Iterable<T>, order: Order<T>): Generator<T, void> {
  const [here, there] = [a[Symbol.iterator](), b[Symbol.iterator]()];
  let [next, other] = [here.next(), there.next()];
  while (!next.done || !other.done) {
    if (other.done || !next.done && order(next.value, other.value) <= 0) {
      yield next.value as T;
      next = here.next();
    } else {
      yield other.value;
      other = there.next();
    }
  }
}

/** The first index for which `holds`, which holds for all behind it; `length`: there is none. */
function firstOf(length: number, holds: (index: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
