/** What a plugin adds to the operator's view: columns, tables and commands. @module */

import type { Schema } from "./values.ts";

/** A column. */
export interface Column {
  /** kebab-case. */
  readonly name: string;
  /** One line. */
  readonly help: string;
}

/** A table: `isthmus show <name>` and `GET /v1/views/<name>`. */
export interface View {
  /** kebab-case, unique among all plugins. */
  readonly name: string;
  /** One line. */
  readonly help: string;
  /** From left to right. */
  readonly columns: readonly Column[];
}

/** A command: `isthmus do <word>` and `POST /v1/words/<word>`. */
export interface Word {
  /** kebab-case, unique among all plugins. */
  readonly word: string;
  /** One line. */
  readonly help: string;
  /** What it is to be given. */
  readonly given: Schema<object>;
}
