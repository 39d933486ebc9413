/** What `isthmus add|set|del|show peer` understand: the keys that the configuration file has for peers. @module */

import { connectionOptions, peerOptions } from "../config/peer_attributes.ts";
import { UsageError } from "./errors.ts";
import {
  type Attributes,
  attributesOf,
  type Keyword,
  optionKeywords,
  parsePairs,
  text,
  yamlValue,
} from "./keywords.ts";

const name = text("name", "NAME", "the peer's name");

/** Which peer. */
export const peerSelectors: readonly Keyword[] = [name];

/** What a peer can be made from; `default` for any of it: as if nothing was said. */
export const peerKeywords: readonly Keyword[] = [
  name,
  ...[
    ...optionKeywords({ ...peerOptions, ...connectionOptions }),
    yaml("address", "[ADDR…]", "who it may be: an address, a network, or a list of them"),
    text("secret-file", "FILE", "a file that holds the secret"),
    text("other-secret-file", "FILE", "a file that holds a second secret, while they change"),
    yaml("accept", "[{ … }]", "the calls that it may place, as the file has them"),
  ].map(orDefault),
];

/** The body of a request that adds a peer. @throws {UsageError} */
export function newPeer(words: readonly string[]): Attributes {
  const body = attributesOf(parsePairs(named(words), peerKeywords), peerKeywords);
  if (body["name"] === undefined) throw new UsageError("which peer? expected name NAME");
  return body;
}

/** Which peer to change, and the body that changes it. @throws {UsageError} */
export function peerChange(
  words: readonly string[],
): { readonly peer: string; readonly body: Attributes } {
  const { name, ...body } = newPeer(words);
  if (Object.keys(body).length === 0) {
    throw new UsageError("nothing to change; --help lists the keywords");
  }
  return { peer: String(name), body };
}

/** Which peer. @throws {UsageError} */
export function selectedPeer(words: readonly string[]): string {
  const [peer] = parsePairs(named(words), peerSelectors).get("name") ?? [];
  if (peer === undefined) throw new UsageError("which peer? expected name NAME");
  return peer;
}

/** `set peer hq hello 5`: a word too many, and no keyword, is the peer itself. */
function named(words: readonly string[]): readonly string[] {
  return words.length % 2 === 1 ? ["name", ...words] : words;
}

function yaml(keyword: string, value: string, help: string): Keyword {
  const read = (text: string) => ({ [keyword]: yamlValue(keyword, text) });
  return { name: keyword, value, help, read };
}

function orDefault(keyword: Keyword): Keyword {
  const read = (given: string) =>
    given === "default" ? { [keyword.name]: null } : keyword.read!(given);
  return { ...keyword, read };
}
