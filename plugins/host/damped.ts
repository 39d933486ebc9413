/** Switches that may flap: what they say is passed on at once, but no more often than once a second. @module */

import type { Clock } from "./leaves.ts";
import type { Life } from "./life.ts";

/** How long what was passed on stands, in milliseconds. */
export const DAMPED_MS = 1000;

/**
 * A switch for as long as a life lasts. Each state that is new to `apply` reaches it: at once where the last one stands for
 * {@linkcode DAMPED_MS}, else when it does; what came and went meanwhile is never seen.
 * @param first what `apply` takes for granted
 */
export function damped(
  life: Pick<Life, "push" | "ending">,
  clock: Clock,
  apply: (up: boolean) => void,
  first = true,
): (up: boolean) => void {
  let [applied, wanted] = [first, first];
  let resting = false;
  const settle = () => {
    if (wanted === applied) return;
    applied = wanted;
    resting = true;
    const timer: Disposable[] = [];
    const forget = life.push(() => timer.pop()?.[Symbol.dispose]());
    timer.push(clock.timer(clock.now() + DAMPED_MS, () => {
      forget();
      resting = false;
      settle();
    }));
    apply(applied);
  };
  return (up) => {
    wanted = up;
    if (!resting && !life.ending) settle();
  };
}
