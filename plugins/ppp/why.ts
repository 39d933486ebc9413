/** Why links and sessions end, from one vocabulary to another. @module */

import type { CallEnd } from "../session.ts";
import type { TerminateCause } from "./aaa/authenticator.ts";
import { Cause, Direction, type LinkEnd } from "./link/end.ts";

/** Results of a CDN (RFC 2661 §4.4.2). */
const Result = { LostCarrier: 1, GeneralError: 2, Administrative: 3, NoFacilities: 4 } as const;
const VENDOR_SPECIFIC = 6;

/** What a CDN says of a link that ended. */
export function callEndOf({ by, cause, reason }: LinkEnd): CallEnd {
  const said = { message: reason, ppp: cause };
  switch (by) {
    case "us":
      return { result: Result.Administrative, ...said };
    case "peer":
    case "echo":
      return { result: Result.LostCarrier, ...said };
    default:
      return { result: Result.GeneralError, error: VENDOR_SPECIFIC, ...said };
  }
}

/** What an account says of it. */
export function terminateCauseOf({ by, cause }: LinkEnd): TerminateCause {
  switch (by) {
    case "us":
      return "admin-reset";
    case "peer":
      return "user-request";
    case "echo":
      return "lost-carrier";
    case "authentication":
      return "user-error";
    case "network":
      // What we do not have is no error of the user's.
      return cause.code === Cause.NotPermitted ? "service-unavailable" : "user-error";
    default:
      return "port-error";
  }
}

/** An end that we want, of no protocol's making. */
export function administrative(reason: string): LinkEnd {
  const cause = { code: Cause.Administrative, protocol: 0, direction: Direction.None };
  return { by: "us", reason, cause };
}

/** An end for want of something that there is only so much of. */
export function noFacilities(message: string): CallEnd {
  return { result: Result.NoFacilities, message };
}
