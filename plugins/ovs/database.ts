/** What of Open vSwitch's database concerns us: bridges, ports and interfaces, and our own rows among them. @module */

import type { Json } from "../plugin.ts";
import { JsonRpc } from "./jsonrpc.ts";

/** A port that shall be there. */
export interface Wanted {
  /** The device. */
  readonly name: string;
  readonly bridge: string;
  /** Columns of the Port table, as OVSDB writes them. */
  readonly columns: Readonly<Record<string, Json>>;
}

/** What Open vSwitch made of a port. */
export interface Found {
  /** Its number there; undefined: it has none yet. */
  readonly ofport?: number;
  /** Why it is none. */
  readonly error?: string;
}

type Row = Readonly<Record<string, Json>>;
type Table = Map<string, Row>;

const watched = {
  Open_vSwitch: ["cur_cfg"],
  Bridge: ["name", "ports"],
  Port: ["name", "external_ids", "interfaces"],
  Interface: ["name", "ofport", "error"],
};

/** What a transaction answers to one of its operations. */
interface Result {
  readonly error?: string;
  readonly rows?: readonly { readonly next_cfg: number }[];
}

/** The key that marks rows as ours. */
const MARK = "isthmus";

/** A connection to the database, and what it says. */
export class Database {
  readonly #rpc: JsonRpc;
  readonly #owner: string;
  readonly #changed: () => void;
  readonly #tables: Record<string, Table> = {};

