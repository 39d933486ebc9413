/** Which of a peer's settings change in a connection that is up, and which wait for the next one. @module */

import type { PeerSettings } from "./settings.ts";

/** What one side decides alone: the peer was told nothing of it, and need not agree. */
const ours = [
  "helloMs",
  "retransmitMs",
  "retransmitCapMs",
  "attempts",
  "establishMs",
  "callMs",
  "callLimit",
] as const;

/**
 * The settings of a living connection after its peer was configured anew. Everything that was said or agreed on at its
 * setup (names, capabilities, the receive window, tie breaking) stays until the next connection. So does v2's secret,
 * which both sides proved and hide AVPs with, and v3's where it is used likewise; v3 signs from the next message on with the new ones (RFC 3931 §5.4.1),
 * unless authentication begins or ends with them.
 */
export function livingSettings(now: PeerSettings, next: PeerSettings): PeerSettings {
  const living = { ...now };
  for (const key of ours) living[key] = next[key];
  if (now.version !== 3 || now.authentication === "challenge") return living;
  if (!now.secret || !next.secret) return living;
  const { otherSecret: _, ...rest } = living;
  return {
    ...rest,
    secret: next.secret,
    hideAvps: next.hideAvps,
    ...(next.otherSecret && { otherSecret: next.otherSecret }),
  };
}
