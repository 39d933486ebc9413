/** Which ports are bridged, whoever bridged them, and those that wait to be by hand. @module */

import { tellCarriers } from "../carrier.ts";
import type { Circuit, Endable, Row, Scope, Session } from "../plugin.ts";
import type { BridgeOptions } from "./options.ts";

/** What the service knows of all bridges. */
export interface Board {
  /** Two ports were joined; the result takes that back. */
  note(a: string, b: string): () => void;
  /** Rows of `show view bridge`. */
  rows(): Iterable<Row>;
  /** A circuit whose sessions wait for {@linkcode Board.join}. */
  byHand(circuit: Scope): Circuit<BridgeOptions>;
  /** Bridges two of those. @throws {Error} as {@linkcode Scope.failure} makes them */
  join(a: string, b: string): Promise<void>;
  /** Takes a bridge apart, by either port. */
  part(name: string): Promise<void>;
}

interface Waiting {
  readonly session: Session;
  readonly scope: Scope;
  /** The bridge that it is in. */
  bridge: (Scope & Endable) | undefined;
}

const PARTED = { result: 3, message: "an operator took the bridge apart" };

export function makeBoard(service: Scope): Board {
  const pairs = new Set<readonly [string, string]>();
  const waiting = new Map<string, Waiting>();

  const note = (a: string, b: string) => {
    const pair = [a, b] as const;
    pairs.add(pair);
    return () => void pairs.delete(pair);
  };
  const find = (name: string): Waiting => {
    const found = waiting.get(name);
    if (found) return found;
    throw service.failure("invalid", `${name} is no session of a circuit with by-hand`);
  };

  return {
    note,
    *rows() {
      for (const [a, b] of pairs) yield { a, b };
      for (const { bridge, session } of waiting.values()) {
        if (!bridge) yield { a: session.name, b: null };
      }
    },
    byHand: () => ({
      attach(session, scope) {
        const own: Waiting = { session, scope, bridge: undefined };
        waiting.set(session.name, own);
        scope.defer(async (why) => {
          waiting.delete(session.name);
          await own.bridge?.end(why);
        });
        const far = () => {
          for (const other of waiting.values()) {
            if (other !== own && own.bridge && other.bridge === own.bridge) return other.session;
          }
          return undefined;
        };
        const tell = () => tellCarriers(session, far());
        tell();
        return { show: () => ({ far: far()?.name ?? null }), heard: tell, changed: tell };
      },
      reconfigure: (options) => options["by-hand"] === true,
    }),
    async join(a, b) {
      if (a === b) throw service.failure("invalid", `${a} cannot be bridged with itself`);
      const both = [find(a), find(b)];
      for (const { bridge, session } of both) {
        if (bridge) throw service.failure("in-use", `${session.name} is in a bridge already`);
      }
      const bridge = service.child(`bridge ${a} ${b}`);
      for (const one of both) one.bridge = bridge;
      bridge.defer(() => {
        for (const one of both) {
          one.bridge = undefined;
          tellCarriers(one.session, undefined);
        }
      });
      try {
        await bridge.connect(both[0]!.session.port, both[1]!.session.port);
        bridge.defer(note(a, b));
        tellCarriers(both[0]!.session, both[1]!.session);
      } catch (error) {
        await bridge.end(PARTED);
        throw error;
      }
    },
    async part(name) {
      const { bridge } = find(name);
      if (!bridge) throw service.failure("invalid", `${name} is in no bridge`);
      await bridge.end(PARTED);
    },
  };
}
