/**
 * What an option is: one row says all that the file, the admin API, the command line, the views and the docs need to
 * know of it. The rows themselves are in `attributes.ts`.
 *
 * @module
 */

import { z } from "zod";
import type { ProtoVersion } from "../../core/pseudowire.ts";

// zod would compile code for each schema of an object when it is first used, which takes longer than it ever saves here:
// texts that are large enough take their time as YAML.
z.config({ jitless: true });

/** What a value may be, and how the command line writes it. */
export interface Kind<Given> {
  /** Checks one value by itself, and changes nothing. */
  readonly schema: z.ZodType<Given>;
  /** How a word of the command line becomes a value. */
  readonly word:
    | { readonly as: "number" | "flag" | "text" | "yaml" }
    | { readonly as: "choice"; readonly words: readonly string[] };
  /** What stands for a value in help texts. */
  readonly placeholder: string;
}

/** In place of a default: the value must be given. */
export const required: unique symbol = Symbol("required");

/**
 * What a change of it does to what is up:
 * - `live`: the change is made in place, and nothing else happens
 * - `next`: it counts from the next connection on, and nothing ends for it
 * - `restart`: what it belongs to ends, and begins anew with it
 * - `identity`: it makes another thing of it, which the API refuses: delete it and create it anew
 */
export type Change = "live" | "next" | "restart" | "identity";

/** What a row says beside the {@linkcode Kind} of its values. */
export interface Row<Given, Value, Field extends string, Default> {
  /** The field of the model. */
  readonly field: Field;
  /** One sentence or two, for the docs, `--help` and `/openapi.json`. */
  readonly help: string;
  /** What counts where nothing is given; undefined: the field is absent then. */
  readonly default: Default | ((version: ProtoVersion) => Default);
  /** The default in words, where the value does not say it. */
  readonly otherwise?: string;
  readonly change: Change;
  /** How the file calls it, where that is not its own name. */
  readonly fileKey?: string;
  /** From what is written to what the model holds; absent: the same. */
  readonly read?: (given: Given) => Value;
  /** The way back. */
  readonly show?: (value: Value) => Given;
}

/** One option. */
// deno-lint-ignore no-explicit-any
export interface Option<Given = any, Value = any, Field extends string = string, Default = any>
  extends Kind<Given>, Row<Given, Value, Field, Default> {}

/** Options by their names. */
export type Table = Readonly<Record<string, Option>>;

/** An option of values of `kind`. */
export function option<
  Given,
  const Field extends string,
  Default,
  Value = Given,
>(
  { schema, ...kind }: Kind<Given>,
  row: Row<Given, Value, Field, Default> & { readonly placeholder?: string },
): Option<Given, Value, Field, Default> {
  return { ...kind, ...row, schema: schema.describe(row.help) };
}

/** The fields that a table gives the model. */
export type Fields<T extends Table> =
  & {
    readonly [
      Name in keyof T as undefined extends DefaultOf<T[Name]> ? never : T[Name]["field"]
    ]: ValueOf<T[Name]>;
  }
  & {
    readonly [
      Name in keyof T as undefined extends DefaultOf<T[Name]> ? T[Name]["field"] : never
    ]?: ValueOf<T[Name]>;
  };

/** What may be given for the options of a table. */
export type Given<T extends Table> = { readonly [Name in keyof T]?: GivenOf<T[Name]> | undefined };

/** All options of a table that have a value. */
export type Shown<T extends Table> =
  & {
    readonly [
      Name in keyof T as undefined extends DefaultOf<T[Name]> ? never : Name
    ]: GivenOf<T[Name]>;
  }
  & {
    readonly [
      Name in keyof T as undefined extends DefaultOf<T[Name]> ? Name : never
    ]?: GivenOf<T[Name]>;
  };

type GivenOf<O> = O extends Option<infer G, infer _V, infer _F, infer _D> ? G : never;
type ValueOf<O> = O extends Option<infer _G, infer V, infer _F, infer _D> ? V : never;
type DefaultOf<O> = O extends Option<infer _G, infer _V, infer _F, infer D> ? D : never;

/** A field that has no value, and must have one. */
export interface Missing {
  readonly attribute: string;
  readonly message: string;
}

