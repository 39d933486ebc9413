/**
 * What is known of tunnels whose datagrams the kernel sends singly but not together (UDP_SEGMENT). Such knowledge gets
 * old: it is tried again after a rest, which doubles each time that it was in vain, and at once when the network changed.
 * Pure; times in milliseconds.
 *
 * @module
 */

/** The first rest, and the longest. */
const firstRestMs = 10_000;
const longestRestMs = 600_000;

/** A tunnel whose datagrams are not all grouped. */
export interface GroupingLimit {
  /** Datagrams up to this length are still grouped; 0: none. */
  readonly longest: number;
  /** The error that the last refused group had. */
  readonly errno: number;
  /** Milliseconds until it is tried again. */
  readonly retryInMs: number;
}

/** The limits of a datapath's tunnels. */
export interface Grouping<Tunnel> {
  /** A group was refused with `errno` whose datagrams left singly: no longer than `longest` are grouped from now on. */
  refused(tunnel: Tunnel, longest: number, errno: number, now: number): void;
  /** Lets tunnels group again whose rest is over. */
  expire(now: number): void;
  /** The network changed: all tunnels group again, and nothing is known of them. */
  forgetAll(): void;
  /** The tunnel was changed or removed, and groups as a new one does. */
  forget(tunnel: Tunnel): void;
  /** The limits in force of those tunnels that have one. */
  limits(now: number, of: Iterable<Tunnel>): ReadonlyMap<Tunnel, GroupingLimit>;
  /** How often a tunnel was limited, all together. */
  readonly refusals: number;
}

interface Known extends Omit<GroupingLimit, "retryInMs"> {
  readonly until: number;
  readonly restMs: number;
  /** The rest is over, and no group was refused since. */
  readonly over: boolean;
}

/** No tunnel is limited. `limit` carries a limit out; `undefined` lifts it. */
export function createGrouping<Tunnel>(
  limit: (tunnel: Tunnel, longest: number | undefined) => void,
): Grouping<Tunnel> {
  const known = new Map<Tunnel, Known>();
  let refusals = 0;
  /** When {@linkcode Grouping.expire} has something to do next. */
  let next = Infinity;

  const note = (tunnel: Tunnel, of: Known) => {
    known.set(tunnel, of);
    next = Math.min(next, of.over ? forgottenAt(of) : of.until);
  };

  return {
    get refusals() {
      return refusals;
    },
    refused(tunnel, longest, errno, now) {
      refusals++;
      const before = known.get(tunnel);
      // Another length of the same trouble belongs to the same rest.
      const restMs = !before
        ? firstRestMs
        : before.over
        ? Math.min(2 * before.restMs, longestRestMs)
        : before.restMs;
      const most = before && !before.over ? Math.min(longest, before.longest) : longest;
      note(tunnel, { longest: most, errno, restMs, until: now + restMs, over: false });
      limit(tunnel, most);
    },
    expire(now) {
      if (now < next) return;
      next = Infinity;
      for (const [tunnel, of] of [...known]) {
        if (!of.over && of.until <= now) {
          limit(tunnel, undefined);
          note(tunnel, { ...of, over: true });
        } else if (of.over && forgottenAt(of) <= now) {
          known.delete(tunnel);
        } else {
          note(tunnel, of);
        }
      }
    },
    forgetAll() {
      for (const [tunnel, { over }] of known) if (!over) limit(tunnel, undefined);
      known.clear();
      next = Infinity;
    },
    forget: (tunnel) => void known.delete(tunnel),
    limits(now, of) {
      const limits = new Map<Tunnel, GroupingLimit>();
      for (const tunnel of known.size === 0 ? [] : of) {
        const found = known.get(tunnel);
        if (!found || found.over) continue;
        const { errno, longest, until } = found;
        limits.set(tunnel, { longest, errno, retryInMs: Math.max(0, until - now) });
      }
      return limits;
    },
  };
}

/** A group that is refused so long after the last rest is a new trouble. */
function forgottenAt({ until, restMs }: Known): number {
  return until + 2 * restMs;
}
