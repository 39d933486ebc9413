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

/** The least width of a last column that is folded. */
const LEAST = 20;

/**
 * The table as it fits a terminal so many columns wide. Where it does not: columns that say nothing of any row are left
 * out, then the last one is folded. It is not changed where the width is undefined: programs read it by its columns.
 */
export function fitTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): (width: number | undefined) => string {
  const plain = formatTable(columns, rows);
  return (width) => {
    const fits = (text: string) =>
      width === undefined || text.split("\n").every((line) => line.length <= width);
    if (rows.length === 0 || fits(plain)) return plain;
    const telling = columns.filter(({ cell }) =>
      rows.some((row) => ![undefined, "", "-"].includes(cell(row) as string | undefined))
    );
    const less = formatTable(telling, rows);
    return fits(less) ? less : folded(less, width!);
  };
}

/** A table's lines with the last column folded between words, where there is room for it. */
function folded(table: string, width: number): string {
  const [head = ""] = table.split("\n");
  const at = head.lastIndexOf("  ") + 2;
  const room = width - at;
  if (at < 2 || room < LEAST) return table;
  return table.split("\n").map((line) => {
    const lines: string[] = [];
    for (let rest = line.slice(at);;) {
      const cut = rest.length <= room ? rest.length : rest.lastIndexOf(" ", room);
      // A word that is longer than the room is left to the terminal.
      if (rest.length <= room || cut <= 0) {
        lines.push(rest);
        break;
      }
      lines.push(rest.slice(0, cut));
      rest = rest.slice(cut + 1);
    }
    return line.slice(0, at) + lines.join(`\n${" ".repeat(at)}`);
  }).join("\n");
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
