/**
 * YAML text to plain values, with the position of each: the one place that knows how the `yaml` library reads.
 *
 * What is read is YAML 1.2's core schema without tags. Whatever the text, nothing is thrown, and the work is bounded:
 * by the text's size, by nesting, and by how many values its aliases stand for.
 *
 * @module
 */

import type {
  Alias,
  CST,
  ErrorCode,
  LineCounter as Lines,
  Pair,
  ParsedNode,
  Scalar,
  YAMLMap,
  YAMLSeq,
} from "yaml";
import type { Path } from "./problem.ts";
import {
  Composer,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  Parser,
} from "../../plugins/yaml.ts";

/** The longest text that is read, in UTF-16 units. */
export const maxLength = 16 * 1024 * 1024;
/** How deep maps and lists may nest, aliases followed. */
export const maxDepth = 32;
/** How many values aliases may bring a text to. */
export const maxValues = 2_000_000;

/** A place in the text, 1-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Something wrong with the text. */
export interface YamlProblem extends Position {
  readonly path: Path;
  readonly message: string;
}

/** A text that was understood. */
export interface YamlDocument {
  /** Null, booleans, finite numbers, strings, arrays, and maps as objects without a prototype. Aliased values are shared. */
  readonly value: unknown;
  /** Where the value at `path` begins, or else the nearest thing around it. */
  positionOf(path: Path): Position;
  /** Where the key that ends `path` stands, or else the nearest thing around it. */
  keyPositionOf(path: Path): Position;
}

/** What {@linkcode parseYaml} found; without a document, the text has no value. */
export interface ParsedYaml {
  readonly document?: YamlDocument;
  readonly problems: readonly YamlProblem[];
}

/** Reads one YAML document. Duplicate keys are problems; the first one's value stands. */
export function parseYaml(text: string): ParsedYaml {
  if (text.length > maxLength) {
    const message = `the file is too long; expected at most ${maxLength} characters`;
    return { problems: [{ line: 1, column: 1, path: [], message }] };
  }
  const lines = new LineCounter();
  const tokens = [...new Parser(lines.addNewLine).parse(text)];
  const deep = tooDeep(tokens);
  if (deep !== undefined) {
    return { problems: [{ ...positionAt(lines, deep), path: [], message: depthMessage }] };
  }
  const composer = new Composer({
    version: "1.2",
    schema: "core",
    merge: false,
    resolveKnownTags: false,
    prettyErrors: false,
    // The library compares each key with all others; `Reader` below looks them up.
    uniqueKeys: false,
  });
  const documents = [...composer.compose(tokens, true, text.length)];
  const syntax = syntaxProblems(
    lines,
    documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]),
  );
  if (syntax.length > 0) return { problems: syntax };
  if (documents.length > 1) {
    const position = positionAt(lines, documents[1]!.range[0]);
    const message = "a second document begins; expected one document";
    return { problems: [{ ...position, path: [], message }] };
  }
  return new Reader(lines).read(documents[0]!.contents as ParsedNode | null);
}

const depthMessage = `nested too deeply; expected at most ${maxDepth} levels`;

/** The offset of the first map or list nested deeper than {@linkcode maxDepth}; the composer recurses, so it is not asked. */
function tooDeep(tokens: readonly CST.Token[]): number | undefined {
  const stack = tokens.map((token) => ({ token, depth: 0 }));
  while (stack.length > 0) {
    const { token, depth } = stack.pop()!;
    if (depth > maxDepth) return token.offset;
    if (token.type === "document" && token.value) stack.push({ token: token.value, depth });
    if (!("items" in token)) continue;
    for (const item of token.items) {
      if (item.key) stack.push({ token: item.key, depth: depth + 1 });
      if (item.value) stack.push({ token: item.value, depth: depth + 1 });
    }
  }
  return undefined;
}