/** The fields of the model, from values that their schemas accepted and from defaults. */
export function readOptions<T extends Table>(
  table: T,
  version: ProtoVersion,
  given: Given<T>,
): { readonly fields: Fields<T>; readonly missing: readonly Missing[] } {
  const fields: Record<string, unknown> = {};
  const missing: Missing[] = [];
  for (const [name, row] of Object.entries(table)) {
    const value = given[name];
    const read = value === undefined ? defaultOf(row, version) : row.read?.(value) ?? value;
    if (read === required) {
      missing.push({ attribute: name, message: `missing; expected ${row.otherwise ?? "a value"}` });
    } else if (read !== undefined) fields[row.field] = read;
  }
  return { fields: fields as Fields<T>, missing };
}

/** What the model holds where nothing is given. */
export function defaultOf(row: Option, version: ProtoVersion): unknown {
  return typeof row.default === "function" ? row.default(version) : row.default;
}

/** The options as they could be given again, defaults included. */
export function showOptions<T extends Table>(table: T, fields: Fields<T>): Shown<T> {
  const given: Record<string, unknown> = {};
  for (const [name, row] of Object.entries(table)) {
    const value = (fields as Record<string, unknown>)[row.field];
    if (value === undefined) continue;
    given[name] = row.show?.(value) ?? value;
  }
  return given as Shown<T>;
}

/** Schemas for an object of the table's options, each optional. */
export function optionalShape<T extends Table>(
  table: T,
): { readonly [Name in keyof T]: z.ZodOptional<z.ZodType<GivenOf<T[Name]>>> } {
  return Object.fromEntries(
    Object.entries(table).map(([name, { schema }]) => [name, schema.optional()]),
  ) as { [Name in keyof T]: z.ZodOptional<z.ZodType<GivenOf<T[Name]>>> };
}

/** The fields whose change means `change`. */
export function fieldsThat<T extends Table>(table: T, change: Change): T[keyof T]["field"][] {
  return Object.values(table).filter((row) => row.change === change).map(({ field }) => field);
}

/** A whole number. */
export function whole(min: number, max: number): Kind<number> {
  const error = `expected a whole number from ${min} to ${max}`;
  const schema = z.int({ error }).min(min, { error }).max(max, { error });
  return { schema, word: { as: "number" }, placeholder: "NUMBER" };
}

/** A number of seconds; milliseconds are the finest that counts. The model holds milliseconds. */
export function seconds(min: number, max: number, because = ""): Kind<number> {
  const error = `expected a number of seconds from ${min} to ${max}${because}`;
  const schema = z.number({ error }).min(min, { error }).max(max, { error });
  return { schema, word: { as: "number" }, placeholder: "SECONDS" };
}

/** Seconds in what is written, milliseconds in the model. */
export const inMilliseconds = {
  read: (given: number) => Math.round(given * 1000),
  show: (value: number) => value / 1000,
} as const;

/** True or false. */
export function flag(): Kind<boolean> {
  const schema = z.boolean({ error: "expected true or false" });
  return { schema, word: { as: "flag" }, placeholder: "on|off" };
}

/** One of a few words. */
export function choice<const Word extends string>(words: readonly Word[]): Kind<Word> {
  const [last, ...others] = [...words].reverse();
  const error = `expected ${[...others].reverse().join(", ")}${others.length ? " or " : ""}${last}`;
  return {
    schema: z.enum(words, { error }) as unknown as z.ZodType<Word>,
    word: { as: "choice", words },
    placeholder: words.join("|"),
  };
}

/** Text of a form. */
export function text(schema: z.ZodType<string>, placeholder = "TEXT"): Kind<string> {
  return { schema, word: { as: "text" }, placeholder };
}

/** Something with parts; the command line writes it as the file does. */
export function parts<Given>(schema: z.ZodType<Given>, placeholder = "{ … }"): Kind<Given> {
  return { schema, word: { as: "yaml" }, placeholder };
}

/** One of some numbers. A union and not one literal of several values: the API's description tells all of them so. */
export function numberOf<const Value extends number>(
  values: readonly Value[],
  error?: string,
): z.ZodType<Value> {
  return z.union(values.map((value) => z.literal(value)), error === undefined ? {} : { error });
}
