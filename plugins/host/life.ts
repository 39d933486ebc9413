/**
 * Lives: what began in one is undone when it ends, last first; shorter lives inside it end before that, side by side.
 * The scopes of plugins are made of these. No I/O: time and the log are handed in.
 *
 * @module
 */

import type { CallEnd } from "../../core/wire/call_avps.ts";
import { CdnResult, ErrorCode } from "../../core/errors.ts";
import { asError, Failure } from "../failure.ts";
import type { Endable } from "../scope.ts";
import type { Clock, Log } from "./leaves.ts";

/** How long an undoing of a plugin's own may take, in milliseconds. */
export const UNDO_MS = 2000;

/** Something to undo. */
type Undo = (why: CallEnd) => unknown;

/** What was had, and how it is undone. */
export interface Had<T> {
  readonly value: T;
  undo(why: CallEnd): unknown;
}

/** What lives are made with. */
export interface LifeSetting {
  readonly clock: Clock;
  readonly log: Log;
}

/** How long something lives. */
export interface Life extends Endable {
  readonly label: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Why it ends or has ended; undefined: it does not. */
  readonly ending: CallEnd | undefined;
  /** Has what `begin` gives, and undoes that in the end; nothing can be had of a life that ends. @throws {Failure} */
  own<T>(begin: () => Promise<Had<T>>): Promise<T>;
  /** Undoes something in the end, also of a life that is ending; once over it throws. The result takes it back. */
  push(undo: Undo): () => void;
  /** {@linkcode Scope.defer}. */
  defer(undo: Undo): void;
  /** {@linkcode Scope.fail}. */
  fail(failure: Error): void;
  /** A life that ends before this one does. `ending` is called when it begins to, with the failure where there was one. */
  child(label: string, ending?: (why: CallEnd, failure?: Error) => void): Life;
  /** Waits for all that is being had now, whatever comes of it. */
  settled(): Promise<void>;
  /** @throws {Failure} where the life ends or has ended */
  refuseEnded(): void;
}

/** A life that is nobody's child. */
export function makeLife(
  setting: LifeSetting,
  label: string,
  begins: (why: CallEnd, failure?: Error) => void = () => {},
  over: () => void = () => {},
): Life {
  const { clock, log } = setting;
  const undos = new Set<Undo>();
  const children = new Set<Life>();
  const pending = new Set<Promise<unknown>>();
  /** Made when somebody asks for it: most never do. */
  let abort: AbortController | undefined;
  let ending: CallEnd | undefined;
  let ended: Promise<void> | undefined;
  let isOver = false;

  const abortReason = ({ message }: CallEnd) =>
    new Failure("unavailable", message ?? `${label} has ended`);
  const gone = () => new Failure("unavailable", `${label} has ended`);
  const quietly = async (undo: Undo, why: CallEnd) => {
    try {
      await undo(why);
    } catch (error) {
      log.warn("cannot undo a step in order", { of: label, error: asError(error).message });
    }
  };

  const finish = async (why: CallEnd, failure?: Error) => {
    abort?.abort(abortReason(why));
    begins(why, failure);
    const inside = [...children].map((child) => child.end(why));
    await Promise.all(inside);
    await Promise.allSettled(pending);
    while (undos.size > 0) {
      for (const undo of [...undos].reverse()) {
        if (undos.delete(undo)) await quietly(undo, why);
      }
    }
    isOver = true;
    over();
  };
  const end = (why: CallEnd, failure?: Error) => {
    if (ended) return ended;
    ending = why;
    // The promise must be there before anything is called that may ask for it.
    const { promise, resolve } = Promise.withResolvers<void>();
    ended = promise;
    finish(why, failure).then(resolve);
    return ended;
  };

  const life: Life = {
    label,
    log,
    get signal() {
      abort ??= new AbortController();
      if (ending && !abort.signal.aborted) abort.abort(abortReason(ending));
      return abort.signal;
    },
    get ending() {
      return ending;
    },
    async settled() {
      while (pending.size > 0) await Promise.allSettled(pending);
    },
    refuseEnded() {
      if (ending) throw gone();
    },
    async own<T>(begin: () => Promise<Had<T>>) {
      if (ending) throw gone();
      const beginning = (async () => {
        const had = await begin();
        // What came too late is undone by the end, which waits for it.
        life.push(had.undo);
        return had.value;
      })();
      pending.add(beginning);
      try {
        const value = await beginning;
        if (ending) throw gone();
        return value;
      } finally {
        pending.delete(beginning);
      }
    },
    push(undo) {
      if (isOver) throw gone();
      // One function may be given twice.
      const own: Undo = (why) => undo(why);
      undos.add(own);
      return () => void undos.delete(own);
    },
    defer(undo) {
      const limited: Undo = (why) => withinTime(undo(why), clock, label);
      if (!ending) return void undos.add(limited);
      void quietly(limited, ending);
      throw gone();
    },
    fail(failure) {
      void end(faultOf(failure), failure);
    },
    child(label, begins) {
      if (ending) throw gone();
      const inner = makeLife(setting, label, begins, () => children.delete(inner));
      children.add(inner);
      return inner;
    },
    end: (why) => end(why),
  };
  return life;
}

/** What a fault of ours ends a call with. */
export function faultOf({ message }: Error): CallEnd {
  return { result: CdnResult.GeneralError, error: ErrorCode.VendorSpecific, message };
}

async function withinTime(work: unknown, clock: Clock, label: string): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  using _timer = clock.timer(clock.now() + UNDO_MS, () => {
    reject(new Error(`an undoing of ${label} took longer than ${UNDO_MS / 1000} s`));
  });
  await Promise.race([work, promise]);
}
