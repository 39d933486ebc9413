/** What commands give. @module */

/** What a command found: as JSON, and as text for people. */
export interface Shown {
  readonly json: unknown;
  /** Of what is shown in a table, for a terminal so many columns wide; undefined: for a program. */
  readonly text: string | ((width: number | undefined) => string);
}
