/** Many counters at once. @module */

import { sessionCounters } from "./spec.ts";

/**
 * Many counters, cheap to make and to hand to another isolate: those of `handles[i]` are the values from
 * `i * sessionCounters.length` on, in the order of {@linkcode sessionCounters}.
 */
export interface CounterTable {
  /** `PortIx` or `TunnelIx` each. */
  readonly handles: Float64Array;
  /** Copies: none is a view of the memory. */
  readonly values: Float64Array;
}

/** A part of a table, which may be empty. */
export interface CounterSlice extends CounterTable {
  /** Where the next slice starts; undefined: this was the last. */
  readonly next: number | undefined;
}

/** Handles, then the counters of each, as the module gives them. */
export function table(numbers: Float64Array): CounterTable {
  const rows = numbers.length / (1 + sessionCounters.length);
  return { handles: numbers.slice(0, rows), values: numbers.slice(rows) };
}

/** The same, and where the next slice starts, up to `end`. */
export function slice(numbers: Float64Array, next: number, end: number): CounterSlice {
  return { ...table(numbers), next: next < end ? next : undefined };
}
