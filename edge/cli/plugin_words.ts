/** `isthmus show circuit`, `show view` and `do`: circuits, and what plugins add. @module */

import type { Client } from "./client.ts";
import { formatPath } from "../config/problem.ts";
import { repeatedKey } from "../config/repeated_keys.ts";
import { RequestError, UsageError } from "./errors.ts";
import { parseJson } from "./json.ts";
import type { Shown } from "./shown.ts";
import { type Column, fitTable } from "./table.ts";
import { formatTree } from "./tree.ts";

type Row = Readonly<Record<string, unknown>>;

const circuitColumns: readonly Column<Row>[] = [
  { heading: "NAME", cell: (row) => text(row["name"]) },
  { heading: "PLUGIN", cell: (row) => Object.keys(row["circuit"] as Row)[0] },
  { heading: "STATUS", cell: (row) => text(row["status"]) },
  { heading: "SESSIONS", cell: (row) => row["sessions"] as number },
  { heading: "REASON", cell: (row) => text(row["reason"]) },
];

/** The named circuits, or the one of a name. @throws {RequestError} where there is none */
export async function showCircuits(client: Client, name?: string): Promise<Shown> {
  const { circuits: all } = await client.request("GET", "/v1/circuits") as { circuits: Row[] };
  const circuits = all.filter((one) => name === undefined || one["name"] === name);
  if (name !== undefined && circuits.length === 0) {
    throw new RequestError(`there is no circuit ${name}`);
  }
  return { json: circuits, text: fitTable(circuitColumns, circuits) };
}

/** A table of a plugin, one thing of it, or the names of all tables. */
export async function showView(
  client: Client,
  [view, name]: readonly string[],
): Promise<Shown> {
  if (view === undefined) {
    const { views } = await client.request("GET", "/v1/views") as { views: Row[] };
    return { json: views, text: table(["name", "plugin", "help"], views) };
  }
  const query = name === undefined ? "" : `?name=${encodeURIComponent(name)}`;
  const { columns, rows } = await client.request(
    "GET",
    `/v1/views/${encodeURIComponent(view)}${query}`,
  ) as { columns: { name: string }[]; rows: Row[] };
  return { json: rows, text: table(columns.map((column) => column.name), rows) };
}

/** Has a plugin do something; without a word, what there is to do. Values that read as JSON are taken so. @throws {UsageError} */
export async function doWord(
  client: Client,
  word: string | undefined,
  words: readonly string[],
): Promise<Shown> {
  if (word === undefined) {
    const { words: known } = await client.request("GET", "/v1/words") as { words: Row[] };
    return { json: known, text: table(["word", "plugin", "help"], known) };
  }
  if (words.length % 2 === 1) throw new UsageError(`${words.at(-1)} has no value`);
  const pairs = words.flatMap((key, i) => i % 2 === 0 ? [[key, value(words[i + 1]!)]] : []);
  const { answer } = await client.request(
    "POST",
    `/v1/words/${encodeURIComponent(word)}`,
    Object.fromEntries(pairs),
  ) as { answer: unknown };
  return { json: answer, text: answer === null ? "" : formatTree(answer) };
}

function table(names: readonly string[], rows: readonly Row[]): Shown["text"] {
  const columns = names.map((name): Column<Row> => ({
    heading: name.toUpperCase(),
    cell: (row) => typeof row[name] === "number" ? row[name] : text(row[name]),
  }));
  return fitTable(columns, rows);
}

function text(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** @throws {UsageError} where it is JSON that says a key twice */
function value(word: string): unknown {
  const parsed = parseJson(word);
  if (parsed === undefined) return word;
  const repeated = repeatedKey(word);
  if (typeof repeated !== "object") return parsed;
  throw new UsageError(`${formatPath(repeated.path)}: given twice; expected each key once`);
}
