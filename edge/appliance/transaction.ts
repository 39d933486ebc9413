/** Several steps of which either all happen or none. @module */

import type { Log } from "../../plugins/host/leaves.ts";
import { Ring } from "../../core/queues.ts";
import { makePace, type Pace } from "../slices.ts";

const COMMIT_FAILED = "cannot let go of what a change replaced";
const UNDO_FAILED = "cannot take back a step of a change that failed";

/** A step of a transaction. */
type Step = () => unknown;

/** What a transaction is to do in the end. */
export interface Transaction {
  /** Takes back what was just done, if a later step fails. */
  undo(step: Step): void;
  /** Lets go of what was only kept to be able to go back, once all is done. */
  commit(step: Step): void;
}

/**
 * Runs `work`; where it throws, the steps told to `undo` are run, last first, and the error passes on, else those told
 * to `commit`. A step among these that fails is logged, and the others still run.
 */
export function transaction<T>(
  log: Log,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  return attempt(log, work, (_undo, commit) => runAll(log, commit, COMMIT_FAILED));
}

/** Runs `work`, and then `done` with the steps that it told; where it throws, its own are taken back, and the error passes on. */
async function attempt<T>(
  log: Log,
  work: (transaction: Transaction) => Promise<T>,
  done: (undo: readonly Step[], commit: readonly Step[]) => unknown,
): Promise<T> {
  const undo: Step[] = [];
  const commit: Step[] = [];
  try {
    const result = await work({
      undo: (step) => void undo.push(step),
      commit: (step) => void commit.push(step),
    });
    await done(undo, commit);
    return result;
  } catch (error) {
    await runAll(log, undo.reverse(), UNDO_FAILED);
    throw error;
  }
}

async function runAll(log: Log, steps: readonly Step[], complaint: string): Promise<void> {
  const pace = makePace();
  for (const step of steps) {
    if (pace.over) await pace.rest();
    try {
      await step();
    } catch (error) {
      log.error(complaint, { error: String(error) });
    }
  }
}

/**
 * Runs `work` on every item, at most `width` at a time, in slices: work that waits for nothing lets others have their
 * turn, too. After a failure no more are begun, those begun are waited for, and the first failure passes on.
 */
export async function forEach<T>(
  items: Iterable<T>,
  width: number,
  work: (item: T) => Promise<unknown>,
  pace: Pace = makePace(),
): Promise<void> {
  const rest = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const lane = async (first: IteratorYieldResult<T>) => {
    for (
      let item: IteratorResult<T> = first;
      !item.done && (item === first || failures.length === 0);
      item = rest.next()
    ) {
      try {
        await work(item.value);
      } catch (error) {
        failures.push(error);
      }
      if (pace.over) await pace.rest();
    }
  };
  const lanes: Promise<void>[] = [];
  // No more lanes than items: most tunnels come and go without sessions.
  for (let item = rest.next(); !item.done; item = rest.next()) {
    lanes.push(lane(item));
    if (lanes.length === width) break;
  }
  await Promise.all(lanes);
  if (failures.length > 0) throw failures[0];
}

/** Has work wait for its turn, in order. */
export interface Limit {
  /** Runs it as soon as it may. */
  run<T>(work: () => Promise<T>): Promise<T>;
}

/** Runs so much at a time. */
export function makeLimit(most: number): Limit {
  const waiting = new Ring<() => void>();
  let running = 0;
  return {
    async run(work) {
      if (running < most) running++;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else running--;
      }
    },
  };
}

/** Runs `work` as a part of `outer`: where it throws, its own steps are taken back at once, and the error passes on. */
export function nested<T>(
  log: Log,
  outer: Transaction,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  return attempt(log, work, (undo, commit) => {
    for (const step of undo) outer.undo(step);
    for (const step of commit) outer.commit(step);
  });
}

/** Runs `work` whose steps are not taken back: what is itself an undo. Steps told to `commit` are run though it throws. */
export async function irrevocable<T>(
  log: Log,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const commit: Step[] = [];
  try {
    return await work({ undo() {}, commit: (step) => void commit.push(step) });
  } finally {
    await runAll(log, commit, COMMIT_FAILED);
  }
}
