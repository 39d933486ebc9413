/** What a row of the bench gives, and how it is shown. @module */

import type { Spread } from "./measure.ts";

/** One measured figure. */
export interface Figure {
  /** The row that it belongs to (`--only`). */
  readonly row: string;
  /** What was measured, against what, under which conditions. */
  readonly what: string;
  /** `×`: the baseline's cost divided by ours. */
  readonly unit: "×" | "ns" | "bytes" | "µs" | "ms" | "%" | "/s";
  readonly value: Spread;
  /** What docs/performance.md asks for; absent: the figure is there to understand others by. */
  readonly bar?: { readonly at: "least" | "most"; readonly limit: number };
  /** What else a reader should see. */
  readonly note?: string;
  /** Everything measured, for programs. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/** A row without a figure, and why: it cannot be measured here, or measuring it failed. */
export interface Unmeasured {
  readonly row: string;
  readonly state: "skipped" | "failed";
  readonly reason: string;
}

/** Whether a figure reaches its bar; undefined where it has none. */
export function isMet({ value, bar }: Figure): boolean | undefined {
  if (!bar) return undefined;
  return bar.at === "least" ? value.median >= bar.limit : value.median <= bar.limit;
}

/** A table for people: a line a figure, in the order measured. */
export function formatTable(results: readonly (Figure | Unmeasured)[]): string {
  const lines = [["row", "figure", "min-max", "bar", "", "what was measured"]];
  for (const result of results) {
    if ("state" in result) {
      lines.push([result.row, "-", "", "", result.state, result.reason]);
      continue;
    }
    const { row, what, unit, value, bar, note } = result;
    lines.push([
      row,
      `${number(value.median)} ${unit}`,
      `${number(value.min)}-${number(value.max)}`,
      bar ? `${bar.at === "least" ? "≥" : "≤"} ${bar.limit}` : "",
      bar ? (isMet(result) ? "ok" : "BELOW") : "",
      note ? `${what} (${note})` : what,
    ]);
  }
  const widths = lines[0]!.map((_, column) =>
    Math.max(...lines.map((line) => line[column]!.length))
  );
  return lines.map((line) => line.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd())
    .join("\n");
}

/** Three digits that matter. */
function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3);
}
