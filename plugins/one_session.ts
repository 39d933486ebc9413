/** What circuits share that take one session at a time. @module */

import { type Admission, CircuitError } from "./plugin.ts";

/** The only place of a circuit. */
export interface OneSession {
  /** Accepts while the place is free; else "lack of appropriate facilities (temporary)". */
  admit(): Admission;
  /** Takes the place until the result is disposed of. @throws {CircuitError} `in-use` */
  take(): Disposable;
}

/** CDN result: lack of appropriate facilities, temporary (RFC 2661 §4.4.2, RFC 3931 §5.4.2). */
const NO_FACILITIES = 4;

/** A place that is free; `what` names the circuit in messages (`TAP office0`). */
export function oneSession(what: string): OneSession {
  let taken = false;
  const message = `${what} already carries a session`;
  return {
    admit: () => taken ? { accept: false, result: NO_FACILITIES, message } : { accept: true },
    take() {
      if (taken) throw new CircuitError("in-use", message);
      taken = true;
      let mine = true;
      return {
        [Symbol.dispose]() {
          if (mine) taken = false;
          mine = false;
        },
      };
    },
  };
}
