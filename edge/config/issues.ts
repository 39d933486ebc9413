/** What zod finds wrong, in the words of the configuration's errors. Pure. @module */

import { z } from "zod";
import type { Schema } from "../../plugins/plugin.ts";
import type { Path } from "./problem.ts";
import { showValue } from "./secrets.ts";
import { hint } from "./suggest.ts";

/** One thing wrong with a value, at or below it. */
export interface Issue {
  readonly path: Path;
  readonly message: string;
  /** Whether the key that ends the path is at fault, not its value. */
  readonly at: "key" | "value";
}

/** A value that its schema accepted, or everything wrong with it. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | {
    readonly ok: false;
    readonly issues: readonly Issue[];
    /** How many more there are: to say what would be right takes its time. */
    readonly more?: number;
  };

/** The most issues of one value that are told in full. */
export const maxIssues = 20;

/**
 * Checks `value` against `schema`.
 *
 * @param at where `value` lies, so that messages know which of its parts are secrets
 * @param most the most issues that are told in full
 */
export function check<T>(
  schema: Schema<T>,
  value: unknown,
  at: Path,
  most: number = maxIssues,
): Checked<T> {
  const result: ReturnType<Schema<T>["safeParse"]> = schema instanceof z.ZodType
    ? (schema as z.ZodType<T>).safeParse(value, { error: expectation })
    : schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const issues: Issue[] = [];
  let more = 0;
  const tell = (count: number, told: (left: number) => readonly Issue[]) => {
    const left = Math.min(count, most - issues.length);
    if (left > 0) issues.push(...told(left));
    more += count - Math.max(0, left);
  };
  for (const issue of result.error.issues) {
    const path = issue.path.filter((part) => typeof part !== "symbol");
    if (issue.code === "unrecognized_keys" && issue.keys) {
      const known = keysAt(schema, path);
      // What another copy of zod knows, or another library, cannot be told.
      const expected = schema instanceof z.ZodType ? (key: string) => hint(key, known) : () => "";
      const { keys } = issue;
      tell(keys.length, (left) =>
        keys.slice(0, left).map((key) => ({
          path: [...path, key],
          message: `unknown key${expected(key)}`,
          at: "key" as const,
        })));
    } else {
      tell(1, () => [{ path, message: complaint(issue.message, value, path, at), at: "value" }]);
    }
  }
  return { ok: false, issues, more };
}

/** Says what was found before an `expected …` or `must …`; other messages stand for themselves. */
function complaint(message: string, value: unknown, path: Path, at: Path): string {
  if (!/^(?:expected|must) /.test(message)) return message;
  const found = valueAt(value, path);
  if (found === undefined) return `missing; ${message}`;
  return `got ${showValue(found, [...at, ...path])}; ${message}`;
}

/** What would have been right, where a schema has no words of its own. */
function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return `expected ${typeNames[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return `expected ${issue.values.map(String).join(" or ")}`;
    case "too_small":
      return `expected ${issue.inclusive === false ? "more than" : "at least"} ${issue.minimum}${
        unit(issue.origin)
      }`;
    case "too_big":
      return `expected ${issue.inclusive === false ? "less than" : "at most"} ${issue.maximum}${
        unit(issue.origin)
      }`;
    case "not_multiple_of":
      return `expected a multiple of ${issue.divisor}`;
    case "invalid_format":
      return `expected ${issue.format === "regex" ? "another format" : `format ${issue.format}`}`;
    case "invalid_union":
      return "expected another value";
    default:
      return undefined;
  }
}

const typeNames: Readonly<Record<string, string>> = {
  string: "a string (in quotes if it looks like a number)",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
  record: "a map",
  null: "nothing",
};

function unit(origin: string): string {
  return origin === "string" ? " characters" : origin === "array" ? " items" : "";
}

function valueAt(value: unknown, path: Path): unknown {
  let found = value;
  for (const part of path) {
    if (typeof found !== "object" || found === null || !Object.hasOwn(found, part)) {
      return undefined;
    }
    found = (found as Record<string | number, unknown>)[part];
  }
  return found;
}

/** The keys of the object schema at `path` of `schema`; none where there is no such thing to be seen. */
function keysAt(schema: unknown, path: Path): string[] {
  let inner: unknown = unwrap(schema);
  for (const part of path) {
    if (inner instanceof z.ZodObject) inner = unwrap(inner.shape[part]);
    else if (inner instanceof z.ZodArray) inner = unwrap(inner.element);
    else if (inner instanceof z.ZodRecord) inner = unwrap(inner.valueType);
    else return [];
  }
  return inner instanceof z.ZodObject ? Object.keys(inner.shape) : [];
}

function unwrap(schema: unknown): unknown {
  let inner = schema;
  while (
    inner instanceof z.ZodOptional || inner instanceof z.ZodExactOptional ||
    inner instanceof z.ZodDefault ||
    inner instanceof z.ZodNullable || inner instanceof z.ZodPrefault ||
    inner instanceof z.ZodReadonly
  ) {
    inner = inner.unwrap();
  }
  return inner instanceof z.ZodPipe ? unwrap(inner.in) : inner;
}
