/** Figures: medians, spreads, and the CPU time of a process. @module */

import { existsSync } from "node:fs";
import { libcPaths } from "../../edge/io/libc.ts";

/** The middle of several measurements, and their ends. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** @throws {RangeError} where there are no values */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  if (sorted.length === 0) throw new RangeError("no measurements");
  return { median: quantile(sorted, 0.5), min: sorted[0]!, max: sorted.at(-1)! };
}

/** The value below which `q` of the sorted values lie, interpolated. */
export function quantile(sorted: readonly number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at));
}

/** Nanoseconds of CPU, user and system, that all threads of a process have used, those that have ended included. */
export function cpuTime(pid: number): number {
  const clock = ~pid << 3 | cpuClockOfProcess;
  const time = new BigInt64Array(2); // struct timespec
  if (clockGettime(clock, time) !== 0) throw new Error(`process ${pid} tells no CPU time`);
  return Number(time[0]! * 1_000_000_000n + time[1]!);
}

/** What clock_getcpuclockid(3) makes of a process id. */
const cpuClockOfProcess = 2;

function clockGettime(clock: number, time: BigInt64Array<ArrayBuffer>): number {
  const path = libcPaths.find((path) => existsSync(path));
  if (path === undefined) throw new Error(`there is no C library at ${libcPaths.join(", ")}`);
  const definition = { parameters: ["i32", "buffer"], result: "i32" } as const;
  const library = Deno.dlopen(path, { clock_gettime: definition });
  try {
    return library.symbols.clock_gettime(clock, time);
  } finally {
    library.close();
  }
}

/** Milliseconds without work. */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
