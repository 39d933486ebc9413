/** What one leg's peer is told of the other leg (RFC 5641): what is behind a bridged session is another session. @module */

import type { Session } from "../plugin.ts";

/** Whether frames can flow beyond a session, as far as its peer says and is there. */
export function carries({ request, said, up }: Session): boolean {
  // A call that is on its way up will be up; a static session's path may be found dead.
  return (said.circuitStatus?.active ?? true) && (request !== undefined || up);
}

/** Tells both ends of a bridge of each other; alone, there is nothing behind a session. */
export function tellCarriers(a: Session, b: Session | undefined): void {
  a.carrier(b !== undefined && carries(b));
  b?.carrier(carries(a));
}
