/**
 * Hooks: commands of the operator's that are run when something happens. Never waited for, bounded in number and time,
 * and without the capabilities of the appliance.
 *
 * @module
 */

import type { Clock, Log } from "../../plugins/host/leaves.ts";

/** How many commands run at a time, and how many more may wait. */
export const MAX_RUNNING = 8;
export const MAX_WAITING = 1024;
/** How long a command may run, in milliseconds. */
export const HOOK_MS = 30_000;

/** Commands by the event that they are run for: program and arguments. */
export type HookCommands = Readonly<Record<string, readonly string[]>>;

/** A command that runs. */
export interface RunningHook {
  readonly status: Promise<{ readonly success: boolean; readonly code: number }>;
  kill(): void;
}

export interface HookDependencies {
  readonly clock: Clock;
  readonly log: Log;
  /** Starts a command with these variables and no others. @throws where it cannot be started */
  spawn(command: readonly string[], environment: Readonly<Record<string, string>>): RunningHook;
}

export interface Hooks extends Disposable {
  /**
   * Runs the command of an event, if there is one. Each variable has its own name, as scripts of pppd's expect it
   * (`IFNAME`), and the same with `ISTHMUS_` in front.
   */
  run(event: string, environment: () => Readonly<Record<string, string>>): void;
  /** Takes other commands; those that run go on. */
  configure(commands: HookCommands): void;
  /** How commands ended so far: `succeeded`, `failed`, `timed-out`, `dropped`. */
  readonly counts: Readonly<Record<HookEnd, number>>;
}

type HookEnd = "succeeded" | "failed" | "timed-out" | "dropped";

interface Waiting {
  readonly event: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** What decides on how a program runs, and is nobody's to set. */
const reserved = /^(?:PATH|HOME|SHELL|IFS|ENV|BASH_.*|LD_.*)$/;

/** Variables under their own names and under ours. */
function named(environment: Readonly<Record<string, string>>): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, given] of Object.entries(environment)) {
    const value = given.replaceAll("\0", "");
    if (!reserved.test(name)) all[name] = value;
    if (!name.startsWith("ISTHMUS_")) all[`ISTHMUS_${name}`] = value;
  }
  return all;
}

/** No commands yet. */
export function makeHooks({ clock, log, spawn }: HookDependencies): Hooks {
  let commands: HookCommands = {};
  const running = new Set<RunningHook>();
  const waiting: Waiting[] = [];
  const counts = { succeeded: 0, failed: 0, "timed-out": 0, dropped: 0 };
  let stopped = false;

  const fail = (how: HookEnd, event: string, reason: string) => {
    counts[how]++;
    log.warn("a hook failed", { event, reason });
  };
  const start = ({ environment, event }: Waiting) => {
    const command = commands[event];
    if (!command) return;
    let hook: RunningHook;
    try {
      hook = spawn(command, environment);
    } catch (error) {
      return fail("failed", event, error instanceof Error ? error.message : String(error));
    }
    running.add(hook);
    let late = false;
    const timer = clock.timer(clock.now() + HOOK_MS, () => {
      late = true;
      hook.kill();
    });
    hook.status.then(({ code, success }) => {
      if (late) fail("timed-out", event, `it was ended after ${HOOK_MS / 1000} s`);
      else if (success) counts.succeeded++;
      else fail("failed", event, `exit status ${code}`);
    }, (error: unknown) => fail("failed", event, String(error))).finally(() => {
      timer[Symbol.dispose]();
      running.delete(hook);
      next();
    });
  };
  const next = () => {
    while (!stopped && running.size < MAX_RUNNING && waiting.length > 0) start(waiting.shift()!);
  };

  return {
    run(event, environment) {
      if (stopped || !commands[event]) return;
      if (waiting.length >= MAX_WAITING) {
        // The first of a row is news.
        if (counts.dropped++ % MAX_WAITING === 0) {
          log.warn("hooks are dropped: too many wait", { event });
        }
        return;
      }
      waiting.push({ event, environment: { ...named(environment()), ISTHMUS_EVENT: event } });
      next();
    },
    configure: (next) => commands = next,
    counts,
    [Symbol.dispose]() {
      stopped = true;
      waiting.length = 0;
      for (const hook of running) hook.kill();
    },
  };
}
