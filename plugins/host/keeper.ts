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
  { clock, listing }: { readonly clock: Clock; readonly listing: Listing },
  label: string,
  begin: (life: Life) => Promise<void>,
  changed: (keeper: Keeper) => void = () => {},
): Keeper {
  let life: Life | undefined;
  /** The life of the last attempt, which may still be undoing. */
  let last: Life | undefined;
  let state: Keeper["state"] = "beginning";
  let failure: Error | undefined;
  let downAt: number | undefined;
  let retryAt: number | undefined;
  let pause = FIRST_PAUSE_MS;
  let stopped = false;
  let outcome = Promise.withResolvers<Error | undefined>();
  let cancel = () => {};

  const attempt = () => {
    retryAt = undefined;
    cancel();
    if (stopped || parent.ending) return;
    state = "beginning";
    const mine = parent.child(label, (_why, failure) => ended(mine, failure));
    life = mine;
    last = mine;
    (async () => await begin(mine))().then(() => {
      if (mine.ending) return;
      state = "up";
      failure = undefined;
      downAt = undefined;
      pause = FIRST_PAUSE_MS;
      outcome.resolve(undefined);
      changed(keeper);
    }, (error) => mine.fail(asError(error)));
  };
  const ended = (mine: Life, why: Error | undefined) => {
    // An end that was meant is no failure, and nothing is begun by it.
    const meant = life !== mine || stopped;
    state = "down";
    downAt ??= clock.now();
    if (!meant) failure = why ?? new Failure("unavailable", mine.ending?.message ?? "it has ended");
    if (life === mine) life = undefined;
    if (!meant) outcome.resolve(failure);
    changed(keeper);
    if (meant || parent.ending) return;
    mine.log.warn("down", { what: label, reason: failure!.message });
    // What it held is free only when all is undone.
    void mine.end(mine.ending!).then(() => {
      if (life || stopped || parent.ending || !failure || !mayPass(failure)) return;
      later();
    });
  };
  const later = () => {
    retryAt = clock.now() + pause;
    pause = Math.min(2 * pause, LAST_PAUSE_MS);
    const timer = clock.timer(retryAt, attempt);
    const forget = parent.push(() => cancel());
    cancel = () => {
      cancel = () => {};
      retryAt = undefined;
      timer[Symbol.dispose]();
      forget();
    };
  };

  const keeper: Keeper = {
    label,
    get state() {
      return state;
    },
    get failure() {
      return failure;
    },
    get downAt() {
      return downAt;
    },
    get retryAt() {
      return retryAt;
    },
    get life() {
      return life;
    },
    get first() {
      return outcome.promise;
    },
    async restart(why) {
      cancel();
      const next = Promise.withResolvers<Error | undefined>();
      life = undefined;
      outcome.resolve(undefined);
      outcome = next;
      await last?.end(why);
      cancel();
      // Of several that are asked for at once the last one begins it.
      if (outcome !== next) return await outcome.promise;
      pause = FIRST_PAUSE_MS;
      if (stopped || parent.ending) {
        next.resolve(new Failure("unavailable", `${parent.label} has ended`));
      } else attempt();
      return await next.promise;
    },
    async end(why) {
      stopped = true;
      listing.delete(keeper);
      cancel();
      forget();
      await last?.end(why);
      outcome.resolve(failure);
    },
  };
  listing.add(keeper);
  const forget = parent.push(() => keeper.end(parent.ending!));
  queueMicrotask(attempt);
  return keeper;
}
