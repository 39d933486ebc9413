/** Why calls end, from one version of L2TP to the other (RFC 2661 §4.4.2, RFC 3931 §5.4.2). Pure. @module */

import { CdnResult, ErrorCode } from "../../core/errors.ts";
import type { CallCause } from "../../core/events.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { CallEnd } from "../../plugins/plugin.ts";

/** What v3 alone has, in v2's words. */
const older: Readonly<Record<number, Pick<CallEnd, "result" | "error">>> = {
  // The winner's call is up: there is no place for this one.
  [CdnResult.LostTie]: { result: CdnResult.NoFacilitiesNow },
  [CdnResult.UnsupportedPseudowire]: { result: CdnResult.NoFacilitiesEver },
  [CdnResult.SequencingWithoutSublayer]: { result: CdnResult.NoFacilitiesEver },
  [CdnResult.FsmError]: { result: CdnResult.TimedOut },
};

/**
 * What a CDN of a version says of an end that was told in whatever version's words. Causes and vendors' AVPs stay; the
 * codes that v2 knows are v3's, too (IANA has one registry for both).
 */
export function endFor(version: ProtoVersion, end: CallEnd): CallEnd {
  if (version === 3) return end;
  const { error: _, ...rest } = end;
  const known = older[end.result];
  if (known) return { ...rest, ...known };
  // Only v3 can name whom to try instead (RFC 3931 §5.4.2).
  return end.error === ErrorCode.TryAnotherDirected ? { ...end, error: ErrorCode.TryAnother } : end;
}

/** Why a call ended, for who placed it or carries it. What a StopCCN says has numbers of its own. */
export function endOf({ by, result }: CallCause): CallEnd {
  if (by !== "connection") return result;
  const { message = "its tunnel ended" } = result;
  return { result: CdnResult.LossOfCarrier, message };
}
