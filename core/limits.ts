/**
 * Limits that come before any state: how fast SCCRQs are looked at, how many connections of one address and in all may
 * be half open. At the limit the oldest half-open connection makes room, so that a flood of forged requests cannot keep
 * a real peer out for longer than it takes to answer.
 *
 * @module
 */

import { siteKey } from "./path.ts";
import type { Path } from "./settings.ts";

/** What strangers may cost. */
export interface AdmissionLimits {
  /** Half-open connections in all. */
  readonly halfOpen: number;
  /** Half-open connections of one IPv4 address or IPv6 /64. */
  readonly halfOpenPerAddress: number;
  /** SCCRQs looked at each second, and how many at once after silence. */
  readonly requestsPerSecond: number;
}

/** Who may ask, and who is half open. */
export class Admission<T extends object> {
  readonly #limits: AdmissionLimits;
  /** Half-open connections and where each is from, the oldest first. */
  readonly #halfOpen = new Map<T, string>();
  readonly #perAddress = new Map<string, number>();
  #tokens: number;
  #filledAt: number | undefined;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
    this.#tokens = limits.requestsPerSecond;
  }

  /** Whether a request may be looked at, or the reason why not. */
  request(path: Path, now: number): "request-limit" | "half-open-limit" | undefined {
    const { requestsPerSecond, halfOpenPerAddress } = this.#limits;
    const passed = now - (this.#filledAt ?? now);
    this.#filledAt = now;
    this.#tokens = Math.min(requestsPerSecond, this.#tokens + requestsPerSecond * passed / 1000);
    if ((this.#perAddress.get(siteKey(path)) ?? 0) >= halfOpenPerAddress) {
      return "half-open-limit";
    }
    if (this.#tokens < 1) return "request-limit";
    this.#tokens--;
    return undefined;
  }

  /** The connection that must go before another may be half open. */
  makeRoom(): T | undefined {
    if (this.#halfOpen.size < this.#limits.halfOpen) return undefined;
    const oldest = this.#halfOpen.keys().next().value;
    if (oldest) this.closed(oldest);
    return oldest;
  }

  opened(connection: T, path: Path): void {
    const from = siteKey(path);
    this.#halfOpen.set(connection, from);
    this.#perAddress.set(from, (this.#perAddress.get(from) ?? 0) + 1);
  }

  /** The connection came up, or ended. */
  closed(connection: T): void {
    const from = this.#halfOpen.get(connection);
    if (from === undefined) return;
    this.#halfOpen.delete(connection);
    const left = this.#perAddress.get(from)! - 1;
    if (left === 0) this.#perAddress.delete(from);
    else this.#perAddress.set(from, left);
  }
}
