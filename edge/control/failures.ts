/**
 * Why tunnels and calls did not come to be, or ended badly: the latest of it, for operators. Each is an event and a log
 * line too, as often as its source may have them.
 *
 * @module
 */

import { formatEndpoint } from "../../core/endpoint.ts";
import type { Cause, Refusal } from "../../core/events.ts";
import { reasonOf, SourceBudget } from "../../core/refusals.ts";
import type { Path } from "../../core/settings.ts";
import type { Logger } from "../log/log.ts";
import { endingOf, type EventBus, type Failure } from "./events.ts";

/** What operators are told. */
export interface FailureReport {
  /** The latest, the oldest first; what is alike is one. */
  readonly latest: readonly Failure[];
  /** How often each reason was seen since the start. */
  readonly counts: Readonly<Record<string, number>>;
}

/** What failed, without when. */
export type Failed = Omit<Failure, "firstAt" | "lastAt" | "count">;

/** What is known of a failure beside what operators are told. */
export interface Known {
  /** Its reason was counted elsewhere. */
  readonly counted?: boolean;
  /** The tunnel or call was up: it was lost, not refused. */
  readonly wasUp?: boolean;
}

export interface Failures {
  /** Notes that something failed; `address`: whose budget of log lines it takes from. */
  note(failed: Failed, address: string, known?: Known): void;
  /** The latest, the oldest first; what is alike is one. */
  list(): readonly Failure[];
  /** How often each reason was seen since the start, but for what was counted elsewhere. */
  counts(): ReadonlyMap<string, number>;
}

/** How many are kept. */
const KEPT = 256;
/** How often a source gets a log line and an event. */
const LINES = { burst: 5, everyMs: 5000 };

export function makeFailures({ bus, log, now, wallClock }: {
  readonly bus: EventBus;
  readonly log: Logger;
  readonly now: () => number;
  readonly wallClock: () => number;
}): Failures {
  /** By what makes two of them alike; in the order of the last time. */
  const kept = new Map<string, Failure>();
  const counts = new Map<string, number>();
  const budget = new SourceBudget(LINES);
  return {
    note(failed, address, { counted = false, wasUp = false } = {}) {
      const { stage, reason, message, peer, session, tunnel } = failed;
      if (!counted) counts.set(reason, (counts.get(reason) ?? 0) + 1);
      const key = JSON.stringify([stage, reason, address, peer, tunnel, session]);
      const before = kept.get(key);
      const at = wallClock();
      const count = (before?.count ?? 0) + 1;
      const failure: Failure = { ...failed, firstAt: before?.firstAt ?? at, lastAt: at, count };
      kept.delete(key);
      if (kept.size >= KEPT) kept.delete(kept.keys().next().value!);
      kept.set(key, failure);
      if (!budget.take(address, now())) return;
      const { firstAt: _, lastAt: _last, ...told } = failure;
      bus.publish({ type: "failure", ...told });
      const path = tunnel === undefined ? undefined : `tunnels/${tunnel}`;
      const lost = wasUp || reason.startsWith("timeout");
      log.warn(`${stage} ${lost ? "lost" : "refused"}`, {
        ...(path !== undefined && { path }),
        remote: failed.remote,
        ...(peer !== undefined && { peer }),
        ...(failed.hostName !== undefined && { "host-name": failed.hostName }),
        ...(session !== undefined && { session }),
        reason: message === "" ? reason : message,
        ...(count > 1 && { times: count }),
      });
    },
    list: () => [...kept.values()],
    counts: () => counts,
  };
}

/** Whether an end is one that an operator wants to know of: not one that somebody decided on. @param was it up */
export function isFailure({ by, result: { result } }: Cause, was: boolean): boolean {
  if (by === "protocol" || by === "timeout") return true;
  // 1 and 3 of a CDN, 1 and 6 of a StopCCN: hung up, or stopped by its operator.
  return by === "peer" && !(was && (result === 1 || result === 3 || result === 6));
}

/** A refusal of the LCCE's. */
export function failedOf(refusal: Refusal, tunnel: string | undefined): Failed {
  const { call, hostName, message, path, peer, reason, stage } = refusal;
  return {
    stage,
    reason,
    message: message ?? "",
    remote: remoteOf(path),
    ...(peer !== undefined && { peer }),
    ...(hostName !== undefined && { hostName }),
    ...(tunnel !== undefined && { tunnel }),
    ...(call && { session: call }),
  };
}

/** The other end. */
export interface Other {
  readonly path: Path;
  /** Its name in the configuration. */
  readonly peer: string;
  readonly hostName?: string;
}

/** What a tunnel or call ended with. */
export function failedWith(
  stage: "tunnel" | "call",
  cause: Cause,
  { hostName, path, peer }: Other,
  tunnel: string,
  session?: string,
): Failed {
  const { by, result, avp } = cause;
  return {
    stage,
    reason: by === "protocol" || by === "local" ? reasonOf(result, avp) : `${by}-${result.result}`,
    message: endingOf(cause).reason,
    remote: remoteOf(path),
    peer,
    ...(hostName !== undefined && { hostName }),
    tunnel,
    ...(session !== undefined && { session }),
  };
}

function remoteOf({ encap, remote }: Path): string {
  return encap === "ip" ? remote.address : formatEndpoint(remote);
}
