/** What `isthmus add|set|del|show tunnel` understand: `ip l2tp`'s keywords and the admin endpoint's attributes. @module */

import { tunnelOptions } from "../config/attributes.ts";
import { UsageError } from "./errors.ts";
import {
  address,
  type Attributes,
  attributesOf,
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

/** What a tunnel can be made from. */
export const tunnelKeywords: readonly Keyword[] = [
  tunnelId,
  peerTunnelId,
  name,
  ...optionKeywords({ "encap-type": encap }),
  address("local", "the local address; the kernel chooses if absent", "ip-saddr", "ip6-saddr"),
  address("remote", "the peer's address", "ip-daddr", "ip6-daddr"),
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
  return attributesOf(parsePairs(words, tunnelKeywords), tunnelKeywords);
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
