/** What the main isolate and the worker that reads large configurations say to each other. @module */

import type { Edit } from "./edit.ts";
import type { Config } from "./model.ts";
import type { ConfigProblem } from "./problem.ts";
import type { ParseOptions } from "./reading.ts";

/** What is read. */
export interface BesideRequest {
  readonly text: string;
  readonly edits: readonly Edit[];
  readonly file: string;
  readonly defaults: ParseOptions["defaults"];
}

/** What came of it. */
export interface Reading {
  readonly config: Config;
  readonly warnings: readonly string[];
}

/** What the worker says: a configuration in parts, none of which takes long to take in. */
export type BesideAnswer =
  | {
    readonly kind: "part";
    readonly key: "tunnels" | "managed" | "peers";
    readonly items: Config["tunnels"] | Config["managed"] | Config["peers"];
  }
  | { readonly kind: "whole"; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly kind: "wrong"; readonly problems: readonly ConfigProblem[]; readonly more: number }
  | { readonly kind: "failed"; readonly error: string };
