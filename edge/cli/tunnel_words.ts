/** What `isthmus add|set|del|show tunnel` understand: `ip l2tp`'s keywords and the admin endpoint's attributes. @module */

import { canonicalIp } from "../../core/endpoint.ts";
import { tunnelOptions } from "../config/attributes.ts";
import { UsageError } from "./errors.ts";
import {
  type Attributes,
  attributesOf,
  choice,
  type Keyword,
  numeric,
  onlyOne,
  onOff,
  optionKeywords,
  parsePairs,
  readNumber,
  resultKeywords,
  resultQuery,
  text,
} from "./keywords.ts";

const name = text("name", "NAME", "the tunnel's name");
const { "encap-type": encap, ...otherOptions } = tunnelOptions;
const [tunnelId, peerTunnelId, ...otherKeywords] = optionKeywords(otherOptions) as [
  Keyword,
  Keyword,
  ...Keyword[],
];

/** Which tunnel. */
export const tunnelSelectors: readonly Keyword[] = [tunnelId, name, ...resultKeywords];

/** Which tunnels to show. */
export const tunnelFilters: readonly Keyword[] = [tunnelId, name, peerTunnelId];

/** An IP address by itself is an attribute; anything else is as the file has it, for tunnels with `peer`. */
function end(name: "local" | "remote", help: string): Keyword {
  const letter = name === "local" ? "s" : "d";
  const read = (given: string) =>
    canonicalIp(given) === undefined
      ? { [name]: given }
      : { [`${given.includes(":") ? "ip6" : "ip"}-${letter}addr`]: given };
  return {
    name,
    value: "ADDR",
    help: `${help}; with peer, one with a port too`,
    attributes: [`ip-${letter}addr`, `ip6-${letter}addr`, name],
    read,
  };
}

/** What a tunnel can be made from. */
export const tunnelKeywords: readonly Keyword[] = [
  tunnelId,
  peerTunnelId,
  name,
  ...optionKeywords({ "encap-type": encap }),
  end("local", "the local address; the kernel chooses if absent"),
  end("remote", "the peer's address"),
  text("peer", "NAME", "a peer of the configuration: the tunnel has a control connection"),
  choice("mode", ["persistent", "on-demand", "passive"], "with peer: who dials", (word) => ({
    mode: word,
  })),
  numeric("udp-sport", "PORT", "the local UDP port (1701)"),
  numeric("udp-dport", "PORT", "the peer's UDP port (1701)"),
  onOff("udp-csum", "UDP checksums over IPv4 (on)"),
  onOff("udp6-csum-tx", "UDP checksums in what is sent over IPv6 (on)", (on) => ({
    "udp-zero-csum6-tx": !on,
  })),
  onOff("udp6-csum-rx", "demand UDP checksums over IPv6 (on)", (on) => ({
    "udp-zero-csum6-rx": !on,
  })),
  ...otherKeywords,
];

/** The body of a request that adds a tunnel. @throws {UsageError} */
export function newTunnel(words: readonly string[]): Attributes {
  const body = attributesOf(parsePairs(words, tunnelKeywords), tunnelKeywords);
  for (const name of ["local", "remote"].filter(() => body["peer"] === undefined)) {
    if (body[name] === undefined) continue;
    throw new UsageError(`${name}: got "${body[name]}"; expected an IP address`);
  }
  return body;
}

/** Which tunnel to change, and the body that changes it. @throws {UsageError} */
export function tunnelChange(
  words: readonly string[],
): { readonly tunnel: string; readonly body: Attributes } {
  const given = parsePairs(words, tunnelKeywords);
  const tunnel = idOrName(onlyOne(given, ["tunnel-id", "name"], "tunnel"));
  const { name: _name, "tunnel-id": _id, ...body } = attributesOf(given, tunnelKeywords);
  if (Object.keys(body).length === 0) {
    throw new UsageError("nothing to change; --help lists the keywords");
  }
  return { tunnel, body };
}

/** Which tunnel to delete, and what to tell its peer. @throws {UsageError} */
export function tunnelEnd(
  words: readonly string[],
): { readonly tunnel: string; readonly query: string } {
  // `del tunnel to-hq result 6`: a word too many, and no keyword, is the tunnel itself.
  const [first] = words;
  const bare = first !== undefined && words.length % 2 === 1 &&
    !tunnelSelectors.some(({ name }) => name === first.replaceAll("_", "-"));
  const given = parsePairs(bare ? ["name", ...words] : words, tunnelSelectors);
  return {
    tunnel: idOrName(onlyOne(given, ["tunnel-id", "name"], "tunnel")),
    query: resultQuery(given),
  };
}

/** An id or name as it stands in URLs. @throws {UsageError} when an id is no number */
export function idOrName(
  { keyword, value }: { readonly keyword: string; readonly value: string },
): string {
  return keyword.endsWith("-id") ? String(readNumber(keyword, value)) : value;
}
