/** Things by a name that several may have, though most have it for themselves. @module */

/** Things by their names. Where there is one of a name, it costs no set. */
export class Groups<T extends object> {
  readonly #groups = new Map<string, T | Set<T>>();

  add(name: string, thing: T): void {
    const group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, thing);
    else if (group instanceof Set) group.add(thing);
    else if (group !== thing) this.#groups.set(name, new Set([group, thing]));
  }

  remove(name: string, thing: T): void {
    const group = this.#groups.get(name);
    if (group === thing) this.#groups.delete(name);
    else if (group instanceof Set && group.delete(thing) && group.size === 0) {
      this.#groups.delete(name);
    }
  }

  /** In the order of their coming. */
  get(name: string): T[] {
    const group = this.#groups.get(name);
    if (group === undefined) return [];
    return group instanceof Set ? [...group] : [group];
  }
}
