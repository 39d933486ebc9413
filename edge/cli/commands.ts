/** The commands that ask an appliance, or tell of the program itself. @module */

import { socketsToTry, systemSocket } from "../config/admin_socket.ts";
import type { Action, GlobalOptions } from "./action.ts";
import { type Client, openClient } from "./client.ts";
import { completion } from "./completion.ts";
import { Refused, RequestError, UsageError } from "./errors.ts";
import { follow } from "./events.ts";
import { describeGrammar } from "./grammar.ts";
import { isRecord } from "./json.ts";
import { inLogWords, logChange } from "./log_words.ts";
import { manual } from "./manual.ts";
import { inKeywords, inPart, type InWords } from "./naming.ts";
import { newPeer, peerChange, peerKeywords, selectedPeer } from "./peer_words.ts";
import {
  inSessionWords,
  newSession,
  sessionChange,
  sessionEnd,
  type SessionPath,
} from "./session_words.ts";
import type { ReloadView } from "../admin/schemas.ts";
import { doWord } from "./plugin_words.ts";
import { reloadText, show } from "./show.ts";
import type { Shown } from "./shown.ts";
import { printable } from "../log/printable.ts";
import { portChange } from "./switch_words.ts";
import { trace } from "./trace.ts";
import { newTunnel, tunnelChange, tunnelEnd, tunnelKeywords } from "./tunnel_words.ts";
import { web } from "./web.ts";
import type { Deps } from "./deps.ts";

/** What is left of the commands without `run` and `check`. */
export type Asking = Exclude<Action, { do: "run" | "check" }>;

/** Carries out what is neither `run` nor `check`; gives the exit status. */
export async function perform(
  action: Asking,
  options: GlobalOptions,
  deps: Deps,
): Promise<number> {
  switch (action.do) {
    case "trace": {
      using client = await clientOf(options, deps);
      await traced(client, action, options, deps);
      return 0;
    }
    case "events": {
      using client = await clientOf(options, deps);
      await follow(client, { json: options.json, stdout: deps.stdout });
      return 0;
    }
    case "version":
      return await versions(options, deps);
    case "completion":
      deps.stdout(completion(action.shell, describeGrammar(deps.version)));
      return 0;
    case "manual":
      deps.stdout(manual(describeGrammar(deps.version), deps.version));
      return 0;
    case "show":
      return await shownOnceOrMore(action, options, deps);
    case "web": {
      using client = await clientOf(options, deps);
      await web(client, { port: action.port, stdout: deps.stdout });
      return 0;
    }
    default: {
      const request = plan(action);
      using client = await clientOf(options, deps);
      print(await request(client), options, deps);
      return 0;
    }
  }
}

function print({ json, text }: Shown, options: GlobalOptions, { columns, stdout }: Deps): void {
  if (options.json) return stdout(`${JSON.stringify(json ?? null, null, 2)}\n`);
  stdout(typeof text === "string" ? text : text(columns()));
}

/** With `--watch` in place on a terminal, elsewhere one after the other. */
async function shownOnceOrMore(
  action: Extract<Action, { do: "show" }>,
  options: GlobalOptions,
  deps: Deps,
): Promise<number> {
  const CLEAR = "\x1b[H\x1b[2J";
  using client = await clientOf(options, deps);
  const { watch } = action;
  do {
    const found = await show(client, action);
    if (watch !== undefined && deps.columns() !== undefined) deps.stdout(CLEAR);
    print(found, options, deps);
  } while (watch !== undefined && await deps.sleep(watch * 1000));
  return 0;
}

/** This program's, and the appliance's where one answers; they should be one. */
async function versions(options: GlobalOptions, deps: Deps): Promise<number> {
  deps.stdout(`isthmus ${deps.version}\n`);
  using client = await clientOf(options, deps);
  const { version } = await client.request("GET", "/healthz") as { version: string };
  deps.stdout(`appliance ${printable(version)}\n`);
  return 0;
}

async function clientOf(options: GlobalOptions, deps: Deps): Promise<Client> {
  return openClient(
    options.url ?? deps.env("ISTHMUS_URL") ?? await findSocket(deps),
    await readToken(options, deps),
  );
}

async function traced(
  client: Client,
  { count, data, of, pcapng }: Extract<Action, { do: "trace" }>,
  { json }: GlobalOptions,
  { create, stdout, version }: Deps,
): Promise<void> {
  await trace(client, {
    json,
    stdout,
    program: `isthmus ${version}`,
    ...(of !== undefined && { of }),
    ...(count !== undefined && { count }),
    ...(data !== undefined && { data }),
    ...(pcapng !== undefined && { capture: create(pcapng) }),
  });
}

/** Commands that do more than ask once. */
type Whole =
  | "completion"
  | "events"
  | "manual"
  | "show"
  | "trace"
  | "version"
  | "web";

