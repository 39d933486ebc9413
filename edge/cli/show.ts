/** `isthmus show …`: asks for what is there and prints it for people. @module */

import type {
  DownView,
  FailureView,
  ReloadView,
  SessionView,
  TunnelView,
} from "../admin/schemas.ts";
import { formatEndpoint } from "../../core/endpoint.ts";
import type { Action } from "./action.ts";
import type { Client } from "./client.ts";
import { RequestError } from "./errors.ts";
import { isRecord } from "./json.ts";
import { type Attributes, attributesOf, type Keyword, parsePairs } from "./keywords.ts";
import { hint } from "../config/suggest.ts";
import { sessionFilters } from "./session_words.ts";
import { showCircuits, showView } from "./plugin_words.ts";
import { chooseColumns, type Column, fitTable, formatTable } from "./table.ts";
import type { Shown } from "./shown.ts";
import { formatTree } from "./tree.ts";
import { tunnelFilters } from "./tunnel_words.ts";

type Show = Extract<Action, { do: "show" }>;

/** Carries out a `show` command. @throws {UsageError} @throws {RequestError} */
export async function show(client: Client, asked: Show): Promise<Shown> {
  const { what, words } = asked;
  switch (what) {
    case "tunnel": {
      const { filter, name } = selection(words, tunnelFilters);
      const all = await list<TunnelView>(client, "/v1/tunnels", "tunnels", filter);
      const tunnels = named("tunnel", name, all, (one) => [one.name, `${one["tunnel-id"]}`]);
      return shown(tunnels, tunnelColumns, asked);
    }
    case "session": {
      const { filter, name } = selection(words, sessionFilters);
      const all = await list<SessionView>(client, sessionsPath(filter), "sessions", filter);
      const sessions = named("session", name, all, (one) => [
        ...[one.name, `${one["session-id"]}`, `${one.tunnel}/${one.name}`],
        ...[one["circuit-state"]?.["user"]].filter((user) => typeof user === "string"),
      ]);
      const kept = sessions.some((one) => one["keepalive-state"]) ? [keepaliveColumn] : [];
      const columns = [...sessionColumns, ...kept, ...circuitColumns(sessions)];
      return shown(sessions, columns, asked);
    }
    case "peer": {
      return await showPeers(client, asked);
    }
    case "circuit":
      return await showCircuits(client, words[0]);
    case "view":
      return await showView(client, words);
    case "config": {
      const config = await client.request("GET", "/v1/config");
      return { json: config, text: formatTree(config) };
    }
    case "down": {
      const { down } = await client.request("GET", "/v1/down") as { readonly down: DownView[] };
      return shown(down, downColumns, asked);
    }
    case "failures": {
      const answer = await client.request("GET", "/v1/failures") as FailureList;
      return { json: answer, text: shown(answer.failures, failureColumns, asked).text };
    }
    case "drops":
      return await counters(client, "drops", ["REASON", "FRAMES"], asked);
    case "datapath":
      return await counters(client, "io", ["COUNTER", "VALUE"], asked);
  }
}

interface PeerRow {
  readonly name: string;
  readonly address?: readonly string[];
  readonly "proto-version": number;
  /** Its tunnels, with what those that are down say of it. */
  readonly tunnels: readonly TunnelView[];
}

const isUp = ({ control }: TunnelView) => control?.state === "established";

const peerColumns: readonly Column<PeerRow>[] = [
  { heading: "PEER", cell: ({ name }) => name },
  { heading: "VERSION", cell: (peer) => peer["proto-version"] },
  { heading: "ADDRESS", cell: ({ address = [] }) => address.join(",") || "any" },
  { heading: "UP", cell: ({ tunnels }) => tunnels.filter(isUp).length },
  { heading: "DOWN", cell: ({ tunnels }) => tunnels.filter((one) => !isUp(one)).length },
  { heading: "SESSIONS", cell: (peer) => peer.tunnels.reduce((sum, one) => sum + one.sessions, 0) },
  { heading: "REASON", cell: (peer) => peer.tunnels.find((one) => !isUp(one))?.control?.reason },
];

/** A line a peer, with what becomes of its tunnels; one that is named, or all with `--details`, with all of its keys. */
async function showPeers(client: Client, asked: Show): Promise<Shown> {
  const [name] = asked.words;
  const answer = await client.request("GET", "/v1/peers") as { peers: readonly PeerRow[] };
  const peers = named("peer", name, answer.peers, (peer) => [peer.name]);
  if (name !== undefined || asked.details) return { json: peers, text: blocks(peers) };
  const tunnels = await list<TunnelView>(client, "/v1/tunnels", "tunnels", {});
  const byPeer = Map.groupBy(tunnels, ({ control }) => control?.peer);
  const rows = peers.map((peer) => ({ ...peer, tunnels: byPeer.get(peer.name) ?? [] }));
  return { json: peers, text: fitTable(peerColumns, rows) };
}

