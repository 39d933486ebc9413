/** Long work in slices, between which the event loop has its turn: peers and frames do not wait for it. @module */

import { setImmediate } from "node:timers";

/** Work that says where it may be interrupted, by `yield`: after so few items that they take some tenths of a millisecond. */
export type Slices<T> = Generator<void, T>;

/** How long a slice may take, in milliseconds. */
const SLICE_MS = 4;
/** After how many small items work may be interrupted. */
const ITEMS = 32;

/** Keeps a loop of awaits, which may never wait for the event loop, from taking it for itself. */
export interface Pace {
  /** Whether the slice is over: time to {@linkcode Pace.rest}. */
  readonly over: boolean;
  /** Gives the event loop its turn, and begins another slice. */
  rest(): Promise<void>;
}

/** A pace whose first slice begins now. @param now in monotonic milliseconds */
export function makePace(now: () => number = () => performance.now()): Pace {
  let begun = now();
  let resting: Promise<void> | undefined;
  return {
    get over() {
      return now() - begun >= SLICE_MS;
    },
    // One for all who share it: each would begin a slice of its own, in the same turn.
    rest: () =>
      resting ??= new Promise((resolve) =>
        setImmediate(() => {
          resting = undefined;
          begun = now();
          resolve();
        })
      ),
  };
}

/** Does all of it, in slices. */
export async function inSlices<T>(work: Slices<T>, pace: Pace = makePace()): Promise<T> {
  for (let step = work.next();; step = work.next()) {
    if (step.done) return step.value;
    if (pace.over) await pace.rest();
  }
}

/** Does all of it at once. */
export function atOnce<T>(work: Slices<T>): T {
  for (let step = work.next();; step = work.next()) if (step.done) return step.value;
}

/** The items, with interruptions between them: for loops of work that is small for each. */
export function* each<T>(items: Iterable<T>, work: (item: T) => void): Slices<void> {
  let count = 0;
  for (const item of items) {
    work(item);
    if (++count % ITEMS === 0) yield;
  }
}

/** What `map` makes of each item, interrupted now and then. */
export function* mapped<T, R>(items: Iterable<T>, map: (item: T) => R): Slices<R[]> {
  const results: R[] = [];
  yield* each(items, (item) => void results.push(map(item)));
  return results;
}

/** The items that `take` takes, interrupted now and then. */
export function* filtered<T>(items: Iterable<T>, take: (item: T) => boolean): Slices<T[]> {
  const results: T[] = [];
  yield* each(items, (item) => {
    if (take(item)) results.push(item);
  });
  return results;
}
