/** Why a link ended, in RFC 3145's words. @module */

import type { PppDisconnectCause } from "../../session.ts";
import { Protocol } from "./wire.ts";

/** Why a link ended. */
export interface LinkEnd {
  /** Who or what ended it. */
  readonly by: "us" | "peer" | "lcp" | "authentication" | "echo" | "network";
  /** For operators: no secrets. */
  readonly reason: string;
  /** For the other end of the tunnel. */
  readonly cause: PppDisconnectCause;
}

/** Codes of RFC 3145 §3. */
export const Cause = {
  Administrative: 1,
  Normal: 3,
  LcpTimeout: 5,
  NoLcp: 6,
  Looped: 7,
  EchoTimeout: 8,
  AuthTimeout: 13,
  AuthUnacceptable: 15,
  AuthFailed: 16,
  NcpTimeout: 17,
  NoNcp: 18,
  NoAgreement: 19,
  NotPermitted: 20,
} as const;

/** Of which end a cause tells: of neither alone, of the peer, of us. */
export const Direction = { None: 0, Peer: 1, Local: 2 } as const;

/** An end of LCP's own. */
export function lcpEnd(reason: string, code: number): LinkEnd {
  return { by: "lcp", reason, cause: { code, protocol: Protocol.Lcp, direction: Direction.None } };
}

/** An end of authentication. */
export function authEnd(
  reason: string,
  protocol: number,
  code: number,
  direction: number = Direction.None,
): LinkEnd {
  return { by: "authentication", reason, cause: { code, protocol, direction } };
}

/** How a protocol came to its end: `not-agreed` where its options could not be, or we closed it. */
export type Finish = "no-answer" | "rejected" | "terminated" | "not-agreed";

/** An end for want of a network (RFC 3145 §3.4). @param protocol the control protocol of the one that was lost last */
export function networkEnd(reason: string, protocol: number, how: Finish): LinkEnd {
  const code = { "no-answer": Cause.NcpTimeout, rejected: Cause.NoNcp }[how as string] ??
    Cause.NoAgreement;
  return { by: "network", reason, cause: { code, protocol, direction: Direction.None } };
}

/** An end that one of the two wanted. */
export function normalEnd(by: "us" | "peer", reason: string): LinkEnd {
  const direction = by === "peer" ? Direction.Peer : Direction.Local;
  return { by, reason, cause: { code: Cause.Normal, protocol: 0, direction } };
}
