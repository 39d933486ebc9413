/** Changes to a configuration file's text that leave the rest of it as it was written, comments included. Pure. @module */

import type { Document } from "yaml";
import type { Json } from "../../plugins/plugin.ts";
import { isMap, parseDocument } from "../../plugins/yaml.ts";

/** One change: what stands at a path of keys shall be this; undefined: nothing. An empty map: a map, whatever is in it. */
export interface Edit {
  readonly path: readonly string[];
  readonly value: Json | undefined;
}

/**
 * The text after the edits, one after the other. What is new stands behind what is there; a comment stays with the key
 * that it stands before. The text must be one that {@linkcode parseConfig} takes.
 */
export function editText(text: string, edits: readonly Edit[]): string {
  const document = parseDocument(text, { version: "1.2", schema: "core", keepSourceTokens: false });
  for (const { path, value } of edits) {
    if (value === undefined) remove(document, path);
    else put(document, path, value);
  }
  return document.toString({ lineWidth: 0, flowCollectionPadding: true });
}

/**
 * The edits without those that later ones make void, and the same text: however often a thing is changed, they do not
 * pile up. A value replaces all that was done at its path and below; a removal only other removals, for the maps that a
 * value made on its way stay.
 */
export function withoutSuperseded(edits: readonly Edit[]): Edit[] {
  const values = new Map<string, number>();
  const removals = new Map<string, number>();
  edits.forEach(({ path, value }, i) => {
    if (value === undefined) removals.set(JSON.stringify(path), i);
    // An empty map leaves what is in it.
    else if (!isEmpty(value)) values.set(JSON.stringify(path), i);
  });
  return edits.filter(({ path, value }, i) =>
    path.every((_, depth) => {
      const above = JSON.stringify(path.slice(0, depth + 1));
      const isOver = (last: number | undefined) => last !== undefined && last > i;
      return !isOver(values.get(above)) && !(value === undefined && isOver(removals.get(above)));
    })
  );
}

/** Puts a value where maps may still be missing on the way. */
function put(document: Document, path: readonly string[], value: Json): void {
  for (let depth = 0; depth < path.length; depth++) {
    const above = path.slice(0, depth);
    if (isMap(document.getIn(above, true))) continue;
    document.setIn(above, document.createNode({}));
  }
  // A plain value goes into the node that is there, whose comment stays.
  if (isMap(document.getIn(path, true)) && isEmpty(value)) return;
  document.setIn(path, typeof value === "object" ? document.createNode(value) : value);
}

function isEmpty(value: Json): boolean {
  return typeof value === "object" && !Array.isArray(value) &&
    Object.keys(value ?? {}).length === 0;
}

/** Takes a value out; a map that is empty then stays, for it may have a meaning (`accept:` of nothing). */
function remove(document: Document, path: readonly string[]): void {
  if (document.hasIn(path)) document.deleteIn(path);
}
