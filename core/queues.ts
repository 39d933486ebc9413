/** Queues whose every step costs the same, however long they are: arrays that are shifted and Sets do not. @module */

/** First in, first out, in a ring that grows. */
export class Ring<T> {
  #items: (T | undefined)[] = [];
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    if (this.#length === this.#items.length) this.#grow();
    this.#items[(this.#head + this.#length++) & (this.#items.length - 1)] = item;
  }

  /** Takes the oldest out. */
  shift(): T | undefined {
    if (this.#length === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#items.length - 1);
    this.#length--;
    return item;
  }

  /** The item that `index` others are older than. */
  at(index: number): T | undefined {
    if (index < 0 || index >= this.#length) return undefined;
    return this.#items[(this.#head + index) & (this.#items.length - 1)];
  }

  clear(): void {
    this.#items = [];
    this.#head = this.#length = 0;
  }

  /** Its room is a power of two. */
  #grow(): void {
    const items = new Array<T | undefined>(Math.max(4, 2 * this.#items.length));
    for (let i = 0; i < this.#length; i++) items[i] = this.at(i);
    this.#items = items;
    this.#head = 0;
  }
}

interface Place<T> {
  readonly item: T;
  before: Place<T> | undefined;
  after: Place<T> | undefined;
}

/** A waiting line: first come, first served, and anybody may leave from the middle. No item stands in it twice. */
export class Line<T extends object> {
  readonly #places = new Map<T, Place<T>>();
  #first: Place<T> | undefined;
  #last: Place<T> | undefined;

  get size(): number {
    return this.#places.size;
  }

  get first(): T | undefined {
    return this.#first?.item;
  }

  has(item: T): boolean {
    return this.#places.has(item);
  }

  /** Puts an item at the end, unless it is in the line already. */
  add(item: T): void {
    if (this.#places.has(item)) return;
    const place: Place<T> = { item, before: this.#last, after: undefined };
    if (this.#last) this.#last.after = place;
    else this.#first = place;
    this.#last = place;
    this.#places.set(item, place);
  }

  delete(item: T): boolean {
    const place = this.#places.get(item);
    if (!place) return false;
    this.#places.delete(item);
    if (place.before) place.before.after = place.after;
    else this.#first = place.after;
    if (place.after) place.after.before = place.before;
    else this.#last = place.before;
    return true;
  }
}
