/** Pairs of keywords and values, as `ip l2tp` takes them. Pure. @module */

import type { Option, Table } from "../config/option.ts";
import { hint } from "../config/suggest.ts";
import { parseYaml } from "../config/yaml.ts";
import { UsageError } from "./errors.ts";

/** Attributes as the admin endpoint takes them. */
export type Attributes = Record<string, unknown>;

/** One keyword. */
export interface Keyword {
  /** Kebab-case; underscores are accepted as well. */
  readonly name: string;
  /** What stands for its value in help texts. */
  readonly value: string;
  readonly help: string;
  /** Whether it may be given more than once. */
  readonly repeat?: boolean;
  /** Whether it takes all the words that follow. */
  readonly rest?: boolean;
  /** What it writes in a request's body, as paths, where that has another name: errors of it name the keyword. */
  readonly attributes?: readonly string[];
  /**
   * The attributes that a value stands for. Absent: the command itself knows what to do with it.
   * @throws {UsageError} when it is no such value
   */
  readonly read?: (text: string) => Attributes;
}

/** The values given, by keyword. */
export type Given = ReadonlyMap<string, readonly string[]>;

/** Sorts words into pairs. @throws {UsageError} on an unknown or repeated keyword and a missing value */
export function parsePairs(words: readonly string[], known: readonly Keyword[]): Given {
  const given = new Map<string, string[]>();
  for (let i = 0; i < words.length; i += 2) {
    const word = words[i]!;
    const name = word.replaceAll("_", "-");
    const keyword = known.find((candidate) => candidate.name === name);
    if (!keyword) {
      const names = known.map((candidate) => candidate.name);
      throw new UsageError(`unknown keyword "${word}"${hint(word, names)}`);
    }
    if (words[i + 1] === undefined) {
      throw new UsageError(`${name}: missing its value; expected ${keyword.value}`);
    }
    if (given.has(name) && !keyword.repeat) throw new UsageError(`${name}: given twice`);
    if (keyword.rest) {
      given.set(name, words.slice(i + 1));
      break;
    }
    given.set(name, [...given.get(name) ?? [], words[i + 1]!]);
  }
  return given;
}

/** All attributes that the given values stand for. @throws {UsageError} */
export function attributesOf(given: Given, known: readonly Keyword[]): Attributes {
  const attributes: Attributes = {};
  for (const [name, texts] of given) {
    const read = known.find((keyword) => keyword.name === name)?.read;
    if (!read) continue;
    for (const text of texts) {
      for (const [attribute, value] of Object.entries(read(text))) {
        if (attribute in attributes && attributes[attribute] !== value) {
          throw new UsageError(`${name}: contradicts another keyword`);
        }
        attributes[attribute] = value;
      }
    }
  }
  return attributes;
}

/** The one keyword of `names` that was given, and its value. @throws {UsageError} when it is more or none */
export function onlyOne(
  given: Given,
  names: readonly [string, string],
  what: string,
): { readonly keyword: string; readonly value: string } {
  const [keyword, other] = names.filter((name) => given.has(name));
  if (keyword === undefined) {
    throw new UsageError(`which ${what}? expected ${names[0]} ID or ${names[1]} NAME`);
  }
  if (other !== undefined) throw new UsageError(`${other}: given together with ${keyword}`);
  return { keyword, value: given.get(keyword)![0]! };
}

/** What a deletion may tell the peer. */
export const resultKeywords: readonly Keyword[] = [
  { name: "result", value: "CODE", help: "the Result Code of the StopCCN or CDN" },
  { name: "error", value: "CODE", help: "its Error Code" },
  { name: "message", value: "TEXT", help: "its Error Message" },
];

/** The query of a deletion: what the peer is told. @throws {UsageError} */
export function resultQuery(given: Given): string {
  const query = new URLSearchParams();
  for (const { name } of resultKeywords) {
    const [text] = given.get(name) ?? [];
    if (text === undefined) continue;
    query.set(name, name === "message" ? text : String(readNumber(name, text)));
  }
  return query.size === 0 ? "" : `?${query}`;
}

/** Help on keywords, a line each. */
export function describeKeywords(known: readonly Keyword[]): string {
  const heads = known.map(({ name, value }) => `  ${name} ${value}`);
  const width = Math.max(...heads.map((head) => head.length));
  return heads.map((head, i) => `${head.padEnd(width)}  ${known[i]!.help}`).join("\n");
}

/** A keyword for each option, called as the file calls it. */
export function optionKeywords(table: Table): readonly Keyword[] {
  return Object.entries(table).map(([attribute, { default: otherwise, ...row }]): Keyword => {
    const name = row.fileKey ?? attribute;
    const read = (given: string) => ({ [attribute]: valueOf(name, row.word, given) });
    const none = otherwise === "" && row.word.as === "text";
    return {
      name,
      value: row.placeholder,
      help: row.help.replaceAll("`", ""),
      attributes: [attribute],
      read: none ? (given) => given === "none" ? { [attribute]: "" } : read(given) : read,
    };
  });
}

/** @throws {UsageError} when `given` is no such value */
function valueOf(name: string, word: Option["word"], given: string): unknown {
  switch (word.as) {
    case "number":
      return readNumber(name, given);
    case "flag":
      return oneOf(name, given, ["on", "off"]) === "on";
    case "choice":
      return oneOf(name, given, word.words);
    case "yaml":
      return yamlValue(name, given);
    case "text":
      return given;
  }
}

/** A value as the configuration file would have it. @throws {UsageError} */
export function yamlValue(where: string, text: string): unknown {
  const { document, problems } = parseYaml(text);
  if (document && problems.length === 0) return document.value;
  throw new UsageError(`${where}: ${problems[0]?.message ?? "expected a value"}`);
}

/** A keyword for a number, decimal or hexadecimal (0x…). */
export function numeric(name: string, value: string, help: string, attribute = name): Keyword {
  const read = (text: string) => ({ [attribute]: readNumber(name, text) });
  return { name, value, help, attributes: [attribute], read };
}

/** A number, decimal or hexadecimal. @throws {UsageError} which names the keyword */
export function readNumber(keyword: string, text: string): number {
  if (/^(\d{1,15}|0[xX][0-9a-fA-F]{1,12})$/.test(text)) return Number(text);
  throw new UsageError(`${keyword}: got "${text}"; expected a number`);
}

/** A keyword for a switch; `attributes` says what `on` and `off` mean. */
export function onOff(
  name: string,
  help: string,
  attributes = (on: boolean): Attributes => ({ [name]: on }),
): Keyword {
  return {
    name,
    value: "on|off",
    help,
    attributes: Object.keys(attributes(true)),
    read: (text) => attributes(oneOf(name, text, ["on", "off"]) === "on"),
  };
}

/** A keyword for one of a few words. */
export function choice<Word extends string>(
  name: string,
  words: readonly Word[],
  help: string,
  attributes: (word: Word) => Attributes,
): Keyword {
  const read = (text: string) => attributes(oneOf(name, text, words));
  const written = words.flatMap((word) => Object.keys(attributes(word)));
  return { name, value: words.join("|"), help, attributes: [...new Set(written)], read };
}

/** A keyword for text. */
export function text(name: string, value: string, help: string, attribute = name): Keyword {
  return { name, value, help, attributes: [attribute], read: (given) => ({ [attribute]: given }) };
}

function oneOf<Word extends string>(name: string, text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text);
  if (word !== undefined) return word;
  throw new UsageError(`${name}: got "${text}"; expected ${words.join(" or ")}`);
}
