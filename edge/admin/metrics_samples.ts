/** What metrics are made of. Pure. @module */

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
