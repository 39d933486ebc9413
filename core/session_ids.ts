/** v3's session ids, which are the LCCE's and not the connection's (RFC 3931 §4.1). @module */

import { IdPool } from "./ids_pool.ts";

/** All that are in use. */
export class SessionIds {
  readonly #wide: IdPool;
  /** Such as v2 has too. */
  readonly #narrow: IdPool;
  readonly #used = new Set<number>();

  constructor(random: (length: number) => Uint8Array) {
    this.#wide = new IdPool(3, random);
    this.#narrow = new IdPool(2, random);
  }

  /** An id; undefined: none is free. @param narrow one that would do in v2 as well */
  allocate(narrow: boolean): number | undefined {
    const id = (narrow ? this.#narrow : this.#wide).allocate(this.#used);
    if (id !== undefined) this.#used.add(id);
    return id;
  }

  release(id: number, now: number): void {
    this.#used.delete(id);
    this.#wide.release(id, now);
  }

  /** Takes an id that was given out before; false: it is in use. */
  claim(id: number): boolean {
    return !this.#used.has(id) && !!this.#used.add(id);
  }
}
