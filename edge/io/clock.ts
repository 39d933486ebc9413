/** The one clock of the appliance. @module */

import type { Clock } from "../../plugins/host/leaves.ts";

/** The longest delay that a runtime timer takes, in milliseconds; longer ones are taken in steps. */
const MAX_DELAY_MS = 0x7fff_ffff;

/** Monotonic milliseconds since the process began, and timers on them. */
export const systemClock: Clock = {
  now: () => performance.now(),
  timer(at, callback) {
    let handle: ReturnType<typeof setTimeout>;
    const wait = () => {
      const delay = Math.max(0, Math.ceil(at - performance.now()));
      handle = setTimeout(delay > MAX_DELAY_MS ? wait : callback, Math.min(delay, MAX_DELAY_MS));
    };
    wait();
    return { [Symbol.dispose]: () => clearTimeout(handle) };
  },
};
