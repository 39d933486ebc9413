/** Tables for people: aligned, no frames, one space-free word a cell where it can be, so that awk reads them too. Pure. @module */

import { hint } from "../config/suggest.ts";
import { printable } from "../log/printable.ts";
import { UsageError } from "./errors.ts";

/** A column: its heading and the cell of a row; undefined shows as `-`. */
export interface Column<Row> {
  readonly heading: string;
  readonly cell: (row: Row) => string | number | undefined;
  /** It is shown only where it is asked for: the others fit a terminal of 80 columns. */
  readonly wide?: true;
}

/**
 * The columns to show.
 * @param output `wide`: all; headings in lower case, separated by commas: these, in this order
 * @throws {UsageError} where there is no such column
 */
export function chooseColumns<Row>(
  columns: readonly Column<Row>[],
  output: string | undefined,
): readonly Column<Row>[] {
  if (output === undefined) return columns.filter(({ wide }) => !wide);
  if (output === "wide") return columns;
  const byName = new Map(columns.map((column) => [column.heading.toLowerCase(), column]));
  return output.split(",").map((word) => {
    const column = byName.get(word.trim().toLowerCase());
    if (column) return column;
    const names = [...byName.keys()];
    throw new UsageError(
      `there is no column "${word}"${hint(word, names)}; expected wide, or some of ${
        names.join(",")
      }`,
    );
  });
}

/** A line of headings and a line a row, each ended by a newline. Numbers are aligned to the right. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = columns.map(({ cell }) => rows.map(cell));
  const right = cells.map((column) =>
    column.some((cell) => typeof cell === "number") &&
    column.every((cell) => typeof cell !== "string")
  );
  const texts = cells.map((column, i) => [
    columns[i]!.heading,
    ...column.map((cell) => printable(cell === undefined || cell === "" ? "-" : String(cell))),
  ]);
  const widths = texts.map((column) => Math.max(...column.map((text) => text.length)));
  return Array.from(
    { length: rows.length + 1 },
    (_, row) =>
      texts.map((column, i) =>
        right[i] ? column[row]!.padStart(widths[i]!) : column[row]!.padEnd(widths[i]!)
      ).join("  ").trimEnd() + "\n",
  ).join("");
}
