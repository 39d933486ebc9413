/** What the far end of a bridge hears of the near one. @module */

import type { Session } from "../plugin.ts";

/**
 * Tells the peer of the session at the other end when frames can flow through this one no longer, and when they can again
 * (RFC 3931 §5.4.5). Version 2 has no words for it.
 */
export function tellingStatus(session: Session, far: () => Session | undefined): () => void {
  let told = session.up;
  return () => {
    const other = far();
    if (session.up === told || !other) return;
    told = session.up;
    if (other.tunnel?.version === 3) {
      other.tell("SLI", { circuitStatus: { active: told, new: false } });
    }
  };
}
