/** What a subscriber may use: its rates, how long it may stay, how many octets may pass. @module */

import type { Port, PppPortOptions } from "../../plugin.ts";
import type { Terms } from "../aaa/authenticator.ts";
import { type OfferedTerms, quotaLeft, termsOf } from "../offer.ts";
import type { Meter } from "../usage.ts";

/** A quota is looked at no more often than after so many octets: it may be that much too late. */
const LEAST_QUOTA = 65_536;

/** The limits of one subscriber. */
export class Limits {
  readonly #port: Port;
  readonly #meter: Meter;
  /** When its time began. */
  readonly #began: number;
  #terms: OfferedTerms;

  constructor(port: Port, meter: Meter, first: OfferedTerms, now: number) {
    this.#port = port;
    this.#meter = meter;
    this.#began = now;
    this.#terms = first;
  }

  /** As they are now. */
  get terms(): OfferedTerms {
    return this.#terms;
  }

  /** What the datapath is to tell of. */
  get expiry(): Pick<PppPortOptions, "idleTimeoutMs" | "sessionTimeoutMs" | "quotaBytes"> {
    const { idleTimeout, sessionTimeout } = this.#terms;
    const quota = this.#quota();
    return {
      ...(idleTimeout !== undefined && { idleTimeoutMs: idleTimeout * 1000 }),
      ...(sessionTimeout !== undefined && { sessionTimeoutMs: Math.ceil(sessionTimeout * 1000) }),
      ...(quota !== undefined && { quotaBytes: BigInt(quota) }),
    };
  }

  /** Has the datapath hold the subscriber to its rates. */
  limit(): void {
    const { burst, rateDown, rateUp } = this.#terms;
    this.#port.limit({
      in: rateUp ?? null,
      out: rateDown ?? null,
      ...(burst !== undefined && { burst }),
    });
  }

  /** Whether the octets that were read last are as many as may pass. */
  get usedUp(): boolean {
    return quotaLeft(this.#terms.quota, this.#meter.last) <= 0;
  }

  /** Other terms hold as soon as `apply` has seen to it; where that rejects, the former ones hold still. */
  async change(terms: Terms, now: () => number, apply: () => Promise<void>): Promise<void> {
    const before = this.#terms;
    const usage = await this.#meter.read();
    this.#terms = termsOf(terms, before, { seconds: (now() - this.#began) / 1000, usage });
    try {
      await apply();
    } catch (error) {
      this.#terms = before;
      this.limit();
      throw error;
    }
  }

  /** Octets both ways since the join, at which the quota is looked at. */
  #quota(): number | undefined {
    const { downOctets, upOctets } = this.#meter.last;
    const left = quotaLeft(this.#terms.quota, this.#meter.last);
    if (left === Infinity) return undefined;
    return upOctets + downOctets + Math.max(left, LEAST_QUOTA);
  }
}
