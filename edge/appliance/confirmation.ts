/** A change that is undone unless somebody confirms it in time. @module */

import type { Clock } from "../../plugins/host/leaves.ts";

/** At most one change waits. */
export interface Confirmation extends Disposable {
  /** Whether one waits. */
  readonly waits: boolean;
  /** Has `undo` called unless it is confirmed before. Where one waits already, what that one would undo stays what is undone. */
  await(ms: number, undo: () => void): void;
  /** It stays. False: none waits. */
  confirm(): boolean;
}

/** None waits. */
export function makeConfirmation(clock: Pick<Clock, "now" | "timer">): Confirmation {
  let waiting: { readonly timer: Disposable; readonly undo: () => void } | undefined;
  const stop = () => {
    waiting?.timer[Symbol.dispose]();
    const was = waiting;
    waiting = undefined;
    return was;
  };
  return {
    get waits() {
      return waiting !== undefined;
    },
    await(ms, undo) {
      const first = stop()?.undo ?? undo;
      const timer = clock.timer(clock.now() + ms, () => {
        waiting = undefined;
        first();
      });
      waiting = { timer, undo: first };
    },
    confirm: () => stop() !== undefined,
    [Symbol.dispose]: () => void stop(),
  };
}
