/** Whether frames can flow beyond sessions, and what the peers of two that are bridged are told of it (RFC 5641). @module */

import type { Session } from "./session.ts";

/** Whether frames can flow beyond a session, as far as its peer says and is there. */
export function carries({ request, said, up }: Session): boolean {
  // A call that is on its way up will be up; a static session's path may be found dead.
  return (said.circuitStatus?.active ?? true) && (request !== undefined || up);
}

/** Tells both ends of a bridge of each other: what is behind a bridged session is the other one. Alone, nothing is. */
export function tellCarriers(a: Session, b: Session | undefined): void {
  a.carrier(b !== undefined && carries(b));
  b?.carrier(carries(a));
}