function positionAt(lines: Lines, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** The library's complaints in our words (its own quote the text, which may be a secret); the first of each line. */
function syntaxProblems(
  lines: Lines,
  errors: readonly { code: ErrorCode; pos: [number, number] }[],
): YamlProblem[] {
  const byLine = new Map<number, YamlProblem>();
  for (const { code, pos } of errors) {
    const position = positionAt(lines, pos[0]);
    if (byLine.has(position.line)) continue;
    byLine.set(position.line, { ...position, path: [], message: syntaxMessages[code] });
  }
  return [...byLine.values()];
}

const tagMessage = "a YAML tag (!…); expected none, for tags are not read";
const syntaxMessages: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: "an alias (*…) with an anchor or tag of its own; expected the alias alone",
  BAD_ALIAS: "a broken anchor or alias name; expected letters and digits",
  BAD_COLLECTION_TYPE: tagMessage,
  BAD_DIRECTIVE: "a broken YAML directive (%…); expected none",
  BAD_DQ_ESCAPE: "an unknown escape in a double-quoted string; expected single quotes, or \\\\",
  BAD_INDENT: "wrong indentation; expected the same column as the other items of this map or list",
  BAD_PROP_ORDER: "an anchor or tag out of place; expected it just before its value",
  BAD_SCALAR_START: "a value may not begin with this character; expected quotes around it",
  BLOCK_AS_IMPLICIT_KEY:
    "a second ':' on one line; expected quotes around the value, or a new indented line",
  BLOCK_IN_FLOW: "an indented block inside [ ] or { }; expected everything in brackets",
  DUPLICATE_KEY: "a duplicate key",
  IMPOSSIBLE: "not YAML",
  KEY_OVER_1024_CHARS: "a key longer than 1024 characters",
  MISSING_CHAR: "something is missing before this, such as ':', a comma or a closing quote",
  MULTILINE_IMPLICIT_KEY: "a key that goes on over several lines; expected 'key: value' on one",
  MULTIPLE_ANCHORS: "two anchors on one value; expected one",
  MULTIPLE_DOCS: "a second document begins; expected one document",
  MULTIPLE_TAGS: tagMessage,
  NON_STRING_KEY: "a key that is not plain text",
  RESOURCE_EXHAUSTION: depthMessage,
  TAB_AS_INDENT: "a tab as indentation; expected spaces",
  TAG_RESOLVE_FAILED: tagMessage,
  UNEXPECTED_TOKEN: "unexpected text or bracket here; expected 'key: value' or a list item",
};

/** A value that an anchor names: how many values it stands for, and how deep they nest. */
interface Measured {
  readonly value: unknown;
  readonly node: ParsedNode | null;
  readonly count: number;
  readonly depth: number;
}

/** Turns nodes into values, and finds nodes again by path. */
class Reader {
  readonly #lines: Lines;
  readonly #problems: YamlProblem[] = [];
  readonly #anchors = new Map<string, Measured>();
  readonly #aliased = new Map<Alias, ParsedNode | null>();
  /** The pairs of maps by key, made on first use: a map of 10,000 is searched once. */
  readonly #pairs = new WeakMap<YAMLMap, Map<string, Pair>>();
  #values = 0;
  #exhausted = false;

  constructor(lines: Lines) {
    this.#lines = lines;
  }

  read(root: ParsedNode | null): ParsedYaml {
    const { value } = this.#measure(root, [], 0);
    const document: YamlDocument = {
      value,
      positionOf: (path) => this.#locate(root, path, "value"),
      keyPositionOf: (path) => this.#locate(root, path, "key"),
    };
    return { document, problems: this.#problems };
  }

  #measure(node: ParsedNode | null, path: Path, level: number): Measured {
    let measured: Measured;
    if (isAlias(node)) measured = this.#alias(node, path, level);
    else if (isMap(node)) measured = this.#map(node as YAMLMap.Parsed, path, level);
    else if (isSeq(node)) measured = this.#list(node as YAMLSeq.Parsed, path, level);
    else measured = this.#scalar(node, path);
    if (node && !isAlias(node) && node.anchor) this.#anchors.set(node.anchor, measured);
    return measured;
  }

