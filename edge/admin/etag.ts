/**
 * Versions of resources (RFC 9110 §8.8.3). A tag stands for what a resource was asked to be and when it was made;
 * counters and status move without changing it, so that `If-Match` guards against other operators only.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { SessionState, TunnelSummary } from "../config/model.ts";
import { PreconditionError } from "./problem.ts";

/** The version of a tunnel, apart from its sessions. */
export function tunnelTag({ config, origin, createdAt }: TunnelSummary): string {
  return tag({ ...config, sessions: undefined }, origin, createdAt);
}

/** The version of a session. */
export function sessionTag({ config, origin, createdAt }: SessionState): string {
  return tag(config, origin, createdAt);
}

/** Whether `If-Match` allows a change of what has `current`. @throws {PreconditionError} */
export function checkMatch(ifMatch: string | undefined, current: string): void {
  if (ifMatch === undefined || ifMatch.trim() === "*") return;
  if (ifMatch.split(",").some((candidate) => candidate.trim() === current)) return;
  throw new PreconditionError("it was changed since; get it again and look");
}

function tag(...parts: readonly unknown[]): string {
  const hash = createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
  return `"${hash.slice(0, 22)}"`;
}
