/**
 * Which LNS a subscriber is carried to: by preference, then as the rule says; those that failed lately are passed over.
 * Pure: instants and chance are handed in.
 *
 * @module
 */

/** An LNS that a subscriber may be carried to. */
export interface Lns {
  /** Tells the tunnel that the call goes through: calls of one key share it. */
  readonly key: string;
  /** Tells whose tunnel it is: a peer that does not answer is denied with all of its tunnels. */
  readonly peer: string;
  /** The lowest is tried first; absent: after all that have one (RFC 2868 §3.8). */
  readonly preference?: number;
  /** Its share among those of one preference; 1 where absent. */
  readonly weight?: number;
  /** Sessions at once; absent: any number. */
  readonly maxSessions?: number;
}

/** How one is chosen among those of one preference: one that has sessions already, or by weight, or by mere chance. */
export type LnsRule = "existing-first" | "weighted" | "random";

/** When a failure denies. */
export interface LnsDenial {
  /** For how long, in milliseconds. */
  readonly denyMs: number;
  /** Result codes of CDN and StopCCN, with or without an error code: `4`, `2/4`. */
  readonly denyResults: readonly string[];
}

/** Why a call did not come up. */
export type LnsFailure =
  /** The peer did not answer. */
  | { readonly kind: "timeout" }
  | { readonly kind: "result"; readonly result: number; readonly error?: number };

/** LNSes in use, and those that are denied. */
export class LnsChooser {
  readonly #sessions = new Map<string, number>();
  /** When what was denied is so no more; the one denied first comes first. Peers and tunnels have names of their own. */
  readonly #denied = new Map<string, number>();

  /** Sessions of a tunnel, as it is counted here. */
  sessionsOf(key: string): number {
    return this.#sessions.get(key) ?? 0;
  }

  /**
   * The next one to try, of those that were not tried; undefined where there is none. Where all are denied, the one that
   * was denied first.
   *
   * @param chance at least 0 and below 1
   */
  choose<T extends Lns>(
    all: readonly T[],
    tried: ReadonlySet<Lns>,
    rule: LnsRule,
    now: number,
    chance: number,
  ): T | undefined {
    const open = all.filter((lns) =>
      !tried.has(lns) && this.sessionsOf(lns.key) < (lns.maxSessions ?? Infinity)
    );
    const well = open.filter((lns) => this.#deniedUntil(lns, now) === undefined);
    if (well.length === 0) {
      return open.toSorted((a, b) => this.#deniedUntil(a, now)! - this.#deniedUntil(b, now)!)[0];
    }
    const best = Math.min(...well.map(({ preference = Infinity }) => preference));
    const equals = well.filter(({ preference = Infinity }) => preference === best);
    if (rule === "existing-first") {
      const [busiest] = equals.filter(({ key }) => this.sessionsOf(key) > 0)
        .toSorted((a, b) => this.sessionsOf(b.key) - this.sessionsOf(a.key));
      if (busiest) return busiest;
    }
    return drawn(equals, rule === "random" ? () => 1 : ({ weight = 1 }) => weight, chance);
  }

  /** A call goes through a tunnel (1), or no more (-1). */
  count(key: string, change: 1 | -1): void {
    const count = this.sessionsOf(key) + change;
    if (count > 0) this.#sessions.set(key, count);
    else this.#sessions.delete(key);
  }

  /** A call did not come up: a peer that does not answer is denied, of one that refused as the rule says the tunnel only. */
  failed(lns: Lns, failure: LnsFailure, { denyMs, denyResults }: LnsDenial, now: number): void {
    this.#expire(now);
    if (denyMs <= 0) return;
    if (failure.kind === "timeout") return this.#deny(`peer ${lns.peer}`, now + denyMs);
    const { error = 0, result } = failure;
    if (denyResults.includes(`${result}`) || denyResults.includes(`${result}/${error}`)) {
      this.#deny(`tunnel ${lns.key}`, now + denyMs);
    }
  }

  /** A call came up: the peer is well. */
  succeeded({ key, peer }: Lns): void {
    this.#denied.delete(`peer ${peer}`);
    this.#denied.delete(`tunnel ${key}`);
  }

  #deny(name: string, until: number): void {
    // Who is denied already is not pushed back: it was denied first.
    if (!this.#denied.has(name)) this.#denied.set(name, until);
  }

  #expire(now: number): void {
    for (const [name, until] of this.#denied) if (until <= now) this.#denied.delete(name);
  }

  #deniedUntil({ key, peer }: Lns, now: number): number | undefined {
    const ends = [`peer ${peer}`, `tunnel ${key}`].map((name) => this.#denied.get(name) ?? 0)
      .filter((until) => until > now);
    return ends.length === 0 ? undefined : Math.max(...ends);
  }
}

/** One of them, by its share. */
function drawn<T>(all: readonly T[], weightOf: (one: T) => number, chance: number): T | undefined {
  let left = chance * all.reduce((sum, one) => sum + weightOf(one), 0);
  return all.find((one) => (left -= weightOf(one)) < 0) ?? all.at(-1);
}
