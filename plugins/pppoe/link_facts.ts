/** What accounting tells of a subscriber whose session is carried to an LNS. @module */

import type { PlacedCall } from "../plugin.ts";
import type { Statistics } from "../ports.ts";
import type { Grant } from "../ppp/aaa/authenticator.ts";
import type { TunnelTarget } from "../ppp/aaa/tunnel.ts";
import type { AccessSession } from "./access.ts";
import { factsOf, saidOf, templateValues } from "./subscriber.ts";
import type { LinkFacts } from "./tunnel_accounts.ts";

/** A subscriber's call as accounting tells it: who, over which line, and by which tunnel. */
export function linkOf(
  session: AccessSession,
  grant: Grant,
  way: { readonly name: string; readonly tunnel?: TunnelTarget },
  call?: Pick<PlacedCall, "serial" | "tunnel">,
): LinkFacts {
  const { client, device, name } = session;
  const said = saidOf(client, templateValues(client, device, grant.user), {
    calling: "{mac}",
    called: "{service-name}",
    line: true,
  });
  const { hostName, local, localHostName, name: tunnel, peer = way.tunnel?.server } = {
    ...call?.tunnel,
  };
  return {
    grant,
    call: {
      ...factsOf(client, { id: idOf(session), name, device }, said),
      tunnel: {
        ...(local !== undefined && { clientEndpoint: local }),
        ...(localHostName !== undefined && { clientAuthId: localHostName }),
        serverEndpoint: peer ?? way.name,
        ...(hostName !== undefined && { serverAuthId: hostName }),
        assignmentId: way.tunnel?.assignmentId ?? tunnel ?? way.name,
        ...(call?.serial !== undefined && { connection: String(call.serial) }),
      },
    },
  };
}

/** Packets of a call that were lost on the way: that did not leave, or came damaged or too late. */
export function lostOf(statistics: Statistics): number {
  return ["tx-errors", "rx-errors", "rx-seq-discards"]
    .reduce((sum, name) => sum + (statistics[name] ?? 0), 0);
}

/** Acct-Session-Id: unique over restarts. */
const ids = new WeakMap<AccessSession, string>();
export function idOf(session: AccessSession): string {
  const known = ids.get(session);
  if (known !== undefined) return known;
  const id = session.scope.random(8).toHex();
  ids.set(session, id);
  return id;
}
