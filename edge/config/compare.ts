/** What differs between two lists of named things of a configuration. Pure. @module */

import { sessionOptions, tunnelOptions } from "./attributes.ts";
import type { SessionConfig, TunnelConfig } from "./model.ts";
import type { Table } from "./option.ts";
import { same } from "./same.ts";
import { each, type Slices } from "../slices.ts";

/** One thing as it was and as it shall be. */
export interface Changed<T> {
  readonly before: T;
  readonly after: T;
  /** What differs, by the model's keys. */
  readonly keys: readonly (keyof T & string)[];
}

/** Two lists, name by name. */
export interface Comparison<T> {
  readonly kept: readonly T[];
  /** They are the same, but not what they are made of. */
  readonly changed: readonly Changed<T>[];
  /** What has their name now is another thing. */
  readonly replaced: readonly Changed<T>[];
  readonly added: readonly T[];
  readonly removed: readonly T[];
}

/** What makes a static tunnel another one: where any of these changes, it is removed and added anew. */
export const tunnelIdentity = identityOf<TunnelConfig>(tunnelOptions);
/** What makes a session another one. */
export const sessionIdentity = identityOf<SessionConfig>(sessionOptions);
/** What makes a tunnel with a control connection another one. */
export const managedIdentity = ["peer", "encap"] as const;

/** The fields of a table's options that make another thing of what they belong to. */
function identityOf<T>(table: Table): readonly (keyof T)[] {
  return Object.values(table).filter(({ change }) => change === "identity")
    .map(({ field }) => field as keyof T);
}

/** How things are compared. */
export interface ComparedKeys<T> {
  /** Keys whose change makes another thing. */
  readonly identity: readonly (keyof T)[];
  /** Keys that are not looked at. */
  readonly aside: readonly (keyof T)[];
}

/** Compares lists whose names are unique in each, in slices. */
export function* comparing<T extends { readonly name: string }>(
  before: readonly T[],
  after: readonly T[],
  { identity, aside }: ComparedKeys<T>,
): Slices<Comparison<T>> {
  let count = 0;
  const old = new Map<string, T>();
  yield* each(before, (item) => void old.set(item.name, item));
  const [kept, added]: T[][] = [[], []];
  const [changed, replaced]: Changed<T>[][] = [[], []];
  for (const next of after) {
    if (++count % 32 === 0) yield;
    const previous = old.get(next.name);
    old.delete(next.name);
    if (!previous) {
      added!.push(next);
      continue;
    }
    const keys = changedKeys(previous, next, aside);
    const change = { before: previous, after: next, keys };
    if (keys.length === 0) kept!.push(next);
    else if (keys.some((key) => identity.includes(key))) replaced!.push(change);
    else changed!.push(change);
  }
  return {
    kept: kept!,
    changed: changed!,
    replaced: replaced!,
    added: added!,
    removed: [...old.values()],
  };
}

/** The keys whose values differ, those of `aside` left out. */
export function changedKeys<T extends object>(
  before: T,
  after: T,
  aside: readonly (keyof T)[] = [],
): (keyof T & string)[] {
  if (before === after) return [];
  const changed: (keyof T & string)[] = [];
  const look = (key: keyof T & string) => {
    if (!aside.includes(key) && !same(before[key], after[key])) changed.push(key);
  };
  for (const key in before) look(key);
  for (const key in after) if (!(key in before)) look(key);
  return changed;
}

/** Keys as operators write them: `peer-tunnel-id`. */
export function keyWords(keys: readonly string[]): string {
  return keys.map((key) => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)).join(
    ", ",
  );
}
