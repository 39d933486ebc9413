/** What SCCRQ and SCCRP say of their sender, and whether one can go on from there. @module */

import type { Authenticator } from "./authenticator.ts";
import type { OutstandingChallenges } from "./challenges.ts";
import { ErrorCode, type Result, StopResult } from "./errors.ts";
import type { PeerIdentity } from "./events.ts";
import type { AnyMessage } from "./wire/message.ts";

/** What every Protocol Version AVP says: version 1, revision 0 (RFC 2661 §4.4.3). */
const PROTOCOL_VERSION = 0x0100;

/** What the peer says of itself. */
export function identityOf({ avps, others }: AnyMessage, receiveWindow: number): PeerIdentity {
  return {
    hostName: avps.hostName ?? "",
    vendorName: avps.vendorName ?? "",
    ...(avps.routerId !== undefined && { routerId: avps.routerId }),
    receiveWindow,
    pseudowires: avps.pseudowireCapabilities ?? [],
    others,
  };
}

/** Why nobody could go on from an SCCRQ or SCCRP: another protocol version, or no way to prove who one is. */
export function impossibleIntroduction(
  { version, avps }: AnyMessage,
  authenticator: Authenticator,
  challenges: OutstandingChallenges,
): Result | undefined {
  if (version === 2 && avps.protocolVersion! >> 8 !== PROTOCOL_VERSION >> 8) {
    return { result: StopResult.VersionNotSupported, error: PROTOCOL_VERSION };
  }
  if (authenticator.cannotProve(avps)) {
    const message = "authentication is asked for, and no secret is shared";
    return { result: StopResult.NotAuthorized, error: ErrorCode.None, message };
  }
  // v3: the nonce is signed over by both ends, and both may use a challenge beside it.
  const theirs = [avps.challenge, ...(version === 3 ? [avps.nonce] : [])];
  if (theirs.some((one) => one && challenges.has(one))) {
    const message = "the challenge is one of ours, sent back";
    return { result: StopResult.NotAuthorized, error: ErrorCode.None, message };
  }
  // RFC 3931 §5.4.1: a peer that signs must say its nonce.
  if (version === 3 && authenticator.nonce && !avps.nonce) {
    const message = "signed, and without a nonce";
    return { result: StopResult.GeneralError, error: ErrorCode.OutOfRange, message };
  }
  return undefined;
}
