/** How far a control connection is on its way, since when, and what it has to have done by when. @module */

import type { ConnectionState } from "./events.ts";
import { Deadlines } from "./timers.ts";

/** What connections are in a hurry with. */
type Deadline = "establish" | "acknowledge" | "stop" | "linger";

/** The stage of one connection. */
export class Stage {
  state: ConnectionState;
  /** When it came up; undefined: never. */
  establishedAt: number | undefined;
  /** When it last was established or closed: the peer has no more reason to send its SCCRQ again. */
  settledAt: number | undefined;
  readonly beganAt: number;
  readonly deadlines = new Deadlines<Deadline>();

  constructor(state: ConnectionState, now: number) {
    this.state = state;
    this.beganAt = now;
  }

  /** It is up, since `at`. */
  establish(at: number): void {
    this.state = "established";
    this.establishedAt = at;
    this.settledAt = at;
  }
}
