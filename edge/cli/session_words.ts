/** What `isthmus add|set|del|show session` understand. @module */

import { callOptions, sessionOptions } from "../config/attributes.ts";
import { directionsOf } from "../config/reading.ts";
import { UsageError } from "./errors.ts";
import {
  type Attributes,
  attributesOf,
  choice,
  type Given,
  type Keyword,
  numeric,
  onlyOne,
  optionKeywords,
  parsePairs,
  resultKeywords,
  resultQuery,
  text,
  yamlValue,
} from "./keywords.ts";
import { inCircuit, inKeywords, type InWords, isOf } from "./naming.ts";
import { idOrName } from "./tunnel_words.ts";

const name = text("name", "NAME", "the session's name");
const tunnelId: Keyword = { name: "tunnel-id", value: "ID", help: "its tunnel, by id" };
const tunnel: Keyword = { name: "tunnel", value: "NAME", help: "its tunnel, by name" };
const {
  "session-id": sessionIdOption,
  "peer-session-id": peerSessionIdOption,
  "send-seq": _send,
  "recv-seq": _recv,
  ...otherOptions
} = sessionOptions;
const [sessionId, peerSessionId] = optionKeywords({
  "session-id": sessionIdOption,
  "peer-session-id": peerSessionIdOption,
}) as [Keyword, Keyword];

/** Which session. */
export const sessionSelectors: readonly Keyword[] = [
  tunnelId,
  tunnel,
  sessionId,
  name,
  ...resultKeywords,
];

/** Which sessions to show. */
export const sessionFilters: readonly Keyword[] = [
  numeric("tunnel-id", "ID", "of the tunnel of this id"),
  text("tunnel", "NAME", "of the tunnel of this name"),
  sessionId,
  name,
  peerSessionId,
];

/** What a session can be made from. */
export const sessionKeywords: readonly Keyword[] = [
  tunnelId,
  tunnel,
  sessionId,
  peerSessionId,
  name,
  ...optionKeywords({ ...otherOptions, "cookie-size": callOptions["cookie-size"] }),
  text("remote-end-id", "TEXT", "what the peer shall know a call by"),
  choice(
    "direction",
    ["incoming", "outgoing"],
    "`outgoing`: have the peer place the call (OCRQ)",
    (direction) => ({ direction }),
  ),
  choice(
    "seq",
    ["none", "send", "recv", "both"],
    "sequence numbers: `send` them; `recv`, drop frames without one; or `both`",
    directionsOf,
  ),
  {
    name: "tap",
    value: "IFNAME",
    help: "end on this TAP device",
    attributes: ["circuit"],
  },
  {
    name: "address",
    value: "PREFIX",
    help: "an address of the TAP; may be repeated",
    repeat: true,
    attributes: ["circuit.tap.addresses", "circuit.addresses"],
  },
  {
    name: "mac",
    value: "MAC",
    help: "the TAP's hardware address",
    attributes: ["circuit.tap.mac", "circuit.mac"],
  },
  {
    name: "netns",
    value: "NAME",
    help: "the network namespace of the TAP",
    attributes: ["circuit.tap.netns", "circuit.netns"],
  },
  {
    name: "circuit",
    value: "PLUGIN [KEY VALUE]…",
    help: "end on this circuit, instead of tap; comes last, values are YAML",
    rest: true,
  },
];

/** A session's tunnel and its own id or name. */
export interface SessionPath {
  readonly tunnel: string;
  readonly session: string;
}

/** In which tunnel to add a session, and the body that adds it. @throws {UsageError} */
export function newSession(
  words: readonly string[],
): { readonly tunnel: string; readonly body: Attributes } {
  const given = parsePairs(words, sessionKeywords);
  return { tunnel: itsTunnel(given), body: sessionBody(given) };
}

/** Which session to change, and the body that changes it. @throws {UsageError} */
export function sessionChange(
  words: readonly string[],
): SessionPath & { readonly body: Attributes } {
  const given = parsePairs(words, sessionKeywords);
  const path = selectedSession(given);
  const { name: _name, "session-id": _id, ...body } = sessionBody(given);
  if (Object.keys(body).length === 0) {
    throw new UsageError("nothing to change; --help lists the keywords");
  }
  return { ...path, body };
}

/** Which session to delete, and what to tell its peer. @throws {UsageError} */
export function sessionEnd(words: readonly string[]): SessionPath & { readonly query: string } {
  const given = parsePairs(words, sessionSelectors);
  return { ...selectedSession(given), query: resultQuery(given) };
}

/** What is wrong with a session that was asked for in such words. */
export function inSessionWords(words: readonly string[]): InWords {
  const at = words.indexOf("circuit");
  const plugin = at % 2 === 0 ? words[at + 1] : undefined;
  const inWords = inKeywords(sessionKeywords);
  if (plugin === undefined) return inWords;
  return (fault) => isOf("circuit", fault) ? inCircuit(plugin)(fault) : inWords(fault);
}

function itsTunnel(given: Given): string {
  return idOrName(onlyOne(given, ["tunnel-id", "tunnel"], "tunnel"));
}

function selectedSession(given: Given): SessionPath {
  const tunnel = itsTunnel(given);
  return { tunnel, session: idOrName(onlyOne(given, ["session-id", "name"], "session")) };
}

function sessionBody(given: Given): Attributes {
  const circuit = given.has("circuit") ? anyCircuit(given) : tapCircuit(given);
  return { ...attributesOf(given, sessionKeywords), ...(circuit && { circuit }) };
}

/** `tap office0 address 192.168.7.1/24`: the same as `circuit tap name office0 addresses [192.168.7.1/24]`. */
function tapCircuit(given: Given): Attributes | undefined {
  const [ifname] = given.get("tap") ?? [];
  const addresses = given.get("address");
  const [mac] = given.get("mac") ?? [];
  const [netns] = given.get("netns") ?? [];
  if (ifname === undefined) {
    const stray = tapOnly.find((keyword) => given.has(keyword));
    if (stray !== undefined) throw new UsageError(`${stray}: of which device? expected tap IFNAME`);
    return undefined;
  }
  return {
    tap: {
      name: ifname,
      ...(addresses && { addresses }),
      ...(mac !== undefined && { mac }),
      ...(netns !== undefined && { netns }),
    },
  };
}

const tapOnly = ["address", "mac", "netns"];

/** `circuit <plugin> key value…`, each value as the configuration file would have it. */
function anyCircuit(given: Given): Attributes {
  const [plugin, ...pairs] = given.get("circuit")!;
  const stray = ["tap", ...tapOnly].find((keyword) => given.has(keyword));
  if (stray !== undefined) {
    throw new UsageError(`${stray}: given together with circuit; expected it among its options`);
  }
  const options: Attributes = {};
  for (let i = 0; i < pairs.length; i += 2) {
    const key = pairs[i]!.replaceAll("_", "-");
    const value = pairs[i + 1];
    if (value === undefined) throw new UsageError(`circuit ${plugin}: ${key}: missing its value`);
    if (Object.hasOwn(options, key)) {
      throw new UsageError(`circuit ${plugin}: ${key}: given twice; write a list as [a, b]`);
    }
    options[key] = yamlValue(`circuit ${plugin}: ${key}`, value);
  }
  return { [plugin!]: options };
}
