/** What is wrong with a configuration file, and where. @module */

/** The way from the document's root to a value: map keys and list indices. */
export type Path = readonly (string | number)[];

/** One thing wrong with a configuration file. */
export interface ConfigProblem {
  /** The file as the caller named it. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based, in UTF-16 units. */
  readonly column: number;
  /** `tunnels.branch.sessions.office.cookie`, `listen[0].udp`; empty: the file itself. */
  readonly path: string;
  /** What is wrong and what would be right. Holds no secrets. */
  readonly message: string;
}

/** A configuration file that cannot be used. Nothing was changed because of it. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(
    /** What was found, in the order of the file: the first of it, where it is much. Never empty. */
    readonly problems: readonly ConfigProblem[],
    /** How many more there are. */
    readonly more: number = 0,
  ) {
    super([...problems.map(formatProblem), ...(more > 0 ? [`and ${more} more`] : [])].join("\n"));
  }
}

/** `file:line:column: path: what is wrong, what would be right`. */
export function formatProblem({ file, line, column, path, message }: ConfigProblem): string {
  return `${file}:${line}:${column}: ${path === "" ? "" : `${path}: `}${message}`;
}

/**
 * A path as operators read it. A key that no key looks like is not shown: with a blank or colon forgotten
 * (`password:hunter2`), a secret is part of it.
 */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += /^[\w.-]+$/.test(part) ? `["${part}"]` : "[?]";
  }
  return text;
}
