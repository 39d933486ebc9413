/** Long work in slices, between which the event loop has its turn: peers and frames do not wait for it. @module */

import { setImmediate } from "node:timers";

/** Work that says where it may be interrupted, by `yield`. */
export type Slices<T> = Generator<void, T>;

/** How long a slice may take, in milliseconds. */
const SLICE_MS = 5;

/** Does all of it, in slices. */
export async function inSlices<T>(work: Slices<T>): Promise<T> {
  let begun = performance.now();
  for (let step = work.next();; step = work.next()) {
    if (step.done) return step.value;
    if (performance.now() - begun < SLICE_MS) continue;
    await new Promise<void>((resolve) => setImmediate(resolve));
    begun = performance.now();
  }
}

/** Does all of it at once. */
export function atOnce<T>(work: Slices<T>): T {
  for (let step = work.next();; step = work.next()) if (step.done) return step.value;
}

/** What `map` makes of each item, interrupted now and then. */
export function* mapped<T, R>(items: Iterable<T>, map: (item: T) => R): Slices<R[]> {
  const results: R[] = [];
  for (const item of items) {
    results.push(map(item));
    if (results.length % 32 === 0) yield;
  }
  return results;
}
