/**
 * The `bridge` circuit: sessions joined with sessions. Two that attach to one circuit are joined with each other; with
 * rules, a call that comes in is placed on (multihop); with `by-hand`, operators join any two. Frames go from the one to
 * the other without leaving the datapath, whatever tunnels and versions of L2TP they belong to.
 *
 * @module
 */

import { z } from "zod";
import { tellCarriers } from "../carrier.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { Circuit, Endable, Plugin, Scope, Session } from "../plugin.ts";
import { type Board, makeBoard } from "./board.ts";
import { multihop } from "./multihop.ts";
import { type BridgeOptions, bridgeOptions, needsConnected } from "./options.ts";

export { type BridgeOptions, bridgeOptions } from "./options.ts";

const port = z.string().min(1).describe("`<tunnel>/<session>`");

/** The plugin. */
export const bridge: Plugin<BridgeOptions> = {
  name: "bridge",
  summary: "sessions joined with sessions: two of one circuit, calls placed on, or by hand",
  pseudowireTypes: [PseudowireType.Ethernet, PseudowireType.EthernetVlan, PseudowireType.Ppp],
  options: bridgeOptions,
  asks: ["ppp"],
  columns: [{ name: "far", help: "the session at the other end" }],
  views: [{
    name: "bridge",
    help: "sessions that are joined, and those that wait to be",
    columns: [
      { name: "a", help: "one session" },
      { name: "b", help: "the other one" },
    ],
  }],
  words: [
    {
      word: "add-bridge",
      help: "joins two sessions of circuits with by-hand",
      given: z.strictObject({ a: port, b: port }),
    },
    {
      word: "del-bridge",
      help: "takes a bridge apart that was made by hand, by either session",
      given: z.strictObject({ session: port }),
    },
  ],
  check: (_section, circuits, { peers }) =>
    circuits.flatMap(({ name, options }) => [
      ...(options.rules ?? []).flatMap(({ to }) => to ?? [])
        .flatMap((target) =>
          "peer" in target && !peers.includes(target.peer)
            ? [`${name}: there is no peer ${target.peer}`]
            : []
        ),
      ...(options["wait-for-far-leg"] && needsConnected(options)
        ? [
          `${name}: a realm and proxy-auth are known from ICCN only, so nothing can wait-for-far-leg`,
        ]
        : []),
    ]),
  start(scope) {
    const board = makeBoard(scope);
    return {
      provision(circuit, options) {
        if (options.rules) return multihop(options, board);
        return options["by-hand"] ? board.byHand(circuit) : pair(circuit, board);
      },
      async *show() {
        yield* board.rows();
      },
      async run(word, given) {
        if (word === "add-bridge") {
          const { a, b } = given as { a: string; b: string };
          await board.join(a, b);
        } else await board.part((given as { session: string }).session);
        return null;
      },
    };
  },
};

function pair(circuit: Scope, board: Board): Circuit<BridgeOptions> {
  const sessions = new Set<Session>();
  /** The join of both: neither session's own, for it ends with the first of them that does. */
  let joined: (Scope & Endable) | undefined;
  return {
    sessions: 2,
    async attach(session, scope) {
      const [other] = sessions;
      sessions.add(session);
      scope.defer(async (why) => {
        sessions.delete(session);
        for (const left of sessions) tellCarriers(left, undefined);
        await joined?.end(why);
      });
      if (other) {
        joined = circuit.child("pair");
        await joined.connect(other.port, session.port);
        joined.defer(board.note(other.name, session.name));
      }
      const far = () => [...sessions].find((each) => each !== session);
      const tell = () => tellCarriers(session, far());
      tell();
      return { show: () => ({ far: far()?.name ?? null }), heard: tell, changed: tell };
    },
    reconfigure: (options) => !options.rules && !options["by-hand"],
  };
}
