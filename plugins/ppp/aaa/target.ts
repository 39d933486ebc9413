/** How an LNS that RADIUS names is called (RFC 2868). @module */

import type { ServerTarget } from "../../session.ts";
import type { TunnelTarget } from "./tunnel.ts";

/** Calls share a tunnel by assignment id, endpoint and what we call ourselves (RFC 2868 §3.7). Holds a secret. */
export function serverTargetOf(
  { assignmentId, clientAuthId, password, server, serverAuthId }: TunnelTarget,
): ServerTarget & { readonly share: string } {
  return {
    server,
    version: 2,
    share: [assignmentId ?? "", server, clientAuthId ?? ""].join("\0"),
    ...(password && { secret: new TextDecoder().decode(password) }),
    ...(clientAuthId !== undefined && { hostName: clientAuthId }),
    ...(serverAuthId !== undefined && { peerHostName: serverAuthId }),
  };
}