/** A name, where there is an odd word, and the pairs that follow. @throws {UsageError} */
function selection(words: readonly string[], filters: readonly Keyword[]) {
  const name = words.length % 2 === 1 && filters.every((one) => one.name !== words[0]);
  const pairs = parsePairs(name ? words.slice(1) : words, filters);
  return { filter: attributesOf(pairs, filters), name: name ? words[0] : undefined };
}

/** Those of a name; all, where none is given. @throws {RequestError} where there is none */
export function named<Item>(
  what: string,
  name: string | undefined,
  items: readonly Item[],
  namesOf: (item: Item) => readonly string[],
): readonly Item[] {
  if (name === undefined) return items;
  const found = items.filter((item) => namesOf(item).includes(name));
  if (found.length > 0) return found;
  const names = items.flatMap((item) => namesOf(item).slice(0, 1));
  throw new RequestError(`there is no ${what} ${name}${hint(name, names)}`);
}

function shown<Item extends object>(
  items: readonly Item[],
  columns: readonly Column<Item>[],
  { details, output }: Show,
): Shown {
  const chosen = chooseColumns(columns, output);
  if (details) return { json: items, text: blocks(items) };
  // Who asked for columns gets them.
  return {
    json: items,
    text: output === undefined ? fitTable(chosen, items) : formatTable(chosen, items),
  };
}

/** What circuits tell of their sessions, a column each; who and where, if they know, wherever there is room. */
function circuitColumns(sessions: readonly SessionView[]): readonly Column<SessionView>[] {
  const names = new Set<string>();
  for (const { "circuit-state": state = {} } of sessions) {
    for (const [name, value] of Object.entries(state)) if (isScalar(value)) names.add(name);
  }
  return [...names].map((name) => ({
    heading: name.toUpperCase(),
    cell: ({ "circuit-state": state }) => {
      const value = state?.[name];
      return typeof value === "number" || value === undefined ? value : String(value);
    },
    ...(name !== "user" && name !== "address" && { wide: true }),
  }));
}

function isScalar(value: unknown): boolean {
  return ["string", "number", "boolean"].includes(typeof value);
}

/** What passed, for tunnels and sessions alike. */
const traffic: readonly Column<Pick<TunnelView, "statistics">>[] = ([
  "rx-packets",
  "rx-bytes",
  "tx-packets",
  "tx-bytes",
] as const).map((name) => ({
  heading: name.toUpperCase(),
  cell: ({ statistics }) => statistics[name],
  wide: true,
}));

const tunnelColumns: readonly Column<TunnelView>[] = [
  { heading: "NAME", cell: (tunnel) => tunnel.name },
  { heading: "TUNNEL-ID", cell: (tunnel) => tunnel["tunnel-id"] },
  { heading: "PEER-TUNNEL-ID", cell: (tunnel) => tunnel["peer-tunnel-id"], wide: true },
  { heading: "VERSION", cell: (tunnel) => tunnel["proto-version"], wide: true },
  { heading: "ENCAP", cell: (tunnel) => tunnel["encap-type"], wide: true },
  { heading: "LOCAL", cell: (tunnel) => endpoint(tunnel, "saddr", "udp-sport"), wide: true },
  { heading: "REMOTE", cell: (tunnel) => endpoint(tunnel, "daddr", "udp-dport") },
  { heading: "STATE", cell: ({ control, status }) => control?.state ?? status },
  { heading: "PEER", cell: ({ control }) => control?.peer, wide: true },
  { heading: "UPTIME", cell: ({ control }) => uptime(control?.uptime) },
  { heading: "SESSIONS", cell: (tunnel) => tunnel.sessions },
  ...traffic,
];

const sessionColumns: readonly Column<SessionView>[] = [
  { heading: "TUNNEL", cell: (session) => session.tunnel },
  { heading: "NAME", cell: (session) => session.name },
  { heading: "SESSION-ID", cell: (session) => session["session-id"] },
  { heading: "PEER-SESSION-ID", cell: (session) => session["peer-session-id"], wide: true },
  { heading: "TYPE", cell: (session) => session["pw-type"] },
  { heading: "STATUS", cell: (session) => session.status },
  { heading: "IFNAME", cell: (session) => session.ifname },
  { heading: "MTU", cell: (session) => session.mtu, wide: true },
  ...traffic,
];

const keepaliveColumn: Column<SessionView> = {
  heading: "KEEPALIVE",
  cell: (session) => session["keepalive-state"]?.state,
  wide: true,
};

const downColumns: readonly Column<DownView>[] = [
  { heading: "DOWN", cell: ({ path }) => path },
  { heading: "FOR", cell: ({ since }) => age(since) },
  { heading: "SINCE", cell: ({ since }) => since, wide: true },
  { heading: "REASON", cell: ({ reason }) => reason },
];

type FailureList = { readonly failures: readonly FailureView[] };

