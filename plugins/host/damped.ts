/** Switches that may flap: what they say is passed on at once, but no more often than once a second. @module */

import type { Clock } from "./leaves.ts";
import type { Life } from "./life.ts";

/** How long what was passed on stands, in milliseconds. */
export const DAMPED_MS = 1000;

/** Time of what a switch is part of. */
export interface Timing {
  /** It has ended: nothing is said any more. */
  readonly over: boolean;
  /** Calls `due` once, so many milliseconds from now, unless it has ended by then. */
  after(ms: number, due: () => void): void;
}

/** The time of a life. */
export function timingOf(life: Pick<Life, "push" | "ending">, clock: Clock): Timing {
  return {
    get over() {
      return life.ending !== undefined;
    },
    after(ms, due) {
      const timer: Disposable[] = [];
      const forget = life.push(() => timer.pop()?.[Symbol.dispose]());
      timer.push(clock.timer(clock.now() + ms, () => {
        forget();
        due();
      }));
    },
  };
}

/**
 * A switch. Each state that is new to `apply` reaches it: at once where the last one stands for {@linkcode DAMPED_MS},
 * else when it does; what came and went meanwhile is never seen.
 * @param first what `apply` takes for granted
 */
export function damped(
  timing: Timing,
  apply: (up: boolean) => void,
  first = true,
): (up: boolean) => void {
  let [applied, wanted] = [first, first];
  let resting = false;
  const settle = () => {
    if (wanted === applied) return;
    applied = wanted;
    resting = true;
    timing.after(DAMPED_MS, () => {
      resting = false;
      settle();
    });
    apply(applied);
  };
  return (up) => {
    wanted = up;
    if (!resting && !timing.over) settle();
  };
}
