/** What commands give. @module */

/** What a command found: as JSON, and as text for people. */
export interface Shown {
  readonly json: unknown;
  readonly text: string;
}
