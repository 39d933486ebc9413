/** What the control plane tells of its state changes, and who listens. @module */

import type { CallState } from "../../core/call.ts";
import type { Result } from "../../core/errors.ts";
import type { Cause, ConnectionState } from "../../core/events.ts";
import type { Row } from "../../plugins/plugin.ts";

/** Why something ended, for programs and for people. */
export interface Ending {
  readonly by: Cause["by"];
  /** The result code of the StopCCN or CDN (RFC 2661 §4.4.2, RFC 3931 §5.4.2). */
  readonly result: number;
  readonly error?: number;
  readonly message?: string;
  /** All of it in one line. */
  readonly reason: string;
}

interface Common {
  /** Counts up by one with each event since the start. */
  readonly id: number;
  /** Unix milliseconds. */
  readonly time: number;
  readonly tunnel: string;
  /** The peer's name in the configuration. */
  readonly peer: string;
  readonly tunnelId: number;
  /** Why it ended. */
  readonly ending?: Ending;
}

/** A control connection entered a state. */
export interface ConnectionEvent extends Common {
  readonly type: "connection-state";
  readonly state: ConnectionState;
}

/** A call entered a state. */
export interface CallEvent extends Common {
  readonly type: "call-state";
  readonly session: string;
  readonly sessionId: number;
  readonly state: CallState;
}

/** A session that has its circuit can carry frames no more, or again; its call and its control connection live on. */
export interface SessionEvent extends Omit<Common, "peer"> {
  readonly type: "session-state";
  readonly session: string;
  readonly sessionId: number;
  readonly state: "up" | "down";
  /** Why it is down. */
  readonly reason?: string;
}

/** Something that failed: the latest time, and how often. */
export interface Failure {
  /** A tunnel that was asked for or was up; a message of one; a call. */
  readonly stage: "tunnel" | "message" | "call";
  /** In a word, for programs: `digest-wrong`, `avp-15`, `unknown-peer`. */
  readonly reason: string;
  /** In a sentence; empty where the word says all. */
  readonly message: string;
  /** Where the other end is: `10.0.0.1:1701`. */
  readonly remote: string;
  /** The peer's name in the configuration, where it is known. */
  readonly peer?: string;
  /** What it calls itself. */
  readonly hostName?: string;
  /** The tunnel's name, where there was one. */
  readonly tunnel?: string;
  /** The call's name. */
  readonly session?: string;
  /** Unix milliseconds of the first and the last time. */
  readonly firstAt: number;
  readonly lastAt: number;
  /** How often it was seen. */
  readonly count: number;
}

/** Something failed; each source is heard a few times at once, then once in a while. */
export interface FailureEvent
  extends Pick<Common, "id" | "time">, Omit<Failure, "firstAt" | "lastAt"> {
  readonly type: "failure";
}

/** Something entered a state. */
export type StateEvent = ConnectionEvent | CallEvent;
export type ControlEvent = StateEvent | SessionEvent | FailureEvent;
/** Something that a plugin tells. */
export interface PluginEvent extends Pick<Common, "id" | "time"> {
  readonly type: "plugin";
  /** `<plugin>-<event>`. */
  readonly name: string;
  readonly fields: Row;
}

/** Whatever happens. */
export type ApplianceEvent = ControlEvent | PluginEvent;
type Unnumbered<Event> = Event extends ApplianceEvent ? Omit<Event, "id" | "time"> : never;

/** One listener's events. */
export interface Subscription extends Disposable {
  /** The number of the last event before those that come. */
  readonly after: number;
  /** How many of those that were asked for had been forgotten. */
  readonly missed: number;
  /** The next event; `slow` once too many were waiting and the rest is lost; undefined: there will be no more. */
  next(): Promise<ApplianceEvent | "slow" | undefined>;
}

/** Hands each event to every listener. */
export interface EventBus extends Disposable {
  readonly listened: boolean;
  /** How often control connections entered each state since the start. */
  readonly entered: Readonly<Partial<Record<ConnectionState, number>>>;
  publish(event: Unnumbered<ApplianceEvent>): void;
  /** @param after the number of the last event that is known: those since then come first, as far as they are kept */
  subscribe(after?: number): Subscription;
}

/** Events that are kept for who comes back. */
const KEPT = 1024;
/** Events that may wait for a listener. */
const QUEUE_LIMIT = 4096;

/** Is shown events in their turn. */
export interface Onlooker {
  /** Whether it wants to be. */
  readonly watched: boolean;
  happened(event: ControlEvent): void;
}

/** @param tracer is shown the control plane's events in their turn, while it is watched */
export function makeEventBus(
  wallClock: () => number,
  tracer?: Onlooker,
): EventBus {
  const listeners = new Set<{ offer(event: ApplianceEvent): void; end(): void }>();
  /** By their numbers, modulo their count. */
  const kept: ApplianceEvent[] = [];
  const entered: Partial<Record<ConnectionState, number>> = {};
  let id = 0;
  let closed = false;
  return {
    get listened() {
      return listeners.size > 0;
    },
    entered,
    publish(event) {
      id++;
      if (event.type === "connection-state") {
        entered[event.state] = (entered[event.state] ?? 0) + 1;
      }
      const watched = tracer?.watched && event.type !== "plugin";
      const numbered = { id, time: wallClock(), ...event } as ApplianceEvent;
      if (watched) tracer.happened(numbered as ControlEvent);
      kept[id % KEPT] = numbered;
      for (const listener of listeners) listener.offer(numbered);
    },
    subscribe(after = id) {
      const from = Math.min(after, id);
      const first = Math.max(from + 1, id - KEPT + 1, 1);
      let queue = Array.from({ length: id - first + 1 }, (_, i) => kept[(first + i) % KEPT]!);
      let state: "open" | "slow" | "ended" = closed ? "ended" : "open";
      let wake: (() => void) | undefined;
      const signal = () => {
        wake?.();
        wake = undefined;
      };
      const listener = {
        offer(event: ApplianceEvent) {
          queue.push(event);
          if (queue.length > QUEUE_LIMIT) {
            queue = [];
            state = "slow";
            listeners.delete(listener);
          }
          signal();
        },
        end() {
          listeners.delete(listener);
          if (state === "open") state = "ended";
          signal();
        },
      };
      if (state === "open") listeners.add(listener);
      return {
        after: first - 1,
        missed: first - from - 1,
        async next() {
          while (queue.length === 0 && state === "open") {
            await new Promise<void>((resolve) => wake = resolve);
          }
          const event = queue.shift();
          if (event || state === "ended") return event;
          state = "ended";
          return "slow";
        },
        [Symbol.dispose]: () => listener.end(),
      };
    },
    [Symbol.dispose]() {
      closed = true;
      for (const listener of listeners) listener.end();
    },
  };
}

const actors: Readonly<Record<Cause["by"], string>> = {
  local: "ended here",
  peer: "ended by the peer",
  timeout: "timed out",
  protocol: "protocol error",
  tie: "lost a tie",
  connection: "its control connection ended",
};

/** A cause as it is shown. */
export function endingOf({ by, result }: Cause): Ending {
  return { by, ...result, reason: `${actors[by]}: ${describeResult(result)}` };
}

/** `result 2, error 4: too many tunnels`. */
export function describeResult({ result, error, message }: Result): string {
  const code = error ? `, error ${error}` : "";
  const text = message ? `: ${message}` : "";
  return `result ${result}${code}${text}`;
}
