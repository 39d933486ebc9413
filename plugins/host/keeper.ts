/** What shall be there: begun, and begun again where it fails. @module */

import type { CallEnd } from "../../core/wire/call_avps.ts";
import { asError, Failure, mayPass } from "../failure.ts";
import type { Endable } from "../scope.ts";
import type { Clock } from "./leaves.ts";
import type { Life } from "./life.ts";

/** The pauses between two beginnings, in milliseconds: the first, doubled each time up to the last. */
export const FIRST_PAUSE_MS = 1000;
export const LAST_PAUSE_MS = 30_000;

/** Something that is kept. Its end is for good. */
export interface Keeper extends Endable {
  readonly label: string;
  readonly state: "beginning" | "up" | "down";
  /** Why it is down. */
  readonly failure: Error | undefined;
  /** Since when it is down, in the clock's time; undefined: it is not. */
  readonly downAt: number | undefined;
  /** When it is begun again, in the clock's time; undefined: it is not waiting for that. */
  readonly retryAt: number | undefined;
  /** Its life, while it begins or is up. */
  readonly life: Life | undefined;
  /** Resolves when it was up or failed for the first time, with the failure. */
  readonly first: Promise<Error | undefined>;
  /** Begins it anew at once, after ending it where it runs. Resolves as {@linkcode Keeper.first} does. */
  restart(why: CallEnd): Promise<Error | undefined>;
}

/** Where what is kept is listed, for operators. */
export type Listing = Set<Keeper>;

/** Keeps something for as long as `parent` lives. */
export function keep(
  parent: Life,
  setting: KeeperSetting,
  label: string,
  begin: (life: Life) => Promise<void>,
  changed: (keeper: Keeper) => void = () => {},
): Keeper {
  return new Kept(parent, setting, label, begin, changed);
}

interface KeeperSetting {
  readonly clock: Clock;
  readonly listing: Listing;
}

class Kept implements Keeper {
  readonly label: string;
  readonly #parent: Life;
  readonly #setting: KeeperSetting;
  readonly #begin: (life: Life) => Promise<void>;
  readonly #changed: (keeper: Keeper) => void;
  readonly #forget: () => void;
  #life: Life | undefined;
  /** The life of the last attempt, which may still be undoing. */
  #last: Life | undefined;
  #state: Keeper["state"] = "beginning";
  #failure: Error | undefined;
  #downAt: number | undefined;
  #retryAt: number | undefined;
  #pause = FIRST_PAUSE_MS;
  #stopped = false;
  #outcome = Promise.withResolvers<Error | undefined>();
  #cancel = () => {};

  constructor(
    parent: Life,
    setting: KeeperSetting,
    label: string,
    begin: (life: Life) => Promise<void>,
    changed: (keeper: Keeper) => void,
  ) {
    this.label = label;
    this.#parent = parent;
    this.#setting = setting;
    this.#begin = begin;
    this.#changed = changed;
    setting.listing.add(this);
    this.#forget = parent.push(() => this.end(parent.ending!));
    queueMicrotask(() => this.#attempt());
  }

  get state(): Keeper["state"] {
    return this.#state;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  get downAt(): number | undefined {
    return this.#downAt;
  }

  get retryAt(): number | undefined {
    return this.#retryAt;
  }

  get life(): Life | undefined {
    return this.#life;
  }

  get first(): Promise<Error | undefined> {
    return this.#outcome.promise;
  }

  async restart(why: CallEnd): Promise<Error | undefined> {
    this.#cancel();
    const next = Promise.withResolvers<Error | undefined>();
    this.#life = undefined;
    this.#outcome.resolve(undefined);
    this.#outcome = next;
    await this.#last?.end(why);
    this.#cancel();
    // Of several that are asked for at once the last one begins it.
    if (this.#outcome !== next) return await this.#outcome.promise;
    this.#pause = FIRST_PAUSE_MS;
    if (this.#stopped || this.#parent.ending) {
      next.resolve(new Failure("unavailable", `${this.#parent.label} has ended`));
    } else this.#attempt();
    return await next.promise;
  }

  // Plugins get this as it is.
  readonly end = async (why: CallEnd): Promise<void> => {
    this.#stopped = true;
    this.#setting.listing.delete(this);
    this.#cancel();
    this.#forget();
    await this.#last?.end(why);
    this.#outcome.resolve(this.#failure);
  };

  #attempt(): void {
    this.#retryAt = undefined;
    this.#cancel();
    if (this.#stopped || this.#parent.ending) return;
    this.#state = "beginning";
    const mine = this.#parent.child(this.label, (_why, failure) => this.#ended(mine, failure));
    this.#life = mine;
    this.#last = mine;
    (async () => await this.#begin(mine))().then(() => {
      if (mine.ending) return;
      this.#state = "up";
      this.#failure = undefined;
      this.#downAt = undefined;
      this.#pause = FIRST_PAUSE_MS;
      this.#outcome.resolve(undefined);
      this.#changed(this);
    }, (error) => mine.fail(asError(error)));
  }

  #ended(mine: Life, why: Error | undefined): void {
    const parent = this.#parent;
    // An end that was meant is no failure, and nothing is begun by it.
    const meant = this.#life !== mine || this.#stopped;
    this.#state = "down";
    this.#downAt ??= this.#setting.clock.now();
    if (!meant) {
      this.#failure = why ?? new Failure("unavailable", mine.ending?.message ?? "it has ended");
    }
    if (this.#life === mine) this.#life = undefined;
    if (!meant) this.#outcome.resolve(this.#failure);
    this.#changed(this);
    if (meant || parent.ending) return;
    mine.log.warn("down", { what: this.label, reason: this.#failure!.message });
    // What it held is free only when all is undone.
    void mine.end(mine.ending!).then(() => {
      if (this.#life || this.#stopped || parent.ending) return;
      if (this.#failure && mayPass(this.#failure)) this.#later();
    });
  }

  #later(): void {
    const { clock } = this.#setting;
    this.#retryAt = clock.now() + this.#pause;
    this.#pause = Math.min(2 * this.#pause, LAST_PAUSE_MS);
    const timer = clock.timer(this.#retryAt, () => this.#attempt());
    const forget = this.#parent.push(() => this.#cancel());
    this.#cancel = () => {
      this.#cancel = () => {};
      this.#retryAt = undefined;
      timer[Symbol.dispose]();
      forget();
    };
  }
}
