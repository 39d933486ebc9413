/** Small things that the contract's parts share. @module */

/** A value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | {
  readonly [key: string]: Json;
};

/** Named values: a line of a table, the fields of a log line or of an event. No secrets. */
export type Row = { readonly [key: string]: Json };

/**
 * What is wrong with a value: where in it, and why. Zod's issues are such; `keys` and the code `unrecognized_keys` tell
 * keys that nobody knows.
 */
export interface SchemaIssue {
  /** Where in the value. */
  readonly path: readonly PropertyKey[];
  /** What would be right, in a sentence or less. */
  readonly message: string;
  /** The kind of issue, as zod calls it. */
  readonly code?: string;
  /** Keys that nobody knows. */
  readonly keys?: readonly string[];
}

/**
 * A schema as far as the host needs one. Zod's object schemas are such, of whatever copy of zod: a plugin that is loaded
 * by its path may bring its own.
 */
export interface Schema<T> {
  /** Never throws. What it gives is valid input again, and JSON can carry it. */
  safeParse(value: unknown):
    | { readonly success: true; readonly data: T; readonly error?: undefined }
    | {
      readonly success: false;
      readonly data?: undefined;
      readonly error: { readonly issues: readonly SchemaIssue[] };
    };
}
