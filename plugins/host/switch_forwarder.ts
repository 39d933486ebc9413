/** A switch as plugins have it. @module */

import type {
  FdbEntry,
  Member,
  Port,
  SwitchEvent,
  SwitchFigures,
  SwitchForwarder,
  SwitchOptions,
  SwitchPortOptions,
} from "../ports.ts";
import { type OpenForwarder, openForwarder } from "./forwarders.ts";
import type { DatapathLeaf } from "./leaves.ts";
import type { Life } from "./life.ts";
import type { Ports } from "./ports.ts";

/** A part of a MAC table, and where the next one starts. */
interface FdbSlice {
  readonly entries: readonly FdbEntry[];
  readonly next?: number;
}

/** Opens one in a life. @throws {Failure} */
export async function openSwitch(
  life: Life,
  datapath: DatapathLeaf,
  ports: Ports,
  options: SwitchOptions,
  happened: (event: SwitchEvent) => void,
): Promise<[SwitchForwarder, OpenForwarder]> {
  const open = await openForwarder(life, datapath, ports, {
    kind: "switch",
    name: "the switch",
    frames: "ethernet",
    ports: [],
    options,
    happened: ({ detail, what }) => happened({ ...detail, what } as SwitchEvent),
  });
  const tell = async (question: string, given: object) => void await open.ask(question, given);
  const forwarder: SwitchForwarder = {
    kind: "switch",
    change: open.change,
    async *fdb() {
      for (let from: number | undefined = 0; from !== undefined;) {
        const slice = await open.ask("fdb", { from }) as FdbSlice;
        yield* slice.entries;
        from = slice.next;
      }
    },
    add: (entry) => tell("fdb-add", entry),
    del: (entry) => tell("fdb-del", entry),
    figures: async () => await open.ask("figures", {}) as SwitchFigures,
    flush: (port) => tell("fdb-flush", port === undefined ? {} : { port }),
  };
  return [forwarder, open];
}

/** Opens a pair of ports in a life, which joins two switches. */
export function openPatch(
  life: Life,
  datapath: DatapathLeaf,
  ports: Ports,
): Promise<readonly [Port, Port]> {
  return life.own(async () => {
    const ids = await datapath.addPatch();
    // A frame of any length goes through a patch.
    const ends = ids.map((id) => ports.make("patch", id, "ethernet", () => 65_535));
    const undo = async () => {
      for (const port of ends) port.end();
      for (const id of ids) await datapath.removePort(id);
    };
    return { value: [ends[0]!.port, ends[1]!.port], undo };
  });
}

/** Joins a port to one. What happens at it, the switch tells. @throws {Failure} */
export async function joinSwitch(
  life: Life,
  open: OpenForwarder,
  port: Port,
  options: SwitchPortOptions,
): Promise<Member<SwitchPortOptions>> {
  return await open.join(life, port, options);
}
