/** The one clock of the appliance. @module */

import type { Clock } from "../../plugins/host/leaves.ts";
import { TimerQueue } from "./timer_queue.ts";

const now = () => performance.now();
const timers = new TimerQueue({
  now,
  after(ms, callback) {
    const handle = setTimeout(callback, ms);
    return () => clearTimeout(handle);
  },
});

/** Monotonic milliseconds since the process began, and timers on them. */
export const systemClock: Clock = { now, timer: (at, callback) => timers.add(at, callback) };
