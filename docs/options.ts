/**
 * `deno task docs`: writes the tables of options in `configuration.md` from the rows of `edge/config/attributes.ts`;
 * with `--check`, as `deno task doc:check` has it, only says whether they are the same.
 *
 * @module
 */

import {
  callOptions,
  connectionOptions,
  peerOptions,
  remoteOptions,
  sessionOptions,
  tunnelOptions,
  wayOptions,
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
  remotes: remoteOptions,
  ways: wayOptions,
};

/** The page with its tables as the rows have them; formatted anew by `deno fmt`. */
function withTables(text: string): string {
  return text.replaceAll(
    /(<!-- options: (.*?) -->\n).*?(<!-- end -->)/gs,
    (_, start: string, name: string, end: string) => `${start}\n${tableOf(tables[name]!)}\n${end}`,
  );
}

/** The cells of all tables between marks, for comparison: how wide columns are does not matter. */
function cellsOf(text: string): string[] {
  const marked = [...text.matchAll(/<!-- options: .*? -->\n(.*?)<!-- end -->/gs)]
    .map(([, table]) => table!);
  return marked.flatMap((table) => table.trim().split("\n"))
    .filter((line) => !/^\| -/.test(line))
    .map((line) => line.split("|").map((cell) => cell.trim()).join("|"));
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

const text = Deno.readTextFileSync(page);
if (Deno.args[0] !== "--check") Deno.writeTextFileSync(page, withTables(text));
else {
  const right = cellsOf(withTables(text));
  const wrong = cellsOf(text).find((row, i) => row !== right[i]);
  if (wrong !== undefined || right.length !== cellsOf(text).length) {
    throw new Error(`configuration.md: ${wrong}: not as its option says; run deno task docs`);
  }
}
