/** What users had last, kept over restarts where the appliance has a state folder. @module */

import type { DatabaseSync } from "node:sqlite";
import type { Scope } from "../scope.ts";

/** So many users are remembered: those that came last. */
const MAX_REMEMBERED = 1 << 18;
/** What is new is written down within this time, in milliseconds. */
const WRITE_MS = 1000;

/** What users had last. */
export class Memory {
  readonly #scope: Scope;
  /** By pools and user, the longest ago first. */
  readonly #known = new Map<string, string>();
  readonly #unwritten = new Map<string, string>();
  #store: DatabaseSync | undefined;
  #opened = false;
  #timer: { cancel(): void } | undefined;

  constructor(scope: Scope) {
    this.#scope = scope;
  }

  get(key: string): string | undefined {
    this.#open();
    return this.#known.get(key);
  }

  set(key: string, text: string): void {
    this.#open();
    const same = this.#known.get(key) === text;
    this.#known.delete(key);
    this.#known.set(key, text);
    if (this.#known.size > MAX_REMEMBERED) {
      const [oldest] = this.#known.keys();
      this.#known.delete(oldest!);
    }
    if (same || !this.#store) return;
    this.#unwritten.set(key, text);
    this.#timer ??= this.#scope.timer(this.#scope.now() + WRITE_MS, () => this.#write());
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
      const rows = store.prepare("SELECT key, text FROM last_lease ORDER BY at DESC LIMIT ?").all(
        MAX_REMEMBERED,
      );
      for (const { key, text } of rows.reverse()) this.#known.set(String(key), String(text));
      this.#store = store;
      // After the store in the order of things, so before it in that of their end.
      this.#scope.defer(() => this.#write());
    } catch (error) {
      const { message } = error as Error;
      this.#scope.log("info", "addresses are not remembered over a restart", { reason: message });
    }
  }

  #write(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const store = this.#store;
    if (!store || this.#unwritten.size === 0) return;
    try {
      const put = store.prepare("INSERT OR REPLACE INTO last_lease VALUES (?, ?, ?)");
      store.exec("BEGIN");
      for (const [key, text] of this.#unwritten) put.run(key, text, this.#scope.date());
      store.exec("COMMIT");
      this.#unwritten.clear();
    } catch (error) {
      this.#scope.log("warn", "cannot remember addresses", { reason: (error as Error).message });
    }
  }
}
