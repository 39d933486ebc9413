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

/** The version of anything else, by what is shown of it. */
export function viewTag(view: unknown): string {
  return tag(view);
}

/** What makes a change conditional. */
export interface Conditions {
  readonly "if-match"?: string | undefined;
  readonly "if-none-match"?: string | undefined;
}

/** Whether the headers allow a change of what has `current` (RFC 9110 §13.1). @throws {PreconditionError} */
export function checkMatch(conditions: Conditions, current: string): void {
  const { "if-match": wanted, "if-none-match": unwanted } = conditions;
  if (wanted !== undefined && !names(wanted, current)) {
    throw new PreconditionError("it was changed since; get it again and look");
  }
  // Weak tags are alike where strong ones are (§8.8.3.2).
  if (unwanted !== undefined && names(unwanted.replaceAll("W/", ""), current)) {
    throw new PreconditionError("it is what If-None-Match does not want it to be");
  }
}

function names(tags: string, current: string): boolean {
  return tags.trim() === "*" || tags.split(",").some((candidate) => candidate.trim() === current);
}

function tag(...parts: readonly unknown[]): string {
  const hash = createHash("sha256").update(JSON.stringify(parts)).digest("base64url");
  return `"${hash.slice(0, 22)}"`;
}
