/** Listeners, and which tunnels use them. @module */

import { formatEndpoint } from "../../core/endpoint.ts";
import type { Listener } from "../config/model.ts";
import type { Logger } from "../log/log.ts";
import type { Sockets, WithdrawnListener } from "../sessions/sockets.ts";
import { located, type Tunnels } from "../sessions/tunnels.ts";
import type { DownList } from "./down.ts";
import { asApplianceErrors, isPassing } from "./errors.ts";
import type { Part, Steps } from "./part.ts";
import { forEach, nested, type Transaction, transaction } from "./transaction.ts";

export interface ListenerDependencies {
  readonly down: DownList;
  readonly log: Logger;
  readonly sockets: Sockets;
  readonly tunnels: Tunnels;
}

/** How many tunnels move at a time. */
const WIDTH = 16;

/** From some listeners to others. Tunnels move onto new ones, and off those that close. */
export function listenerPart(
  before: readonly Listener[],
  after: readonly Listener[],
  { down, log, sockets, tunnels }: ListenerDependencies,
  steps: Steps,
): Part {
  const [old, wanted] = [byPath(before), byPath(after)];
  const added = [...wanted].filter(([path]) => !old.has(path));
  const removed = [...old].filter(([path]) => !wanted.has(path));
  const withdrawn: WithdrawnListener[] = [];

  const settle = (tx: Transaction) =>
    forEach([...tunnels.all.values()], WIDTH, async (tunnel) => {
      const path = `tunnels/${tunnel.config.name}`;
      try {
        await nested(log, tx, (tx) => located(path, () => tunnels.settle(tunnel, tx)));
      } catch (error) {
        if (!isPassing(error)) throw error;
        log.warn("a tunnel stays on the socket that it has", { path, reason: error.message });
      }
    });
  const open = async (listener: Listener, tx: Transaction) => {
    await asApplianceErrors("listen", () => sockets.open(listener));
    tx.undo(() => sockets.withdraw(listener)?.close());
  };

  return {
    foresee(steps) {
      for (const [path] of removed) steps.note(path, "removed");
      for (const [path] of added) steps.note(path, "added");
      steps.keep(wanted.size - added.length);
    },
    async open(tx) {
      for (const [path, listener] of removed) {
        const closing = sockets.withdraw(listener);
        if (closing) {
          tx.undo(closing.restore);
          withdrawn.push(closing);
        }
        tx.commit(() => down.delete(path));
        steps.note(path, "removed");
      }
      for (const [path, listener] of added) {
        try {
          await located(path, () => open(listener, tx));
        } catch (error) {
          if (!isPassing(error)) throw error;
          const retry = () =>
            transaction(log, async (tx) => {
              await open(listener, tx);
              await settle(tx);
            });
          tx.commit(() => down.add(path, error, { queue: undefined, retry }));
        }
        steps.note(path, "added");
      }
      if (added.length + removed.length > 0) await settle(tx);
      steps.keep(wanted.size - added.length);
    },
    async end() {
      await Promise.all(
        withdrawn.map(({ retire }) =>
          retire().catch((error: unknown) =>
            log.debug("cannot close a listener in order", { error: String(error) })
          )
        ),
      );
    },
  };
}

/** By their names in reports. */
function byPath(listeners: readonly Listener[]): Map<string, Listener> {
  return new Map(
    listeners.map((listener) => {
      const { device, encap, marks } = listener;
      const more = [...(device === undefined ? [] : [device]), ...(marks ? ["marks"] : [])];
      return [[`listen/${encap}:${formatEndpoint(listener)}`, ...more].join(" "), listener];
    }),
  );
}
