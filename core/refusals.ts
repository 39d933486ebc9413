/** What was refused, to whom and why: for operators, who else would see silence. @module */

import { CdnResult, ErrorCode, type Result } from "./errors.ts";
import type { RefusalReason } from "./events.ts";

/** Numbers of AVPs that may be counted each by itself: what peers make up must not make counters without end. */
const COUNTED_AVPS = 100;

/** The word for a result that was sent. @param avp the AVP that was wrong or lacking */
export function reasonOf({ result, error }: Result, avp?: number): RefusalReason {
  if (error === ErrorCode.UnknownMandatoryAvp) return "unknown-avp";
  if (avp !== undefined && avp < COUNTED_AVPS) return `avp-${avp}`;
  if (result === CdnResult.GeneralError) {
    if (error === ErrorCode.WrongLength) return "wrong-length";
    if (error === ErrorCode.OutOfRange) return "out-of-range";
  }
  return words.get(result) ?? `result-${Math.min(result, COUNTED_AVPS)}`;
}

const words: ReadonlyMap<number, RefusalReason> = new Map([
  [CdnResult.NoFacilitiesNow, "call-limit"],
  [CdnResult.LostTie, "lost-tie"],
  [CdnResult.UnsupportedPseudowire, "unsupported-pseudowire"],
  [CdnResult.SequencingWithoutSublayer, "sequencing-without-sublayer"],
]);

/** How many sources are told apart: two that share a place share its budget. */
const PLACES = 256;

/** How much each source may make known: so often at once, and one more each so many milliseconds. Takes 2 KiB. */
export class SourceBudget {
  readonly #everyMs: number;
  readonly #burst: number;
  /** When a source would have its whole budget again. */
  readonly #full = new Float64Array(PLACES);

  constructor({ burst, everyMs }: { readonly burst: number; readonly everyMs: number }) {
    this.#burst = burst;
    this.#everyMs = everyMs;
  }

  /** Takes one from a source's budget; false: there is none left. */
  take(address: string, now: number): boolean {
    const place = placeOf(address);
    const full = Math.max(this.#full[place]!, now);
    if (full - now > (this.#burst - 1) * this.#everyMs) return false;
    this.#full[place] = full + this.#everyMs;
    return true;
  }
}

/** FNV-1a. */
function placeOf(address: string): number {
  let hash = 0x811c_9dc5;
  for (let i = 0; i < address.length; i++) {
    hash = Math.imul(hash ^ address.charCodeAt(i), 0x0100_0193);
  }
  return (hash >>> 0) % PLACES;
}