  /**
   * @param owner tells our rows from those of others
   * @param changed is called when something that concerns us may have changed
   */
  constructor(
    write: (bytes: Uint8Array) => Promise<void>,
    owner: string,
    changed: () => void,
  ) {
    this.#owner = owner;
    this.#changed = changed;
    this.#rpc = new JsonRpc(write, (method, params) => {
      if (method !== "update") return;
      this.#update((params as Json[])[1]);
      this.#changed();
    });
  }

  /** Takes what came. @throws {Error} where it is no JSON */
  received(bytes: Uint8Array): void {
    this.#rpc.received(bytes);
  }

  /** Nothing more comes. */
  close(): void {
    this.#rpc.close();
  }

  /** Begins to follow the tables. */
  async follow(): Promise<void> {
    const requests = Object.fromEntries(
      Object.entries(watched).map(([table, columns]) => [table, { columns }]),
    );
    this.#update(await this.#rpc.ask("monitor", ["Open_vSwitch", null, requests]));
  }

  /** The names of our ports that are there. */
  ours(): string[] {
    const marked = [...this.#table("Port").values()].filter(({ external_ids: ids }) =>
      pairs(ids).some(([key, value]) => key === MARK && value === this.#owner)
    );
    return marked.map(({ name }) => String(name));
  }

  /** Whether one of our ports is in a bridge. */
  has(name: string, bridge: string): boolean {
    const port = this.#uuidOf("Port", name);
    if (port === undefined || !this.ours().includes(name)) return false;
    const [row] = [...this.#table("Bridge").values()].filter((one) => one["name"] === bridge);
    return row !== undefined && uuids(row["ports"]).includes(port);
  }

  /** What Open vSwitch made of a device; undefined: nothing yet. */
  found(name: string): Found | undefined {
    const row = [...this.#table("Interface").values()].find((one) => one["name"] === name);
    if (!row) return undefined;
    const [ofport, error] = [row["ofport"], row["error"]];
    if (typeof error === "string" && error !== "") return { error };
    if (typeof ofport !== "number") return {};
    return ofport < 0 ? { error: "Open vSwitch could not open it" } : { ofport };
  }

  /** Adds a port, and waits until Open vSwitch has seen it. @throws {Error} that says why not */
  async add({ bridge, columns, name }: Wanted): Promise<void> {
    const mark = { external_ids: map({ [MARK]: this.#owner }) };
    const there = { name: bridge };
    await this.#transact(`no bridge ${bridge}`, [
      ...[{ op: "wait", table: "Bridge", timeout: 0, where: [["name", "==", bridge]] }].map(
        (wait) => ({ ...wait, columns: ["name"], until: "==", rows: [there] }),
      ),
      { op: "insert", table: "Interface", row: { name, ...mark }, "uuid-name": "interface" },
      {
        op: "insert",
        table: "Port",
        row: { ...columns, name, ...mark, interfaces: ["named-uuid", "interface"] },
        "uuid-name": "port",
      },
      {
        op: "mutate",
        table: "Bridge",
        where: [["name", "==", bridge]],
        mutations: [["ports", "insert", ["named-uuid", "port"]]],
      },
    ]);
  }

  /** Changes the columns of a port of ours; also where nothing changes, Open vSwitch looks at its device again. */
  async change({ columns, name }: Wanted): Promise<void> {
    await this.#transact(undefined, [
      { op: "update", table: "Port", where: [["name", "==", name]], row: columns },
    ]);
  }

  /** The number of the configuration that Open vSwitch has put in force. */
  get looked(): number {
    const [row] = this.#table("Open_vSwitch").values();
    return Number(row?.["cur_cfg"] ?? 0);
  }

  /** Takes a port of ours out, wherever it is. @returns which configuration is without it; undefined: all are */
  async remove(name: string): Promise<number | undefined> {
    const port = this.#uuidOf("Port", name);
    if (port === undefined || !this.ours().includes(name)) return undefined;
    return await this.#transact(undefined, [{
      op: "mutate",
      table: "Bridge",
      where: [["ports", "includes", ["uuid", port]]],
      mutations: [["ports", "delete", ["uuid", port]]],
    }]);
  }

  /**
   * Makes a change, and has Open vSwitch look.
   *
   * @param waits what it means where a `wait` fails
   * @returns the number of the configuration with the change
   */
  async #transact(waits: string | undefined, operations: readonly object[]): Promise<number> {
    const looked = [
      { op: "mutate", table: "Open_vSwitch", where: [], mutations: [["next_cfg", "+=", 1]] },
      { op: "select", table: "Open_vSwitch", where: [], columns: ["next_cfg"] },
    ];
    const params = ["Open_vSwitch", ...operations, ...looked] as unknown as Json;
    const results = await this.#rpc.ask("transact", params) as (Result | null)[];
    // What fails at the commit is told behind the answers to all operations.
    const failed = results.find((result) => result?.error) as
      | { error: string; details?: string }
      | undefined;
    if (!failed) return results[operations.length + 1]?.rows?.[0]?.next_cfg ?? 0;
    const isWait = waits !== undefined && failed.error === "timed out";
    throw new Error(isWait ? waits : [failed.error, failed.details].filter(Boolean).join(": "));
  }

  #update(updates: Json | undefined): void {
    for (const [table, rows] of Object.entries((updates ?? {}) as Record<string, Json>)) {
      const known = this.#table(table);
      for (const [uuid, { new: next }] of Object.entries(rows as Record<string, { new?: Row }>)) {
        if (next) known.set(uuid, { ...known.get(uuid), ...next });
        else known.delete(uuid);
      }
    }
  }

  #table(name: string): Table {
    return this.#tables[name] ??= new Map();
  }

  #uuidOf(table: string, name: string): string | undefined {
    return [...this.#table(table)].find(([, row]) => row["name"] === name)?.[0];
  }
}

/** A map as OVSDB writes it. */
export function map(entries: Readonly<Record<string, string>>): Json {
  return ["map", Object.entries(entries)];
}

/** A set as OVSDB writes it. */
export function set(values: readonly number[]): Json {
  return ["set", values];
}

function pairs(value: Json | undefined): readonly (readonly [string, string])[] {
  return Array.isArray(value) && value[0] === "map" ? value[1] : [];
}

/** A set of UUIDs; one alone is written without it. */
function uuids(value: Json | undefined): string[] {
  if (!Array.isArray(value)) return [];
  if (value[0] === "uuid") return [value[1]];
  return (value[1] as [string, string][]).map(([, uuid]) => uuid);
}
