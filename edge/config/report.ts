/** Collects what is wrong with one configuration file, and finds the place of each problem. @module */

import type { z } from "zod";
import { nameSchema, sessionOptions, tunnelOptions } from "./attributes.ts";
import type { Problem } from "./checks.ts";
import { check, maxIssues } from "./issues.ts";
import type { Option } from "./option.ts";
import { ConfigError, type ConfigProblem, formatPath, type Path } from "./problem.ts";
import type { Position } from "./yaml.ts";

/** Where the file writes an attribute; the others are written under their own names. */
const filePaths: Readonly<Record<string, Path>> = {
  ...Object.fromEntries(
    Object.entries<Option>({ ...tunnelOptions, ...sessionOptions })
      .map(([name, { fileKey }]) => [name, [fileKey ?? name]]),
  ),
  "tunnel-id": ["static", "tunnel-id"],
  "peer-tunnel-id": ["static", "peer-tunnel-id"],
  "ip-saddr": ["local"],
  "ip6-saddr": ["local"],
  "udp-sport": ["local"],
  "ip-daddr": ["remote"],
  "ip6-daddr": ["remote"],
  "udp-dport": ["remote"],
};

/** The most problems that are shown, and the most that are kept to show the first ones of the file among them. */
const SHOWN = 20;
const KEPT = 200;

/** The problems of one file, each at its place. */
export class Report {
  readonly #problems = new Map<string, ConfigProblem>();
  /** Those that are not kept. */
  #more = 0;

  constructor(
    readonly file: string,
    readonly positionOf: (path: Path) => Position = () => ({ line: 1, column: 1 }),
    readonly keyPositionOf: (path: Path) => Position = positionOf,
  ) {}

  get failed(): boolean {
    return this.#problems.size + this.#more > 0;
  }

  /** The first problems, by place, and how many more there are. */
  error(): ConfigError {
    const problems = [...this.#problems.values()]
      .sort((a, b) => a.line - b.line || a.column - b.column);
    const more = this.#more + Math.max(0, problems.length - SHOWN);
    return new ConfigError(problems.slice(0, SHOWN), more);
  }

  add(path: Path, message: string, at: "key" | "value" = "value"): void {
    // To find a place takes its time.
    if (this.#problems.size >= KEPT) return void this.#more++;
    const position = at === "key" ? this.keyPositionOf(path) : this.positionOf(path);
    this.addAt(position, path, message);
  }

  addAt({ line, column }: Position, path: Path, message: string): void {
    const problem = { file: this.file, line, column, path: formatPath(path), message };
    this.#problems.set(`${line}:${column} ${problem.path} ${message}`, problem);
  }

  addAll(found: readonly { readonly path: Path; readonly message: string }[]): void {
    for (const { path, message } of found) this.add(path, message);
  }

  addProblems(problems: readonly Problem[], path: Path): void {
    for (const { attribute, message } of problems) {
      this.add([...path, ...(filePaths[attribute] ?? [attribute])], message);
    }
  }

  /** The value that `schema` makes of `value`; undefined, and everything wrong reported, where it makes none. */
  check<T>(schema: z.ZodType<T>, value: unknown, path: Path): T | undefined {
    const checked = check(schema, value, path, Math.min(maxIssues, KEPT - this.#problems.size));
    if (checked.ok) return checked.value;
    this.#more += checked.more ?? 0;
    for (const issue of checked.issues) {
      this.add([...path, ...issue.path], issue.message, issue.at);
    }
    return undefined;
  }

  checkName(name: string, path: Path): void {
    const checked = check(nameSchema, name, path);
    if (checked.ok) return;
    for (const { message } of checked.issues) this.add(path, message, "key");
  }
}
