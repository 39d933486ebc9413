/** Work that takes a processor for long, so much of it at once. @module */

/** Runs so many at once, in the order of their coming; undefined: too many wait, or it is wanted no more. */
export function makeTurns(most: number, mostWaiting: number) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T | undefined> => {
    if (running >= most) {
      if (waiting.length >= mostWaiting) return undefined;
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running++;
    try {
      return signal.aborted ? undefined : await work();
    } finally {
      // A turn is handed on, or given back.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
