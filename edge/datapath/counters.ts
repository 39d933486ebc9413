/** Counters by handle, out of the tables that a worker hands over. @module */

import type { Counters, CounterTable } from "../../wasm/mod.ts";

/**
 * The table as a map. A scrape wants few of 100,000 sessions' counters, so that each is made only when it is asked for.
 * A table row has the order of `Counters`.
 */
export function countersByHandle<Handle extends number>(
  { handles, values }: CounterTable,
): ReadonlyMap<Handle, Counters> {
  let rows: Map<Handle, number> | undefined;
  const rowOf = (handle: Handle): number | undefined => {
    rows ??= new Map(Array.from(handles, (handle, row) => [handle as Handle, row]));
    return rows.get(handle);
  };
  const map: ReadonlyMap<Handle, Counters> = {
    size: handles.length,
    has: (handle) => rowOf(handle) !== undefined,
    get(handle) {
      const row = rowOf(handle);
      return row === undefined ? undefined : countersAt(values, row);
    },
    forEach(visit, self) {
      for (const [handle, counters] of map) visit.call(self, counters, handle, map);
    },
    *keys(): Generator<Handle, undefined> {
      for (const handle of handles) yield handle as Handle;
      return undefined;
    },
    *values(): Generator<Counters, undefined> {
      for (let row = 0; row < handles.length; row++) yield countersAt(values, row);
      return undefined;
    },
    *entries(): Generator<[Handle, Counters], undefined> {
      for (const [row, handle] of handles.entries()) {
        yield [handle as Handle, countersAt(values, row)];
      }
      return undefined;
    },
    [Symbol.iterator]: () => map.entries(),
  };
  return map;
}

/** Tables as one. */
export function joined(tables: readonly CounterTable[]): CounterTable {
  return {
    handles: concatenated(tables.map(({ handles }) => handles)),
    values: concatenated(tables.map(({ values }) => values)),
  };
}

/** Arrays as one. */
export function concatenated(arrays: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

function countersAt(values: Float64Array, row: number): Counters {
  const at = row * 10;
  return {
    "tx-packets": values[at]!,
    "tx-bytes": values[at + 1]!,
    "tx-errors": values[at + 2]!,
    "rx-packets": values[at + 3]!,
    "rx-bytes": values[at + 4]!,
    "rx-errors": values[at + 5]!,
    "rx-seq-discards": values[at + 6]!,
    "rx-oos-packets": values[at + 7]!,
    "rx-cookie-discards": values[at + 8]!,
    "rx-invalid": values[at + 9]!,
  };
}