  #scalar(node: Scalar.Parsed | null, path: Path): Measured {
    const value = node?.value ?? null;
    this.#values++;
    if (typeof value === "number" && !Number.isFinite(value)) {
      this.#add(node, path, "expected a finite number, or quotes around the text");
      return { value: null, node, count: 1, depth: 0 };
    }
    return { value, node, count: 1, depth: 0 };
  }

  #map(node: YAMLMap.Parsed, path: Path, level: number): Measured {
    const value: Record<string, unknown> = Object.create(null);
    let count = 1;
    let depth = 0;
    this.#values++;
    for (const pair of node.items) {
      const key = keyOf(pair);
      if (isMergeKey(pair)) {
        this.#add(pair.key, path, "a merge key (<<) is not read; expected the keys themselves");
        continue;
      }
      if (key === undefined || key === "__proto__") {
        this.#add(pair.key, path, "this cannot be a key; expected a plain name");
        continue;
      }
      const child = this.#measure(pair.value, [...path, key], level + 1);
      count += child.count;
      depth = Math.max(depth, child.depth + 1);
      if (Object.hasOwn(value, key)) {
        this.#add(pair.key, [...path, key], "duplicate key; expected each key once");
      } else {
        value[key] = child.value;
      }
    }
    return { value, node, count, depth };
  }

  #list(node: YAMLSeq.Parsed, path: Path, level: number): Measured {
    this.#values++;
    let count = 1;
    let depth = 0;
    const value = node.items.map((item, i) => {
      const child = this.#measure(item as ParsedNode, [...path, i], level + 1);
      count += child.count;
      depth = Math.max(depth, child.depth + 1);
      return child.value;
    });
    return { value, node, count, depth };
  }

  /** An alias costs as much as what it stands for: nine lines of nine aliases each do not get far. */
  #alias(node: Alias.Parsed, path: Path, level: number): Measured {
    const target = this.#anchors.get(node.source);
    const nothing = { value: null, node: null, count: 1, depth: 0 };
    if (!target) {
      this.#add(node, path, "an alias without an anchor before it; expected &name earlier");
      return nothing;
    }
    if (this.#values + target.count > maxValues) {
      if (!this.#exhausted) {
        const message =
          `the aliases up to here stand for too much; expected at most ${maxValues} values`;
        this.#add(node, path, message);
      }
      this.#exhausted = true;
      return nothing;
    }
    if (level + target.depth > maxDepth) {
      this.#add(node, path, depthMessage);
      return nothing;
    }
    this.#values += target.count;
    this.#aliased.set(node, target.node);
    return { ...target };
  }

  #add(node: unknown, path: Path, message: string): void {
    this.#problems.push({ ...positionAt(this.#lines, offsetOf(node) ?? 0), path, message });
  }

  #locate(root: ParsedNode | null, path: Path, end: "key" | "value"): Position {
    let node: unknown = root;
    let offset = offsetOf(root) ?? 0;
    for (const [i, part] of path.entries()) {
      const target = isAlias(node) ? this.#aliased.get(node as Alias) : node;
      const last = i === path.length - 1;
      if (isMap(target) && typeof part === "string") {
        const pair = this.#pairOf(target, part);
        if (!pair) break;
        node = pair.value;
        offset = (last && end === "value" ? offsetOf(node) : undefined) ?? offsetOf(pair.key) ??
          offset;
      } else if (isSeq(target) && typeof part === "number") {
        node = target.items[part];
        offset = offsetOf(node) ?? offset;
      } else break;
    }
    return positionAt(this.#lines, offset);
  }

  #pairOf(map: YAMLMap, key: string): Pair | undefined {
    let pairs = this.#pairs.get(map);
    if (!pairs) {
      pairs = new Map();
      for (const pair of map.items) {
        const name = keyOf(pair);
        if (name !== undefined && !pairs.has(name)) pairs.set(name, pair);
      }
      this.#pairs.set(map, pairs);
    }
    return pairs.get(key);
  }
}

/** A pair's key as it was written (`007` stays `007`); undefined for maps, lists, aliases and nothing. */
function keyOf(pair: Pair): string | undefined {
  if (!isScalar(pair.key)) return undefined;
  const { value, source } = pair.key;
  if (typeof value === "string") return value;
  return value === null || source === undefined || source === "" ? undefined : source;
}

/** `<<` without quotes: in YAML 1.1 the keys of another map stand for it. */
function isMergeKey({ key }: Pair): boolean {
  return isScalar(key) && key.value === "<<" && key.type === "PLAIN";
}

function offsetOf(node: unknown): number | undefined {
  return (node as { range?: [number, number, number] } | null | undefined)?.range?.[0];
}
