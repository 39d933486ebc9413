/** What is done to single static tunnels and sessions on the way to another configuration. @module */

import type { DownList } from "../appliance/down.ts";
import { isPassing } from "../appliance/errors.ts";
import type { Steps } from "../appliance/part.ts";
import { nested, type Transaction, transaction } from "../appliance/transaction.ts";
import type { Changed } from "../config/compare.ts";
import type { SessionConfig, TunnelConfig } from "../config/model.ts";
import type { Logger } from "../log/log.ts";
import type { Sessions } from "./sessions.ts";
import { makeNote } from "./static_notes.ts";
import type { SessionTask, Task } from "./static_plan.ts";
import { located, type OwnedSession, type Tunnels } from "./tunnels.ts";

export interface StaticDependencies {
  readonly down: DownList;
  readonly log: Logger;
  readonly sessions: Sessions;
  readonly tunnels: Tunnels;
}

/** Something that may have to wait until something else has ended. */
export interface Job {
  /** The name of the tunnel that it is about. */
  readonly tunnel: string;
  /**
   * Does it, and notes the step. What something else of ours is in the way of throws; with `wait` it is down from now
   * on, and tried again. @throws {ApplianceError}
   */
  run(tx: Transaction, inTheWay?: "wait"): Promise<void>;
  /** Lets go of what other jobs may wait for, before any of them is run. */
  release?(tx: Transaction): Promise<void>;
  /** It failed when nothing could be taken back any more: it is down from now on. */
  wait(error: Error): void;
}

export interface JobDependencies extends StaticDependencies {
  readonly steps: Steps;
  /** The tunnels as they were. */
  readonly running: readonly TunnelConfig[];
  /** By tunnel, sessions that requests had made. */
  readonly orphans: ReadonlyMap<string, readonly OwnedSession[]>;
}

export function makeJobs(
  { down, log, orphans, running, sessions, steps, tunnels }: JobDependencies,
) {
  const noteTunnel = makeNote(running, steps);
  return {
    async changeTunnel({ item, step, why }: Task<Changed<TunnelConfig>>, tx: Transaction) {
      const { after } = item;
      const path = `tunnels/${after.name}`;
      const tunnel = tunnels.all.get(after.name);
      if (tunnel) await located(path, () => tunnels.change(tunnel, after, tx));
      steps.note(path, step, why);
    },

    addTunnel(task: Task<TunnelConfig>): Job {
      const { item: config } = task;
      const path = `tunnels/${config.name}`;
      const owned = () => [
        ...config.sessions.map((config): OwnedSession => ({ config, origin: "config" })),
        ...orphans.get(config.name) ?? [],
      ];
      const add = (tx: Transaction) =>
        located(path, () => tunnels.add(config, "config", owned(), tx));
      const wait = (error: Error) => {
        const tunnel = { config, sessions: owned() };
        down.add(path, error, {
          queue: config.name,
          tunnel,
          retry: () => transaction(log, add),
        });
      };
      return {
        tunnel: config.name,
        wait,
        async run(tx, inTheWay) {
          try {
            await nested(log, tx, add);
            tx.commit(() => down.delete(path));
          } catch (error) {
            // What another circuit of ours claims stays claimed.
            const waits = isPassing(error) && error.attribute !== "circuit" &&
              (inTheWay === "wait" || error.code === "unavailable");
            if (!waits) throw error;
            tx.commit(() => wait(error));
          }
          noteTunnel(task);
        },
      };
    },

    addSession({ item: config, step, tunnel: { name }, why }: SessionTask<SessionConfig>): Job {
      const path = `tunnels/${name}/sessions/${config.name}`;
      const add = async (tx: Transaction) => {
        const tunnel = tunnels.all.get(name);
        if (tunnel) await located(path, () => sessions.add(tunnel, config, "config", tx));
      };
      return {
        tunnel: name,
        async run(tx) {
          await add(tx);
          steps.note(path, step, why);
        },
        wait: (error) => down.add(path, error, { queue: name, retry: () => transaction(log, add) }),
      };
    },

    changeSession({ item, step, tunnel: { name }, why }: SessionTask<Changed<SessionConfig>>): Job {
      const { after } = item;
      const path = `tunnels/${name}/sessions/${after.name}`;
      /** Nothing where it has gone since. */
      const change = async (tx: Transaction) => {
        const tunnel = tunnels.all.get(name);
        const session = tunnel?.sessions.byName(after.name);
        if (tunnel && session) {
          await located(path, () => sessions.change(tunnel, session, after, tx, true));
        }
      };
      return {
        tunnel: name,
        async run(tx) {
          await change(tx);
          steps.note(path, step, why);
        },
        async release(tx) {
          const tunnel = tunnels.all.get(name);
          const session = tunnel?.sessions.byName(after.name);
          if (tunnel && session) await sessions.releaseCircuit(tunnel, session, after, tx);
        },
        wait: (error) =>
          down.add(path, error, { queue: name, retry: () => transaction(log, change) }),
      };
    },
  };
}