/** What to ask of the appliance; wrong words throw here, before anything is asked. @throws {UsageError} */
function plan(
  action: Exclude<Asking, { do: Whole }>,
): (client: Client) => Promise<Shown> {
  switch (action.do) {
    case "reload":
      return async (client) => {
        const json = await client.request("POST", `/v1/reload${reloadQuery(action)}`);
        return { json, text: reloadText(json as ReloadView) };
      };
    case "confirm":
      return async (client) => {
        await client.request("POST", "/v1/reload/confirm");
        return { json: null, text: "" };
      };
    case "set-log":
      return change(["PATCH", "/v1/config", logChange(action.words), inLogWords]);
    case "port": {
      const { name, of } = action;
      const inWords = inPart(["switches", of, "ports", name], `port ${name}`);
      return change(["PATCH", "/v1/config", portChange(action), inWords]);
    }
    case "do":
      return (client) => doWord(client, action.word, action.words);
    case "save":
      return async (client) => {
        const json = await client.request("POST", "/v1/config/save");
        const { refused, text } = isRecord(json) ? json : {};
        if (refused === undefined) return { json, text: "" };
        return { json, text: `# not written: ${refused}\n${text}` };
      };
    default:
      return change(requests[action.what](action.do, action.words));
  }
}

/** @throws {UsageError} where the time to confirm is none */
function reloadQuery({ confirm, dryRun, force }: Extract<Action, { do: "reload" }>): string {
  if (confirm !== undefined && !(Number.isInteger(confirm) && confirm >= 1 && confirm <= 3600)) {
    throw new UsageError("--confirm: expected whole seconds, from 1 to 3600");
  }
  const query = new URLSearchParams({
    ...(dryRun && { "dry-run": "true" }),
    ...(force && { force: "true" }),
    ...(confirm !== undefined && { confirm: String(confirm) }),
  });
  return query.size > 0 ? `?${query}` : "";
}

/** Changes say nothing when all is well, as `ip l2tp` does; with `--json`, what there is now. */
function change([method, path, body, inWords]: Request): (client: Client) => Promise<Shown> {
  return async (client) => {
    try {
      return { json: await client.request(method, path, body), text: "" };
    } catch (error) {
      if (error instanceof Refused) throw new Refused(error.faults.map(inWords), error.more);
      throw error;
    }
  };
}

const requests = { tunnel: tunnelRequest, session: sessionRequest, peer: peerRequest };

/** A change, and what its faults are called on the command line. */
type Request = readonly ["POST" | "PATCH" | "DELETE", string, unknown, InWords];

const [inTunnelWords, inPeerWords] = [tunnelKeywords, peerKeywords].map(inKeywords) as [
  InWords,
  InWords,
];

function tunnelRequest(verb: "add" | "set" | "del", words: readonly string[]): Request {
  const path = (tunnel: string) => `/v1/tunnels/${encodeURIComponent(tunnel)}`;
  if (verb === "add") return ["POST", "/v1/tunnels", newTunnel(words), inTunnelWords];
  if (verb === "del") {
    const { query, tunnel } = tunnelEnd(words);
    return ["DELETE", path(tunnel) + query, undefined, inTunnelWords];
  }
  const { tunnel, body } = tunnelChange(words);
  return ["PATCH", path(tunnel), body, inTunnelWords];
}

function sessionRequest(verb: "add" | "set" | "del", words: readonly string[]): Request {
  const list = (tunnel: string) => `/v1/tunnels/${encodeURIComponent(tunnel)}/sessions`;
  const path = ({ tunnel, session }: SessionPath) =>
    `${list(tunnel)}/${encodeURIComponent(session)}`;
  if (verb === "del") {
    // One word alone is a subscriber, all of whose sessions PPP ends.
    if (words.length === 1) {
      return ["POST", "/v1/words/disconnect", { user: words[0] }, inSessionWords(words)];
    }
    const { query, ...which } = sessionEnd(words);
    return ["DELETE", path(which) + query, undefined, inSessionWords(words)];
  }
  if (verb === "add") {
    const { tunnel, body } = newSession(words);
    return ["POST", list(tunnel), body, inSessionWords(words)];
  }
  const { body, ...which } = sessionChange(words);
  return ["PATCH", path(which), body, inSessionWords(words)];
}

function peerRequest(verb: "add" | "set" | "del", words: readonly string[]): Request {
  const path = (peer: string) => `/v1/peers/${encodeURIComponent(peer)}`;
  if (verb === "add") return ["POST", "/v1/peers", newPeer(words), inPeerWords];
  if (verb === "del") return ["DELETE", path(selectedPeer(words)), undefined, inPeerWords];
  const { peer, body } = peerChange(words);
  return ["PATCH", path(peer), body, inPeerWords];
}

/** Where an appliance listens; the system's place where none does. */
async function findSocket(deps: Deps): Promise<string> {
  const places = socketsToTry({ uid: deps.uid(), env: deps.env });
  for (const path of places) if (await deps.exists(path)) return `unix:${path}`;
  return `unix:${systemSocket}`;
}

async function readToken({ tokenFile }: GlobalOptions, deps: Deps): Promise<string | undefined> {
  const file = tokenFile ??
    (deps.env("ISTHMUS_TOKEN") ? undefined : deps.env("ISTHMUS_TOKEN_FILE"));
  if (file === undefined) return deps.env("ISTHMUS_TOKEN") || undefined;
  let token: string;
  try {
    token = (await deps.readTextFile(file)).trim();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RequestError(`cannot read the token: ${why}`, { cause: error });
  }
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new RequestError(`${file}: expected one line, the token`);
  }
  return token;
}