const failureColumns: readonly Column<FailureView>[] = [
  { heading: "AGO", cell: (failure) => age(failure["last-at"]) },
  { heading: "LAST", cell: (failure) => failure["last-at"], wide: true },
  { heading: "STAGE", cell: ({ stage }) => stage },
  { heading: "OF", cell: whose },
  { heading: "TIMES", cell: ({ count }) => count },
  { heading: "REASON", cell: ({ reason }) => reason },
  { heading: "REMOTE", cell: ({ remote }) => remote, wide: true },
  { heading: "PEER", cell: (failure) => failure.peer ?? failure["host-name"], wide: true },
  { heading: "TUNNEL", cell: ({ tunnel }) => tunnel, wide: true },
  { heading: "SESSION", cell: ({ session }) => session, wide: true },
  { heading: "MESSAGE", cell: ({ message }) => message },
];

/** What failed, as narrowly as is known: a call, a tunnel, a peer, or whoever sent something. */
function whose({ "host-name": hostName, peer, remote, session, tunnel }: FailureView) {
  const call = session === undefined ? tunnel : `${tunnel ?? peer ?? ""}/${session}`;
  return call ?? peer ?? hostName ?? remote;
}

/** How long ago something was, by this machine's clock. */
function age(time: string): string | undefined {
  return uptime(Math.max(0, (Date.now() - Date.parse(time)) / 1000));
}

const stepColumns: readonly Column<ReloadView["steps"][number]>[] = [
  { heading: "STEP", cell: ({ step }) => step },
  { heading: "PATH", cell: ({ path }) => path },
  { heading: "WHY", cell: ({ why }) => why },
];

/** What a reload did, and what is down after it. */
export function reloadText({ down, kept, steps }: ReloadView): string {
  const done = steps.length > 0 ? formatTable(stepColumns, steps) : "";
  return `${done}kept: ${kept}\n${
    down.length > 0 ? `\n${formatTable(chooseColumns(downColumns, undefined), down)}` : ""
  }`;
}

/** How many items to ask for at a time: as many as the endpoint gives. */
const pageSize = 10_000;

/** All items of a paged list that have the attributes of `filter`. */
async function list<Item extends object>(
  client: Client,
  path: string,
  key: string,
  filter: Attributes,
): Promise<Item[]> {
  const found: Item[] = [];
  let cursor: unknown;
  do {
    const after = cursor === undefined ? "" : `&cursor=${encodeURIComponent(String(cursor))}`;
    const page = await client.request("GET", `${path}?limit=${pageSize}${after}`);
    const items = isRecord(page) ? page[key] : undefined;
    if (!isRecord(page) || !Array.isArray(items)) throw foreign();
    found.push(...items.filter((item) => isRecord(item) && matches(item, filter)));
    cursor = page["next"];
  } while (cursor !== undefined);
  return found;
}

function matches(item: Record<string, unknown>, filter: Attributes): boolean {
  return Object.entries(filter).every(([name, value]) => item[name] === value);
}

/** One tunnel's sessions where the filter names the tunnel, else those of all. */
function sessionsPath(filter: Attributes): string {
  const tunnel = filter["tunnel-id"] ?? filter["tunnel"];
  if (tunnel === undefined) return "/v1/sessions";
  return `/v1/tunnels/${encodeURIComponent(String(tunnel))}/sessions`;
}

/** Every attribute of every item, an empty line between two. */
function blocks(items: readonly object[]): string {
  return items.map((item) => formatTree(item)).join("\n");
}

/** Counters, the largest first; those that are not 0, unless all are asked for. */
async function counters(
  client: Client,
  key: string,
  [name, value]: readonly [string, string],
  { details }: Show,
): Promise<Shown> {
  const datapath = await client.request("GET", "/v1/datapath");
  const found = isRecord(datapath) ? datapath[key] : undefined;
  if (!isRecord(found)) throw foreign();
  const rows = Object.entries(found)
    .map(([name, value]) => ({ name, value: Number(value) }))
    .filter(({ value }) => details || value !== 0)
    .sort((a, b) => b.value - a.value || (a.name < b.name ? -1 : 1));
  const columns: readonly Column<typeof rows[number]>[] = [
    { heading: name, cell: (row) => row.name },
    { heading: value, cell: (row) => row.value },
  ];
  return { json: found, text: formatTable(columns, rows) };
}

function endpoint(
  tunnel: TunnelView,
  end: "saddr" | "daddr",
  port: "udp-sport" | "udp-dport",
): string {
  const address = tunnel[`ip-${end}`] ?? tunnel[`ip6-${end}`] ?? "";
  return formatEndpoint({ address, port: tunnel[port] ?? 0 });
}

/** `45s`, `12m03s`, `7h05m`, `3d04h`. */
export function uptime(seconds: number | undefined): string | undefined {
  if (seconds === undefined) return undefined;
  const units = [["d", 86_400, 3600, "h"], ["h", 3600, 60, "m"], ["m", 60, 1, "s"]] as const;
  for (const [unit, size, rest, lesser] of units) {
    if (seconds < size) continue;
    const remainder = Math.floor(seconds % size / rest);
    return `${Math.floor(seconds / size)}${unit}${String(remainder).padStart(2, "0")}${lesser}`;
  }
  return `${Math.floor(seconds)}s`;
}

function foreign(): RequestError {
  return new RequestError("the server does not answer as isthmus does");
}
