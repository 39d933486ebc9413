/** Between the configuration's words for a call, the protocol's, and those of a session. Pure. @module */

import type { PeerCall } from "../../core/call.ts";
import { CdnResult, type Result } from "../../core/errors.ts";
import type { SessionId } from "../../core/ids.ts";
import { type ProtoVersion, PseudowireType } from "../../core/pseudowire.ts";
import type { CallParameters, SessionParameters } from "../../core/settings.ts";
import type { CallConfig, SessionConfig } from "../config/model.ts";

/** What a v2 LAC says of a line that it knows nothing about (RFC 2661 §4.4.4, Tx Connect Speed): 1 Gbit/s. */
const SPEED = 1_000_000_000;

/** What a call is placed or accepted with. */
export function callParameters(
  call: CallConfig,
  version: ProtoVersion,
  random: (length: number) => Uint8Array,
): CallParameters {
  const numbered = version === 2 ? call.sendSeq || call.recvSeq : call.recvSeq;
  return {
    name: call.remoteEndId,
    pseudowireType: call.pseudowireType,
    l2spec: version === 2 ? "none" : call.l2spec,
    cookie: random(version === 2 ? 0 : call.cookieSize),
    sequencing: numbered,
    active: true,
    speed: SPEED,
  };
}

/** The session that a call made. Each direction has the sublayer that its receiver wants (RFC 3931 §5.4.4). */
export function sessionConfig(
  name: string,
  call: CallConfig,
  agreed: SessionParameters,
): SessionConfig {
  const { version } = agreed;
  return {
    name,
    sessionId: agreed.localSessionId as SessionId,
    peerSessionId: agreed.remoteSessionId as SessionId,
    pseudowireType: call.pseudowireType,
    l2spec: agreed.sendL2spec,
    ...(agreed.receiveL2spec !== agreed.sendL2spec && { peerL2spec: agreed.receiveL2spec }),
    cookie: agreed.sendCookie.toHex(),
    peerCookie: agreed.receiveCookie.toHex(),
    // v3: numbers that the peer did not ask for do no harm where the sublayer has room for them.
    sendSeq: agreed.sendSequence ||
      (version === 3 && call.sendSeq && agreed.sendL2spec === "default"),
    recvSeq: agreed.receiveSequence,
    lnsMode: version === 2 && agreed.lns,
    ...decidedHere(call, agreed.receiveSequence || (version === 2 && agreed.sendSequence)),
  };
}

/** What of a call both ends agree on, or tell each other at its setup. All else our side decides, also while it is up. */
export const agreedKeys: readonly string[] = [
  "name",
  "remoteEndId",
  "direction",
  "pseudowireType",
  "l2spec",
  "cookieSize",
  "sendSeq",
  "recvSeq",
] satisfies (keyof CallConfig)[];

/** A session whose call is configured otherwise now, in what our side decides. */
export function changedSession(session: SessionConfig, call: CallConfig): SessionConfig {
  const {
    circuit: _,
    mssClamp: __,
    mtu: ___,
    rateLimit: ____,
    vlanId: _____,
    sourceCheck: ______,
    addressControl: _______,
    ...agreed
  } = session;
  return {
    ...agreed,
    ...decidedHere(call, session.recvSeq || (session.lnsMode && session.sendSeq)),
  };
}

/** @param numbered whether frames come with sequence numbers, or may */
function decidedHere(call: CallConfig, numbered: boolean) {
  const { addressControl, circuit, mssClamp, mtu, rateLimit, sourceCheck, vlanId } = call;
  const { reorderTimeoutMs, restartAfterMs, restartRun } = call;
  return {
    reorderTimeoutMs: numbered ? reorderTimeoutMs : 0,
    restartAfterMs,
    restartRun,
    ...(addressControl && { addressControl }),
    ...(mssClamp !== undefined && { mssClamp }),
    ...(rateLimit && { rateLimit }),
    ...(sourceCheck && { sourceCheck }),
    ...(mtu !== undefined && { mtu }),
    ...(vlanId !== undefined && { vlanId }),
    ...(circuit && { circuit }),
  };
}

/** Why a call that the peer requests cannot be carried; undefined: it can. */
export function refusalOf(
  call: CallConfig,
  version: ProtoVersion,
  { pseudowireType }: Pick<PeerCall, "pseudowireType">,
): Result | undefined {
  if (version === 2) {
    return call.pseudowireType === PseudowireType.Ppp ? undefined : {
      result: CdnResult.NoFacilitiesEver,
      message: "L2TPv2 carries PPP only",
    };
  }
  return pseudowireType === call.pseudowireType
    ? undefined
    : { result: CdnResult.UnsupportedPseudowire };
}
