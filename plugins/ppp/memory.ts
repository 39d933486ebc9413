/** What users had last, kept over restarts where the appliance has a state folder. @module */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Scope } from "../scope.ts";

/** So many users are remembered in memory: those that came last. */
const MAX_REMEMBERED = 1 << 18;
/** What is new is written down within this time, in milliseconds. */
const WRITE_MS = 1000;
/** So many are written down in one turn. */
const MOST_AT_ONCE = 256;

/** What users had last. */
export class Memory {
  readonly #scope: Scope;
  /** By pools and user, the longest ago first. */
  readonly #known = new Map<string, string>();
  readonly #unwritten = new Map<string, string>();
  #store: DatabaseSync | undefined;
  #find: StatementSync | undefined;
  #opened = false;
  #timer: { cancel(): void } | undefined;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  get(key: string): string | undefined {
    this.#open();
    const known = this.#known.get(key) ?? this.#unwritten.get(key);
    if (known !== undefined || !this.#find) return known;
    const row = this.#find.get(key);
    return row && String(row["text"]);
  }

  set(key: string, text: string): void {
    const same = this.get(key) === text;
    this.#known.delete(key);
    this.#known.set(key, text);
    if (this.#known.size > MAX_REMEMBERED) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest!);
    }
    if (same || !this.#store) return;
    this.#unwritten.set(key, text);
    this.#writeAt(this.#scope.now() + WRITE_MS);
  }

  /** Not before somebody needs it: most appliances have no subscribers. */
  #open(): void {
    if (this.#opened) return;
    this.#opened = true;
    try {
      const store = this.#scope.store();
      store.exec(
        "CREATE TABLE IF NOT EXISTS last_lease (key TEXT PRIMARY KEY, text TEXT NOT NULL, at INTEGER NOT NULL)",
      );
      // Each is looked up when its user comes: all of them would be read in one turn, which everybody waits for.
      this.#find = store.prepare("SELECT text FROM last_lease WHERE key = ?");
      this.#store = store;
      // After the store in the order of things, so before it in that of their end.
      this.#scope.defer(() => this.#write(Infinity));
    } catch (error) {
      const { message } = error as Error;
      this.#scope.log("info", "addresses are not remembered over a restart", { reason: message });
    }
  }

  #write(most: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const store = this.#store;
    if (!store || this.#unwritten.size === 0) return;
    try {
      const put = store.prepare("INSERT OR REPLACE INTO last_lease VALUES (?, ?, ?)");
      const some = [...this.#unwritten].slice(0, most);
      store.exec("BEGIN");
      for (const [key, text] of some) put.run(key, text, this.#scope.date());
      store.exec("COMMIT");
      for (const [key] of some) this.#unwritten.delete(key);
    } catch (error) {
      this.#unwritten.clear();
      this.#scope.log("warn", "cannot remember addresses", { reason: (error as Error).message });
    }
    if (this.#unwritten.size > 0) this.#writeAt(this.#scope.now());
  }

  #writeAt(at: number): void {
    this.#timer ??= this.#scope.timer(at, () => this.#write(MOST_AT_ONCE));
  }
}
