/** What metrics are made of. Pure. @module */

import type { Counters } from "../../wasm/mod.ts";
import type { Grouping } from "../config/model.ts";

/** What was seen of all tunnels. */
export interface Survey {
  readonly count: number;
  readonly grouping: Readonly<Record<Grouping["state"], number>>;
  /** Tunnels with a control connection, by peer. */
  readonly peers: ReadonlyMap<string, { readonly up: number; readonly down: number }>;
  /** The counters of all tunnels that there ever were. */
  readonly sums: Readonly<Counters>;
}

/** A metric's values, each with its labels. */
export type Samples = readonly (readonly [labels: Record<string, string>, value: number])[];

/** A metric: type, name, help, values. */
export type Metric = readonly ["counter" | "gauge", string, string, Samples];

/** A value without labels. */
export function one(value: number): Samples {
  return [[{}, value]];
}

/** Values by one label. */
export function by(label: string, values: Readonly<Record<string, number>>): Samples {
  return Object.entries(values).map(([key, value]) => [{ [label]: key }, value]);
}
