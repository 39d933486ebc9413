/**
 * `deno task docs`: writes the tables of options in `configuration.md` from the rows of `edge/config/attributes.ts`.
 * A test of `edge/config` says where they differ.
 *
 * @module
 */

import {
  callOptions,
  connectionOptions,
  peerOptions,
  sessionOptions,
  tunnelOptions,
} from "../edge/config/attributes.ts";
import { type Option, required, type Table } from "../edge/config/option.ts";

const page = new URL("configuration.md", import.meta.url);

const { "tunnel-id": tunnelId, "peer-tunnel-id": peerTunnelId, ...staticTunnel } = tunnelOptions;

/** Which options stand between the marks of which name. */
const tables: Readonly<Record<string, Table>> = {
  peers: { ...peerOptions, ...connectionOptions },
  "static tunnels": staticTunnel,
  "static ids": { "tunnel-id": tunnelId, "peer-tunnel-id": peerTunnelId },
  sessions: sessionOptions,
  calls: callOptions,
};

/** The page with its tables as the rows have them; formatted anew by `deno fmt`. */
export function withTables(text: string): string {
  return text.replaceAll(
    /(<!-- options: (.*?) -->\n).*?(<!-- end -->)/gs,
    (_, start: string, name: string, end: string) => `${start}\n${tableOf(tables[name]!)}\n${end}`,
  );
}

/** The cells of all tables between marks, for comparison: how wide columns are does not matter. */
export function cellsOf(text: string): string[][] {
  const marked = [...text.matchAll(/<!-- options: .*? -->\n(.*?)<!-- end -->/gs)]
    .map(([, table]) => table!);
  return marked.flatMap((table) => table.trim().split("\n"))
    .filter((line) => !/^\| -/.test(line))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
}

function tableOf(table: Table): string {
  // What one key of the file stands for together (`seq`) has a row of its own, by hand.
  const rows = Object.entries(table).filter(([, { fileKey }]) => fileKey !== "seq");
  return [
    "| key | value | default |",
    "| --- | --- | --- |",
    ...rows.map(([name, row]) =>
      `| \`${row.fileKey ?? name}\` | ${row.help} | ${defaultText(row)} |`
    ),
    "",
  ].join("\n");
}

function defaultText({ default: value, otherwise, show }: Option): string {
  if (value === required) return "required";
  if (otherwise !== undefined) return otherwise;
  return value === undefined ? "none" : `\`${show?.(value) ?? value}\``;
}

if (import.meta.main) {
  Deno.writeTextFileSync(page, withTables(Deno.readTextFileSync(page)));
}
