/** Why a call cannot be: what the peer asks for and we have not, and the other way round. v3 only. @module */

import type { PeerCall } from "./call.ts";
import type { AvpValues } from "./wire/catalogue.ts";
import { CdnResult, ErrorCode, type Result } from "./errors.ts";
import type { PeerIdentity } from "./events.ts";
import { PseudowireType } from "./pseudowire.ts";
import type { CallParameters, PeerSettings } from "./settings.ts";

/** Why an ICRQ or OCRQ of the peer is refused; undefined: it is up to our owner. */
export function refusedRequest(
  { version, pseudowires }: PeerSettings,
  peer: PeerCall,
  avps: AvpValues,
): Result | undefined {
  if (version === 2) return undefined;
  if (!pseudowires.includes(peer.pseudowireType)) {
    return { result: CdnResult.UnsupportedPseudowire };
  }
  return refusedRequirements({ version }, peer, avps);
}

/** Why what the peer requires in what it receives cannot be sent to it. */
export function refusedRequirements(
  { version }: Pick<PeerSettings, "version">,
  { l2spec, sequencing }: PeerCall,
  { l2SpecificSublayer = 0, dataSequencing = 0 }: AvpValues,
): Result | undefined {
  if (version === 2) return undefined;
  if (l2SpecificSublayer > 1) return outOfRange("L2-Specific Sublayer", l2SpecificSublayer);
  if (dataSequencing > 2) return outOfRange("Data Sequencing Level", dataSequencing);
  // RFC 3931 §5.4.4: numbers can be asked for only with a sublayer that carries them.
  if (sequencing && l2spec === "none") return { result: CdnResult.SequencingWithoutSublayer };
  return undefined;
}

/** Why a call of ours is not even requested: a type that the peer does not offer (RFC 3931 §5.4.4). */
export function unwanted(
  { version, fallback }: PeerSettings,
  peer: PeerIdentity | undefined,
  { pseudowireType }: CallParameters,
): Result | undefined {
  if (version === 2 && fallback && pseudowireType !== PseudowireType.Ppp) {
    const message = `the peer speaks v2 only, which has no pseudowire type ${pseudowireType}`;
    return { result: CdnResult.NoFacilitiesEver, error: ErrorCode.None, message };
  }
  if (version === 2 || peer?.pseudowires.includes(pseudowireType)) return undefined;
  const message = `the peer does not offer pseudowire type ${pseudowireType}`;
  return { result: CdnResult.UnsupportedPseudowire, error: ErrorCode.None, message };
}

function outOfRange(what: string, value: number): Result {
  const message = `${what} ${value}`;
  return { result: CdnResult.GeneralError, error: ErrorCode.OutOfRange, message };
}
