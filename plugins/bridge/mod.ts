/**
 * Two sessions joined with each other: the `bridge` circuit. Frames go from the one to the other without leaving the
 * datapath, whatever tunnels and versions of L2TP they belong to.
 *
 * @module
 */

import { z } from "zod";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { Circuit, Endable, Plugin, Scope, Session } from "../plugin.ts";

/** The schema: there is nothing to say. */
export const bridgeOptions = z.strictObject({});
/** Options of one bridge. */
export type BridgeOptions = z.infer<typeof bridgeOptions>;

/** The plugin. */
export const bridge: Plugin<BridgeOptions> = {
  name: "bridge",
  summary: "two sessions joined with each other",
  pseudowireTypes: [PseudowireType.Ethernet, PseudowireType.EthernetVlan, PseudowireType.Ppp],
  options: bridgeOptions,
  columns: [{ name: "far", help: "the session at the other end" }],
  start: () => ({ provision: pair }),
};

function pair(circuit: Scope): Circuit<BridgeOptions> {
  const sessions = new Set<Session>();
  /** The join of both: neither session's own, for it ends with the first of them that does. */
  let joined: (Scope & Endable) | undefined;
  return {
    sessions: 2,
    async attach(session, scope) {
      const [other] = sessions;
      sessions.add(session);
      scope.defer(async (why) => {
        sessions.delete(session);
        await joined?.end(why);
      });
      if (other) {
        joined = circuit.child("pair");
        await joined.connect(other.port, session.port);
      }
      const far = () => [...sessions].find((each) => each !== session);
      return { show: () => ({ far: far()?.name ?? null }) };
    },
    reconfigure: () => true,
  };
}
