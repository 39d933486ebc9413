/** An Open vSwitch in memory, for tests: its database on a stream of the world, and a switch that looks when told to. @module */

import type { Json } from "../plugin.ts";
import type { World, WorldStream } from "../testing/world.ts";
import { settle } from "../testing/world.ts";
import { JsonStream } from "./jsonrpc.ts";

type Row = Record<string, Json>;
type Rows = Map<string, Row>;
type Operation = { readonly op: string; readonly table: string } & Record<string, Json>;

/** Open vSwitch, in a test's hands. */
export interface MemoryOvs {
  /** What transactions did to ports, in order: `+name`, `-name`. */
  readonly done: readonly string[];
  /** The switch takes up what the database says: new interfaces get a number, and `cur_cfg` follows `next_cfg`. */
  look(): Promise<void>;
}

/** Answers the client of the latest stream of a world, where one bridge is there. */
export async function answerAsOvs(world: World, bridge: string): Promise<MemoryOvs> {
  const ovs = new Ovs(world.streams.at(-1)!, bridge);
  await ovs.serve();
  return ovs;
}

class Ovs implements MemoryOvs {
  readonly done: string[] = [];
  readonly #stream: WorldStream;
  readonly #tables: Readonly<Record<string, Rows>>;
  readonly #requests = new JsonStream();
  /** The rows that were told of, by table. */
  readonly #told = new Map<string, ReadonlySet<string>>();
  #ids = 0;
  #ofports = 0;

  constructor(stream: WorldStream, bridge: string) {
    this.#stream = stream;
    this.#tables = {
      Open_vSwitch: new Map([["root", { cur_cfg: 0, next_cfg: 0 }]]),
      Bridge: new Map([["bridge", { name: bridge, ports: ["set", []] }]]),
      Port: new Map(),
      Interface: new Map(),
    };
  }

  /** Answers what was written so far, and from now on whatever is. */
  async serve(): Promise<void> {
    const { written } = this.#stream;
    for (const bytes of written) this.#take(bytes);
    written.push = (...all) => {
      // Behind the write, as an answer that comes over a socket.
      queueMicrotask(() => all.forEach((bytes) => this.#take(bytes)));
      return written.length;
    };
    await settle();
  }

  async look(): Promise<void> {
    for (const row of this.#tables["Interface"]!.values()) row["ofport"] ??= ++this.#ofports;
    const root = this.#tables["Open_vSwitch"]!.get("root")!;
    root["cur_cfg"] = root["next_cfg"]!;
    this.#tell(new Set(["Open_vSwitch", "Interface"]));
    await settle();
  }

  #take(bytes: Uint8Array): void {
    for (const request of this.#requests.take(bytes)) {
      const { id, method, params } = request as { id: Json; method: string; params: Json[] };
      if (method === "monitor") this.#say({ id, result: this.#all(), error: null });
      else if (method === "transact") {
        const result = (params.slice(1) as Operation[]).map((one) => this.#carryOut(one));
        // RFC 7047 §4.1.6: what a change made of the tables is told before its answer.
        this.#tell(new Set(["Bridge", "Port", "Interface"]));
        this.#say({ id, result: result as Json, error: null });
      }
    }
  }

  #carryOut(operation: Operation): Json {
    const rows = this.#tables[operation.table]!;
    switch (operation.op) {
      case "insert": {
        const uuid = `${operation.table}-${++this.#ids}`;
        rows.set(uuid, { ...operation["row"] as Row });
        if (operation.table === "Port") this.done.push(`+${(operation["row"] as Row)["name"]}`);
        return { uuid: ["uuid", uuid] };
      }
      case "mutate":
        if (operation.table === "Bridge") this.#mutatePorts(operation);
        else rows.get("root")!["next_cfg"] = Number(rows.get("root")!["next_cfg"]) + 1;
        return { count: 1 };
      case "select":
        return { rows: [...rows.values()] };
      default:
        return {};
    }
  }

  /** A port that no bridge has any more goes, and its interface with it (RFC 7047 §5.1: garbage collection). */
  #mutatePorts(operation: Operation): void {
    const ports = this.#tables["Port"]!;
    const bridge = this.#tables["Bridge"]!.get("bridge")!;
    const [[, mutator, [, given]]] = operation["mutations"] as [[string, string, [string, string]]];
    if (mutator === "delete") {
      const name = ports.get(given)!["name"];
      this.done.push(`-${name}`);
      ports.delete(given);
      for (const [uuid, row] of this.#tables["Interface"]!) {
        if (row["name"] === name) this.#tables["Interface"]!.delete(uuid);
      }
    }
    bridge["ports"] = ["set", [...ports.keys()].map((uuid) => ["uuid", uuid])] as Json;
  }

  #all(): Json {
    const tables = Object.entries(this.#tables).map(([table, rows]) => [
      table,
      Object.fromEntries([...rows].map(([uuid, row]) => [uuid, { new: row }])),
    ]);
    return Object.fromEntries(tables);
  }

  #tell(tables: ReadonlySet<string>): void {
    const updates: Record<string, Record<string, Json>> = {};
    for (const table of tables) {
      const rows = this.#tables[table]!;
      const known = this.#told.get(table) ?? new Set<string>();
      this.#told.set(table, new Set(rows.keys()));
      const gone = [...known].filter((uuid) => !rows.has(uuid));
      updates[table] = Object.fromEntries([
        ...[...rows].map(([uuid, row]) => [uuid, { new: row }]),
        ...gone.map((uuid) => [uuid, { old: {} }]),
      ]);
    }
    this.#say({ id: null, method: "update", params: [null, updates] });
  }

  #say(message: Json): void {
    this.#stream.receive(new TextEncoder().encode(JSON.stringify(message)));
  }
}
