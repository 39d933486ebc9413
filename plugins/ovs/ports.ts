/** The ports that Open vSwitch shall have, whether it is there or not: what is lost is added again, what is over taken out. @module */

import { asError } from "../failure.ts";
import type { Scope } from "../plugin.ts";
import { Database, type Found, type Wanted } from "./database.ts";

/** Rows of ours that nobody wants at a start: until then, whoever had them may come back. In milliseconds. */
const GRACE = 3000;
/** Between two tries, in milliseconds. */
const PAUSE = 1000;
/** How long a new port may take until Open vSwitch has looked at it, in milliseconds. */
const PATIENCE = 5000;

/** The ports of a service. */
export interface OvsPorts {
  /** Has a port there from now on. Resolves when Open vSwitch has it, or is away. @throws {Error} that says why it has not */
  add(wanted: Wanted): Promise<void>;
  /** The same with other columns. */
  change(wanted: Wanted): Promise<void>;
  /** Has it there no more. */
  remove(name: string): Promise<void>;
  /** What Open vSwitch made of it. */
  found(name: string): Found & { readonly away?: boolean };
  /** Tells that something may be found otherwise now, until the result is called. */
  watch(told: () => void): () => void;
}

/** @param socket where its database listens; `owner` tells our rows */
export function makeOvsPorts(scope: Scope, socket: string, owner: string): OvsPorts {
  return new Ports(scope, socket, owner);
}

class Ports implements OvsPorts {
  readonly #scope: Scope;
  readonly #wanted = new Map<string, Wanted>();
  /** Why a port cannot be there. */
  readonly #errors = new Map<string, string>();
  /** Columns that Open vSwitch does not have yet. */
  readonly #stale = new Set<string>();
  /** Ports that were added for a device of this life: others' devices are gone, though Open vSwitch may not know yet. */
  readonly #ours = new Set<string>();
  /** Ports that were taken out, and the configuration that is without them. */
  readonly #leaving = new Map<string, number>();
  readonly #cleanFrom: number;
  #database: Database | undefined;
  #working: Promise<void> = Promise.resolve();
  #again = false;
  #watchers: (() => void)[] = [];

  constructor(scope: Scope, socket: string, owner: string) {
    this.#scope = scope;
    this.#cleanFrom = scope.now() + GRACE;
    scope.keep("ovsdb", async (life) => {
      const made: { database?: Database } = {};
      const pipe = await life.unix(socket, (bytes) => {
        try {
          if (bytes) made.database?.received(bytes);
          else life.fail(life.failure("unavailable", "Open vSwitch closed the connection"));
        } catch (error) {
          life.fail(life.failure("unavailable", `not OVSDB: ${asError(error).message}`));
        }
      });
      const database = new Database(pipe.write, owner, () => this.#look());
      made.database = database;
      life.defer(() => {
        database.close();
        this.#database = undefined;
        this.#told();
      });
      await database.follow();
      this.#database = database;
      for (const name of this.#wanted.keys()) this.#stale.add(name);
      this.#look();
      if (this.#cleanFrom > life.now()) life.timer(this.#cleanFrom, () => this.#look());
    });
  }

  async add(wanted: Wanted): Promise<void> {
    this.#wanted.set(wanted.name, wanted);
    this.#stale.add(wanted.name);
    if (!this.#database) return;
    this.#look();
    await this.#settled(wanted.name);
    const { error } = this.found(wanted.name);
    if (error !== undefined) throw new Error(error);
  }

  async change(wanted: Wanted): Promise<void> {
    const before = this.#wanted.get(wanted.name);
    if (before && before.bridge !== wanted.bridge) await this.remove(wanted.name);
    await this.add(wanted);
  }

  async remove(name: string): Promise<void> {
    this.#wanted.delete(name);
    this.#errors.delete(name);
    await this.#working;
    if (!this.#database) return;
    await this.#takeOut(this.#database, name).catch((error) =>
      this.#scope.log("warn", "cannot take a port out of Open vSwitch", {
        port: name,
        error: asError(error).message,
      })
    );
  }

  async #takeOut(database: Database, name: string): Promise<void> {
    this.#ours.delete(name);
    const configuration = await database.remove(name);
    if (configuration !== undefined) this.#leaving.set(name, configuration);
  }

  /** Adds a port once Open vSwitch has let go of the device that had its name before: it would read on from that. */
  async #putIn(database: Database, wanted: Wanted): Promise<void> {
    const { name } = wanted;
    const without = this.#leaving.get(name) ?? 0;
    await this.#until(() => this.#database !== database || database.looked >= without);
    this.#leaving.delete(name);
    await database.add(wanted);
    this.#ours.add(name);
  }

  found(name: string): Found & { away?: boolean } {
    if (!this.#database) return { away: true };
    const error = this.#errors.get(name);
    return error !== undefined ? { error } : this.#database.found(name) ?? {};
  }

  watch(told: () => void): () => void {
    this.#watchers.push(told);
    return () => this.#watchers = this.#watchers.filter((one) => one !== told);
  }

  /** Waits until Open vSwitch has a port, has refused it, went away, or is too slow. */
  #settled(name: string): Promise<void> {
    return this.#until(() => {
      const { away, error, ofport } = this.found(name);
      return away || error !== undefined || ofport !== undefined;
    });
  }

  /** Waits until something is so, or for as long as Open vSwitch may take. */
  #until(isSo: () => boolean): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve) => {
      const look = () => {
        if (!isSo()) return;
        timer.cancel();
        this.#watchers = this.#watchers.filter((one) => one !== look);
        resolve();
      };
      const timer = this.#scope.timer(this.#scope.now() + PATIENCE, () => {
        this.#watchers = this.#watchers.filter((one) => one !== look);
        resolve();
      });
      this.#watchers.push(look);
      look();
    });
  }

  #told(): void {
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** Makes the database as it should be, once what is under way is done. */
  #look(): void {
    this.#told();
    if (this.#again) return;
    this.#again = true;
    this.#working = this.#working.then(async () => {
      this.#again = false;
      await this.#reconcile();
      this.#told();
    }).catch(() => {}); // the connection ended: all is done anew with the next
  }

  async #reconcile(): Promise<void> {
    const database = this.#database;
    if (!database) return;
    for (const name of database.ours()) {
      const wanted = this.#wanted.get(name);
      const moved = wanted && !(this.#ours.has(name) && database.has(name, wanted.bridge));
      if (moved || (!wanted && this.#scope.now() >= this.#cleanFrom)) {
        await this.#takeOut(database, name);
      }
    }
    let failed = false;
    for (const wanted of this.#wanted.values()) {
      const { bridge, name } = wanted;
      try {
        if (!database.has(name, bridge)) await this.#putIn(database, wanted);
        else if (this.#stale.has(name)) await database.change(wanted);
        this.#stale.delete(name);
        this.#errors.delete(name);
      } catch (error) {
        if (this.#database !== database) return;
        failed = true;
        this.#errors.set(name, asError(error).message);
      }
    }
    // A bridge may come later: the tables tell; what else may change, nobody does.
    if (failed) this.#scope.timer(this.#scope.now() + PAUSE, () => this.#look());
  }
}
