/** What all terminations share: pools, who is here, how many may be, and what went wrong last. @module */

import type { CallEnd, Scope, Session } from "../plugin.ts";
import type { TerminateCause, Usage } from "./aaa/authenticator.ts";
import type { PppSection } from "./options.ts";
import { Groups } from "./groups.ts";
import { Memory } from "./memory.ts";
import { Pools } from "./pools.ts";

/** A subscriber that is here. */
export interface Present {
  readonly session: Session;
  readonly user: string;
  readonly address: string | undefined;
  /** Seconds since its network came up. */
  readonly seconds: number;
  /** What it carried so far. Never rejects. */
  read(): Promise<Usage>;
  /** Resolves when it is gone, and what it had is free. */
  readonly gone: Promise<void>;
  /** Ends it, and returns at once. */
  end(why: CallEnd, cause: TerminateCause): void;
}

/** A login that failed. */
export interface FailedLogin {
  /** Unix milliseconds. */
  readonly at: number;
  readonly session: string;
  readonly user: string;
  /** How far it came. */
  readonly stage: string;
  readonly reason: string;
}

/** As many failures are kept for operators. */
const KEPT_FAILURES = 200;

/** Counters of the plugin. */
export interface Counters {
  readonly ignored: { add(by?: number): void };
  readonly accepted: { add(by?: number): void };
  readonly rejected: { add(by?: number): void };
  readonly refused: { add(by?: number): void };
  readonly exhausted: { add(by?: number): void };
  readonly unknownLists: { add(by?: number): void };
}

/** The plugin's own state. */
export class Subscribers {
  readonly pools: Pools;
  readonly counters: Counters;
  readonly failures: FailedLogin[] = [];
  /** By Session.id. */
  readonly present = new Map<string, Present>();
  readonly #byUser = new Groups<Present>();
  section: PppSection;
  /** Sessions that have not authenticated yet; all sessions. */
  starting = 0;
  total = 0;
  /** New ones are refused; those that are here stay. */
  draining = false;

  constructor(scope: Scope, section: PppSection) {
    this.section = section;
    this.pools = new Pools(new Memory(scope));
    this.pools.configure(poolsOf(section));
    this.counters = countersOf(scope);
    scope.gauge("sessions", "Sessions that have authenticated", () => this.present.size);
    scope.gauge(
      "starting_sessions",
      "Sessions that have not authenticated yet",
      () => this.starting,
    );
  }

  configure(section: PppSection): void {
    this.pools.configure(poolsOf(section));
    this.section = section;
  }

  /** Why a new session may not begin; undefined: it may. */
  refusal(): string | undefined {
    if (this.draining) return "drain: no new sessions are taken";
    if (this.total >= this.section["max-sessions"]) return "as many sessions as there may be";
    if (this.starting >= this.section["max-starting"]) {
      return "as many sessions as may authenticate at a time";
    }
    return undefined;
  }

  of(user: string): Present[] {
    return this.#byUser.get(user);
  }

  enter(one: Present): () => void {
    this.present.set(one.session.id, one);
    this.#byUser.add(one.user, one);
    return () => {
      if (this.present.get(one.session.id) === one) this.present.delete(one.session.id);
      this.#byUser.remove(one.user, one);
    };
  }

  failed(failure: FailedLogin): void {
    this.failures.push(failure);
    if (this.failures.length > KEPT_FAILURES) this.failures.shift();
  }
}

function poolsOf({ pools }: PppSection) {
  return Object.fromEntries(
    Object.entries(pools).map(([name, { length, ranges, then }]) => {
      const whole = ranges.some((range) => range.includes(":")) ? 128 : 32;
      return [name, { ranges, length: length ?? whole, ...(then !== undefined && { then }) }];
    }),
  );
}

function countersOf(scope: Scope): Counters {
  return {
    ignored: scope.counter("ignored_frames", "PPP frames that made no sense, or were one too many"),
    accepted: scope.counter("accepted_logins", "Subscribers that were let in"),
    rejected: scope.counter(
      "rejected_logins",
      "Subscribers that were not who they said, or may not come in",
    ),
    refused: scope.counter("refused_calls", "Calls that were refused before they began"),
    exhausted: scope.counter("exhausted_pools", "Logins that failed for want of an address"),
    unknownLists: scope.counter(
      "unknown_address_lists",
      "Names of address lists (Filter-Id) of logins that nothing is known by",
    ),
  };
}
