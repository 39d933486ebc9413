/**
 * What strangers may cost together: how many SCCRQs are looked at and answered each second, and how many connections
 * of one address and in all may be half open. At the limit the newer request has to come again until the oldest half-open connection has had time to
 * answer, and then takes its place: much time as long as most of them do answer, as when all of an LNS's peers come back
 * at once; little in a flood of forged ones, that shall not keep a real peer out.
 *
 * @module
 */

import { siteKey } from "./path.ts";
import { Line } from "./queues.ts";
import type { Path } from "./settings.ts";

/** What strangers may cost. */
export interface AdmissionLimits {
  /** Half-open connections in all, of configured addresses and of all others each. */
  readonly halfOpen: number;
  /** Half-open connections of one IPv4 address or IPv6 /64. */
  readonly halfOpenPerAddress: number;
  /** SCCRQs that may be answered each second, and how many at once after silence; from each of the two as well. */
  readonly requestsPerSecond: number;
  /** SCCRQs that may be looked at each second to find out whose they are; absent: 20 times as many. */
  readonly looksPerSecond?: number;
}

/**
 * Who may be behind an address: nobody; whoever comes by that peer's name; or peers that just this address, or a small
 * network, was configured for: a forger must know it, and finds its tokens and its place in the queue there only.
 */
export type Expected = "nobody" | "anybody" | "named";

/** How long a half-open connection has to answer before it makes room, in milliseconds: in a flood, and otherwise. */
const FLOOD_GRACE_MS = 250;
const GRACE_MS = 3000;
/** How much the end of one half-open connection says about what others will come to. */
const WEIGHT = 1 / 64;

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

/** Where somebody asks from. */
export type Origin = Exclude<Expected, "nobody">;

/** Half-open connections of one origin. */
class HalfOpen<T extends object> {
  readonly #limits: AdmissionLimits;
  /** The oldest first. */
  readonly #all = new Line<T>();
  readonly #of = new Map<T, { readonly site: string; readonly since: number }>();
  readonly #perAddress = new Map<string, Line<T>>();
  /** Which part of those that ended lately came up, from 0 to 1. */
  #provenShare = 1;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  inTheWay(path: Path): T | undefined {
    const { halfOpen, halfOpenPerAddress } = this.#limits;
    const neighbours = this.#perAddress.get(siteKey(path));
    if (neighbours && neighbours.size >= halfOpenPerAddress) return neighbours.first;
    return this.#all.size >= halfOpen ? this.#all.first : undefined;
  }

  mayStillAnswer(connection: T, now: number): boolean {
    const graceMs = this.#provenShare > 0.5 ? GRACE_MS : FLOOD_GRACE_MS;
    return now < this.#of.get(connection)!.since + graceMs;
  }

  opened(connection: T, path: Path, now: number): void {
    const site = siteKey(path);
    this.#all.add(connection);
    this.#of.set(connection, { site, since: now });
    const neighbours = this.#perAddress.get(site) ?? new Line<T>();
    neighbours.add(connection);
    this.#perAddress.set(site, neighbours);
  }

  closed(connection: T, proven: boolean): void {
    if (!this.#all.delete(connection)) return;
    this.#provenShare += WEIGHT * (Number(proven) - this.#provenShare);
    const { site } = this.#of.get(connection)!;
    this.#of.delete(connection);
    const neighbours = this.#perAddress.get(site)!;
    neighbours.delete(connection);
    if (neighbours.size === 0) this.#perAddress.delete(site);
  }
}

/** What those of one origin may still do. */
interface Allotment<T extends object> {
  readonly looks: Bucket;
  readonly answers: Bucket;
  readonly halfOpen: HalfOpen<T>;
}

/**
 * Who may ask, and who is half open. Addresses that peers were configured for share neither tokens nor places with all
 * the others.
 */
export class Admission<T extends object> {
  readonly #allotments: Readonly<Record<Origin, Allotment<T>>>;

  constructor(limits: AdmissionLimits) {
    const { looksPerSecond = 20 * limits.requestsPerSecond, requestsPerSecond } = limits;
    const allotment = (): Allotment<T> => ({
      looks: new Bucket(looksPerSecond),
      answers: new Bucket(requestsPerSecond),
      halfOpen: new HalfOpen(limits),
    });
    this.#allotments = { named: allotment(), anybody: allotment() };
  }

  /** Whether an SCCRQ may be looked at. */
  look(from: Origin, now: number): boolean {
    return this.#allotments[from].looks.take(now);
  }

  /** Whether an SCCRQ may be answered. */
  answer(from: Origin, now: number): boolean {
    return this.#allotments[from].answers.take(now);
  }

  /** Whether another connection has to wait: who would have to go may still answer. */
  isFull(from: Origin, path: Path, now: number): boolean {
    const { halfOpen } = this.#allotments[from];
    const oldest = halfOpen.inTheWay(path);
    return oldest !== undefined && halfOpen.mayStillAnswer(oldest, now);
  }

  /** The connection that must go before another one may be half open. */
  makeRoom(from: Origin, path: Path): T | undefined {
    const { halfOpen } = this.#allotments[from];
    const oldest = halfOpen.inTheWay(path);
    if (oldest) halfOpen.closed(oldest, false);
    return oldest;
  }

  opened(from: Origin, connection: T, path: Path, now: number): void {
    this.#allotments[from].halfOpen.opened(connection, path, now);
  }

  /** The connection came up, and is `proven`, or ended. */
  closed(connection: T, proven: boolean): void {
    this.#allotments.named.halfOpen.closed(connection, proven);
    this.#allotments.anybody.halfOpen.closed(connection, proven);
  }
}
