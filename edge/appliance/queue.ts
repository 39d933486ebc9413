/** What must not interleave, in order. @module */

/** Work by key: one at a time for each key, in the order of the calls. */
export interface Queues {
  /** Runs `work` after all earlier work of `key`. */
  run<T>(key: string, work: () => Promise<T>): Promise<T>;
  /** Runs `work` after all earlier work of every key, and before all that comes later. */
  exclusive<T>(work: () => Promise<T>): Promise<T>;
}

/** Queues without work. */
export function makeQueues(): Queues {
  /** The last work of each key since the barrier. */
  const tails = new Map<string, Promise<void>>();
  let barrier: Promise<void> = Promise.resolve();

  return {
    run(key, work) {
      const result = (tails.get(key) ?? barrier).then(work);
      const tail = settled(result).then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      tails.set(key, tail);
      return result;
    },
    exclusive(work) {
      const result = Promise.all([barrier, ...tails.values()]).then(work);
      tails.clear();
      barrier = settled(result);
      return result;
    },
  };
}

/** Waits for the end of `work`, however it ends. */
function settled(work: Promise<unknown>): Promise<void> {
  return work.then(() => {}, () => {});
}
