/** Sessions that have their circuit and can carry no frames all the same, for operators. @module */

import type { PluginMeters } from "../circuits/meters.ts";
import type { ControlPlane } from "../control/mod.ts";
import type { Logger } from "../log/log.ts";
import type { SessionDependencies } from "../sessions/sessions.ts";
import { outageOf, sessionPath } from "../sessions/table.ts";

/** Counts, logs and tells of outages. */
export function outageTeller({ log, meters, tell }: {
  readonly log: Logger;
  readonly meters: PluginMeters;
  readonly tell: ControlPlane["publishSession"];
}): SessionDependencies["outage"] {
  const counter = (of: string, who: string) =>
    meters.counter("session", `${of}_outages`, `Sessions that went down on the word of ${who}`);
  const counters = {
    circuit: counter("circuit", "our circuit: it can carry no frames"),
    peer: counter("peer", "the peer: its circuit can carry no frames"),
    path: counter("path", "who watches the path: nothing comes back"),
  };
  return (tunnel, session, of) => {
    const reason = outageOf(session);
    if (session.outages?.[of] !== undefined) counters[of].add();
    // A dead path is for operators to mend; a circuit is down as somebody wants it, more often than not.
    const level = reason !== undefined && of === "path" ? "warn" : "info";
    log[level](
      reason === undefined ? "session carries frames again" : "session carries no frames",
      {
        path: sessionPath(tunnel.config, session.config),
        ...(reason !== undefined && { reason }),
      },
    );
    tell({
      tunnel: tunnel.config.name,
      tunnelId: tunnel.config.tunnelId,
      session: session.config.name,
      sessionId: session.config.sessionId,
      state: reason === undefined ? "up" : "down",
      ...(reason !== undefined && { reason }),
    });
  };
}
