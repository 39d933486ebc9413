/** How the process is, for those who watch it. @module */

import type { Descriptors } from "../io/descriptors.ts";

/** Figures of the process. */
export interface Vitals {
  readonly descriptors: Descriptors;
  /** Memory that is resident, in bytes. */
  readonly residentBytes: number;
  /** Objects of the main isolate's heap, in bytes. */
  readonly heapBytes: number;
  /** Lines of the log that were dropped since the start. */
  readonly droppedLines: number;
  /** By how much the event loop was late at worst since this was asked the last time, in milliseconds. */
  readonly lagMs: number;
}

/** Follows a process. */
export interface VitalsWatch extends Disposable {
  read(): Vitals;
}

/** How often the event loop is looked at, in milliseconds. */
const LOOK_MS = 500;

/** Follows this process until disposal. */
export function watchVitals(
  descriptors: () => Descriptors,
  log: { readonly dropped: number },
): VitalsWatch {
  let worst = 0;
  let due = performance.now() + LOOK_MS;
  const late = () => Math.max(0, performance.now() - due);
  const timer = setInterval(() => {
    worst = Math.max(worst, late());
    due = performance.now() + LOOK_MS;
  }, LOOK_MS);
  return {
    read() {
      const lagMs = Math.max(worst, late());
      worst = 0;
      const { heapUsed, rss } = Deno.memoryUsage();
      return {
        descriptors: descriptors(),
        residentBytes: rss,
        heapBytes: heapUsed,
        droppedLines: log.dropped,
        lagMs,
      };
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
