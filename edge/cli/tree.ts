/** Values of JSON as indented text that is YAML: what `show config` and `--details` print. Pure. @module */

import { quoted } from "../log/printable.ts";
import { isRecord } from "./json.ts";

/** One line a value, each ended by a newline. */
export function formatTree(value: unknown, indent = ""): string {
  if (isRecord(value) && Object.keys(value).length > 0) {
    return Object.entries(value).map(([key, inner]) =>
      isNested(inner)
        ? `${indent}${scalar(key)}:\n${formatTree(inner, `${indent}  `)}`
        : `${indent}${scalar(key)}: ${scalar(inner)}\n`
    ).join("");
  }
  if (Array.isArray(value) && value.length > 0) {
    return value.map((inner) =>
      isNested(inner)
        ? `${indent}- ${formatTree(inner, `${indent}  `).slice(indent.length + 2)}`
        : `${indent}- ${scalar(inner)}\n`
    ).join("");
  }
  return `${indent}${scalar(value)}\n`;
}

function isNested(value: unknown): boolean {
  return (isRecord(value) && Object.keys(value).length > 0) ||
    (Array.isArray(value) && value.length > 0);
}

/** Words that YAML or its readers take for something else than text. */
const reserved = /^(true|false|null|yes|no|on|off|y|n)$/i;

/** Plain where no YAML reader could take it for something else, in quotes otherwise. */
function scalar(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value);
  const plain = /^[A-Za-z/][\w./@%-]*(:[\w./@%-]+)*$/.test(value) && !reserved.test(value);
  // What JSON leaves as it is and YAML does not allow, or a terminal would obey, is escaped.
  return plain ? value : quoted(value);
}
