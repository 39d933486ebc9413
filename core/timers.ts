/** A table of named deadlines: the only timer that a state machine has. @module */

/** Deadlines by name, in the milliseconds of whoever says `now`. */
export class Deadlines<Name extends string> {
  readonly #at = new Map<Name, number>();

  set(name: Name, at: number): void {
    this.#at.set(name, at);
  }

  clear(name: Name): void {
    this.#at.delete(name);
  }

  clearAll(): void {
    this.#at.clear();
  }

  get(name: Name): number | undefined {
    return this.#at.get(name);
  }

  /** The earliest deadline, or undefined where none is set. */
  next(): number | undefined {
    let earliest: number | undefined;
    for (const at of this.#at.values()) if (earliest === undefined || at < earliest) earliest = at;
    return earliest;
  }

  /** Takes one deadline that has passed out of the table, the earliest first. */
  take(now: number): Name | undefined {
    let due: Name | undefined;
    for (const [name, at] of this.#at) {
      if (at <= now && (due === undefined || at < this.#at.get(due)!)) due = name;
    }
    if (due !== undefined) this.#at.delete(due);
    return due;
  }
}
