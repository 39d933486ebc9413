/** The v3 Router ID of those who configure none. Pure. @module */

import { createHash } from "node:crypto";

/** A Router ID (RFC 3931 §5.4.3) that follows from the host name, so that it survives restarts; never 0. */
export function routerIdOf(hostName: string): number {
  return createHash("sha256").update(hostName).digest().readUInt32BE() || 1;
}
