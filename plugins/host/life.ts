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
import type { Clock, Leaves, Log } from "./leaves.ts";

/** How long an undoing of a plugin's own may take, in milliseconds. */
export const UNDO_MS = 2000;

/** So many lives inside one begin to end in one turn. */
const AT_ONCE = 64;

/** Something to undo. */
type Undo = (why: CallEnd) => unknown;

/** What a life undoes in its end. */
export interface Undoable {
  undo(why: CallEnd): unknown;
}

/** What was had, and how it is undone. */
export interface Had<T> extends Undoable {
  readonly value: T;
}

/** What lives are made with. */
export type LifeSetting = Pick<Leaves, "clock" | "log" | "rest">;

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
  /** {@linkcode push} of something that {@linkcode drop} takes back. */
  add(undoable: Undoable): void;
  drop(undoable: Undoable): void;
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
  begins?: (why: CallEnd, failure?: Error) => void,
): Life {
  return new OwnLife(setting, label, begins, undefined);
}

/** There are many: what most of them never need is made when it is needed. */
class OwnLife implements Life {
  readonly label: string;
  readonly #setting: LifeSetting;
  readonly #begins: ((why: CallEnd, failure?: Error) => void) | undefined;
  readonly #parent: OwnLife | undefined;
  #undos: Set<Undoable> | undefined;
  #children: Set<OwnLife> | undefined;
  #pending: Set<Promise<unknown>> | undefined;
  #abort: AbortController | undefined;
  #ending: CallEnd | undefined;
  #ended: Promise<void> | undefined;
  #isOver = false;

  constructor(
    setting: LifeSetting,
    label: string,
    begins: ((why: CallEnd, failure?: Error) => void) | undefined,
    parent: OwnLife | undefined,
  ) {
    this.label = label;
    this.#setting = setting;
    this.#begins = begins;
    this.#parent = parent;
  }

  get log(): Log {
    return this.#setting.log;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    const { signal } = this.#abort;
    if (this.#ending && !signal.aborted) this.#abort.abort(this.#abortReason(this.#ending));
    return signal;
  }

  get ending(): CallEnd | undefined {
    return this.#ending;
  }

  async settled(): Promise<void> {
    while (this.#pending) await Promise.allSettled(this.#pending);
  }

  refuseEnded(): void {
    if (this.#ending) throw this.#gone();
  }

  async own<T>(begin: () => Promise<Had<T>>): Promise<T> {
    this.refuseEnded();
    const beginning = this.#begin(begin);
    this.#pending ??= new Set();
    this.#pending.add(beginning);
    try {
      const value = await beginning;
      this.refuseEnded();
      return value;
    } finally {
      this.#pending.delete(beginning);
      if (this.#pending.size === 0) this.#pending = undefined;
    }
  }

  push(undo: Undo): () => void {
    // One function may be given twice.
    const own = { undo };
    this.add(own);
    return () => this.drop(own);
  }

  add(undoable: Undoable): void {
    if (this.#isOver) throw this.#gone();
    this.#undos ??= new Set();
    this.#undos.add(undoable);
  }

  drop(undoable: Undoable): void {
    this.#undos?.delete(undoable);
  }

  child(label: string, begins?: (why: CallEnd, failure?: Error) => void): Life {
    this.refuseEnded();
    const inner = new OwnLife(this.#setting, label, begins, this);
    this.#children ??= new Set();
    this.#children.add(inner);
    return inner;
  }

  defer(undo: Undo): void {
    const own = new Deferred(undo, this.#setting.clock, this.label);
    if (!this.#ending) return this.add(own);
    void this.#quietly(own, this.#ending);
    throw this.#gone();
  }

  fail(failure: Error): void {
    void this.#end(faultOf(failure), failure);
  }

  end(why: CallEnd): Promise<void> {
    return this.#end(why);
  }

  async #begin<T>(begin: () => Promise<Had<T>>): Promise<T> {
    const had = await begin();
    // What came too late is undone by the end, which waits for it.
    this.add(had);
    return had.value;
  }

  #end(why: CallEnd, failure?: Error): Promise<void> {
    if (this.#ended) return this.#ended;
    this.#ending = why;
    // The promise must be there before anything is called that may ask for it.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    this.#finish(why, failure).then(resolve);
    return promise;
  }

  async #finish(why: CallEnd, failure?: Error): Promise<void> {
    this.#abort?.abort(this.#abortReason(why));
    this.#begins?.(why, failure);
    await this.#endInside(why);
    await Promise.allSettled(this.#pending ?? []);
    while (this.#undos && this.#undos.size > 0) {
      for (const undo of [...this.#undos].reverse()) {
        if (this.#undos.delete(undo)) await this.#quietly(undo, why);
      }
    }
    this.#isOver = true;
    if (this.#parent) this.#parent.#forget(this);
  }

  /** Side by side; of very many no more begin to end in one turn than others can wait for. */
  async #endInside(why: CallEnd): Promise<void> {
    const ends: Promise<void>[] = [];
    for (const child of [...this.#children ?? []]) {
      if (ends.length > 0 && ends.length % AT_ONCE === 0) {
        await this.#setting.rest();
      }
      ends.push(child.end(why));
    }
    await Promise.all(ends);
  }

  async #quietly(undoable: Undoable, why: CallEnd): Promise<void> {
    try {
      await undoable.undo(why);
    } catch (error) {
      this.log.warn("cannot undo a step in order", {
        of: this.label,
        error: asError(error).message,
      });
    }
  }

  /** One inside is over. */
  #forget(child: OwnLife): void {
    this.#children?.delete(child);
    if (this.#children?.size === 0) this.#children = undefined;
  }

  #abortReason({ message }: CallEnd): Failure {
    return new Failure("unavailable", message ?? `${this.label} has ended`);
  }

  #gone(): Failure {
    return new Failure("unavailable", `${this.label} has ended`);
  }
}

/** An undoing of a plugin's own: it has so much time. */
class Deferred implements Undoable {
  readonly #undo: Undo;
  readonly #clock: Clock;
  readonly #label: string;

  constructor(undo: Undo, clock: Clock, label: string) {
    this.#undo = undo;
    this.#clock = clock;
    this.#label = label;
  }

  undo(why: CallEnd): unknown {
    const work = this.#undo(why);
    return work instanceof Promise ? withinTime(work, this.#clock, this.#label) : work;
  }
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
