/**
 * `deno task docs`: writes the tables of options in `configuration.md` from the rows of `edge/config/attributes.ts`, and
 * those in `ppp.md` and `radius.md` from the schemas of the plugin; with `--check`, as `deno task doc:check` has it, only says whether
 * they are the same.
 *
 * @module
 */

import {
  callOptions,
  sessionOptions,
  tunnelOptions,
  wayOptions,
} from "../edge/config/attributes.ts";
import { keepaliveSchema } from "../edge/config/keepalive.ts";
import { connectionOptions, peerOptions, remoteOptions } from "../edge/config/peer_attributes.ts";
import { type Option, required, type Table } from "../edge/config/option.ts";
import { addressListSchema } from "../plugins/ppp/address_lists.ts";
import {
  aaaOptions,
  changeClientOptions,
  coaOptions,
  mapOptions,
  radiusOptions,
  realmOptions,
  serverOptions,
} from "../plugins/ppp/aaa/options.ts";
import { options as ovsOptions, section as ovsSection } from "../plugins/ovs/mod.ts";
import { userShape } from "../plugins/ppp/aaa/users.ts";
import {
  clientShape,
  poolSchema,
  profileSchema,
  sectionShape,
  terminateSchema,
  tunSchema,
} from "../plugins/ppp/options.ts";

import { portOptions as switchPort } from "../plugins/vswitch/options.ts";

/** What is known of a schema's keys. */
type Shape = Readonly<
  Record<string, { description?: string; _zod: { def: { type: string; defaultValue?: unknown } } }>
>;

const pages = ["configuration.md", "ppp.md", "radius.md", "switch.md"] as const;

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

/** The same, of schemas. */
const schemas: Readonly<Record<string, Shape>> = {
  keepalive: keepaliveSchema.shape,
  "ppp section": sectionShape,
  "ppp pool": poolSchema.shape,
  "ppp address list": addressListSchema.shape,
  "ppp profile": profileSchema.shape,
  "ppp terminate": own(terminateSchema.shape),
  "ppp tun": tunSchema.shape,
  "ppp client": clientShape,
  "ppp aaa": aaaOptions.shape,
  "ppp radius": radiusOptions.shape,
  "ppp server": serverOptions.shape,
  "ppp realm": realmOptions.shape,
  "ppp coa": coaOptions.shape,
  "ppp coa client": changeClientOptions.shape,
  "ppp map": mapOptions.shape,
  "ppp user": userShape,
  "switch port": switchPort.shape,
  "ovs section": ovsSection.shape,
  "ovs circuit": ovsOptions.shape,
};

/** The page with its tables as the rows have them; formatted anew by `deno fmt`. */
function withTables(text: string): string {
  return text.replaceAll(
    /(<!-- options: (.*?) -->\n).*?(<!-- end -->)/gs,
    (_, start: string, name: string, end: string) => `${start}\n${tableNamed(name)}\n${end}`,
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

function tableNamed(name: string): string {
  const [table, shape] = [tables[name], schemas[name]];
  return table ? tableOf(table) : tableOfShape(shape!);
}

/** A termination's own options: those of a profile stand in a table of their own. */
function own(shape: Shape): Shape {
  return Object.fromEntries(Object.entries(shape).filter(([key]) => !(key in profileSchema.shape)));
}

function tableOfShape(shape: Shape): string {
  const rows = Object.entries(shape).map(([key, schema]) => {
    const { defaultValue, type } = schema._zod.def;
    const value = type === "default"
      ? `\`${JSON.stringify(defaultValue)}\``
      : type === "optional"
      ? "none"
      : "required";
    return `| \`${key}\` | ${(schema.description ?? "").replaceAll("|", "\\|")} | ${value} |`;
  });
  return ["| key | value | default |", "| --- | --- | --- |", ...rows, ""].join("\n");
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

for (const name of pages) {
  const page = new URL(name, import.meta.url);
  const text = Deno.readTextFileSync(page);
  if (Deno.args[0] !== "--check") Deno.writeTextFileSync(page, withTables(text));
  else check(name, text);
}

function check(page: string, text: string): void {
  const right = cellsOf(withTables(text));
  const wrong = cellsOf(text).find((row, i) => row !== right[i]);
  if (wrong !== undefined || right.length !== cellsOf(text).length) {
    throw new Error(`${page}: ${wrong}: not as its option says; run deno task docs`);
  }
}
