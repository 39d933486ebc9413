/**
 * What strangers may cost together: how many SCCRQs are looked at and answered each second, and how many connections
 * of one address and in all may be half open. At the limit the oldest half-open connection makes room, so that a flood
 * of forged requests cannot keep a real peer out for longer than it takes to answer.
 *
 * @module
 */

import { siteKey } from "./path.ts";
import { Line } from "./queues.ts";
import type { Path } from "./settings.ts";

/** What strangers may cost. */
export interface AdmissionLimits {
  /** Half-open connections in all. */
  readonly halfOpen: number;
  /** Half-open connections of one IPv4 address or IPv6 /64. */
  readonly halfOpenPerAddress: number;
  /** SCCRQs that may be answered each second, and how many at once after silence. */
  readonly requestsPerSecond: number;
  /** SCCRQs that may be looked at each second to find out whose they are; absent: 20 times as many. */
  readonly looksPerSecond?: number;
}

/**
 * Who may be behind an address: nobody; whoever comes by that peer's name; or peers that just this address, or a small
 * network, was configured for: a forger must know it, and finds its tokens and its place in the queue there only.
 */
export type Expected = "nobody" | "anybody" | "named";

/** Tokens that come back with time. */
class Bucket {
  readonly #perSecond: number;
  #tokens: number;
  #filledAt: number | undefined;

  constructor(perSecond: number) {
    this.#perSecond = this.#tokens = perSecond;
  }

  take(now: number): boolean {
    const passed = now - (this.#filledAt ?? now);
    this.#filledAt = now;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + this.#perSecond * passed / 1000);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** Who may ask, and who is half open. Addresses that peers were configured for share no tokens with all the others. */
export class Admission<T extends object> {
  readonly #limits: AdmissionLimits;
  readonly #looks: Readonly<Record<Exclude<Expected, "nobody">, Bucket>>;
  readonly #answers: Readonly<Record<Exclude<Expected, "nobody">, Bucket>>;
  /** The oldest first. */
  readonly #halfOpen = new Line<T>();
  readonly #from = new Map<T, string>();
  readonly #perAddress = new Map<string, Line<T>>();

  constructor(limits: AdmissionLimits) {
    const { looksPerSecond = 20 * limits.requestsPerSecond, requestsPerSecond } = limits;
    this.#limits = limits;
    this.#looks = { named: new Bucket(looksPerSecond), anybody: new Bucket(looksPerSecond) };
    this.#answers = {
      named: new Bucket(requestsPerSecond),
      anybody: new Bucket(requestsPerSecond),
    };
  }

  /** Whether an SCCRQ may be looked at. */
  look(from: Exclude<Expected, "nobody">, now: number): boolean {
    return this.#looks[from].take(now);
  }

  /** Whether an SCCRQ may be answered. */
  answer(from: Exclude<Expected, "nobody">, now: number): boolean {
    return this.#answers[from].take(now);
  }

  /** The connection that must go before another one from there may be half open. */
  makeRoom(path: Path): T | undefined {
    const { halfOpen, halfOpenPerAddress } = this.#limits;
    const neighbours = this.#perAddress.get(siteKey(path));
    const evicted = neighbours && neighbours.size >= halfOpenPerAddress
      ? neighbours.first
      : this.#halfOpen.size >= halfOpen
      ? this.#halfOpen.first
      : undefined;
    if (evicted) this.closed(evicted);
    return evicted;
  }

  opened(connection: T, path: Path): void {
    const from = siteKey(path);
    this.#halfOpen.add(connection);
    this.#from.set(connection, from);
    const neighbours = this.#perAddress.get(from) ?? new Line<T>();
    neighbours.add(connection);
    this.#perAddress.set(from, neighbours);
  }

  /** The connection came up, or ended. */
  closed(connection: T): void {
    if (!this.#halfOpen.delete(connection)) return;
    const from = this.#from.get(connection)!;
    this.#from.delete(connection);
    const neighbours = this.#perAddress.get(from)!;
    neighbours.delete(connection);
    if (neighbours.size === 0) this.#perAddress.delete(from);
  }
}
