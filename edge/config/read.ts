/** A configuration's text with changes to it, read: the same here and beside the main isolate. @module */

import type { Plugin } from "../../plugins/plugin.ts";
import { type Edit, editText } from "./edit.ts";
import { exposedSecrets } from "./exposed.ts";
import type { Marks } from "./marks.ts";
import type { Config } from "./model.ts";
import { parseConfig } from "./parse.ts";
import type { ParseOptions } from "./reading.ts";
import { parseYaml } from "./yaml.ts";

/** What is read. */
export interface ReadRequest {
  readonly file: string;
  readonly text: string;
  readonly edits: readonly Edit[];
  /** Paths of keys, of each of which is asked whether the text says something there, before the edits. */
  readonly asked: readonly (readonly string[])[];
  readonly defaults: ParseOptions["defaults"];
}

/** What came of it. */
export interface Reading {
  readonly config: Config;
  readonly warnings: readonly string[];
  /** The text with the edits. */
  readonly text: string;
  /** An answer for each path that was asked about. */
  readonly stands: readonly boolean[];
  /** Of what was read beside: what the next reading need not hand over again. */
  readonly marks?: Marks;
}

/** What a reading needs of the world. */
export interface ReadOptions {
  readonly plugins: readonly Plugin[];
  /** Reads a file with a secret in it. */
  readSecret(path: string): string;
  /** A file's permissions; undefined where they cannot be had. */
  modeOf(path: string): number | undefined;
}

/** Reads. @throws {ConfigError} */
export function readConfig(
  { asked, defaults, edits, file, text }: ReadRequest,
  { modeOf, plugins, readSecret }: ReadOptions,
): Reading {
  const secretFiles: string[] = [];
  const readFile = (path: string) => {
    secretFiles.push(path);
    return readSecret(path);
  };
  const whole = edits.length > 0 ? editText(text, edits) : text;
  const config = parseConfig(whole, { file, plugins, defaults, readFile });
  const value = asked.length > 0 ? parseYaml(text).document?.value : undefined;
  return {
    config,
    text: whole,
    warnings: exposedSecrets(file, text, secretFiles, modeOf),
    stands: asked.map((path) => standsIn(value, path)),
  };
}

function standsIn(value: unknown, path: readonly string[]): boolean {
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return false;
    value = (value as Record<string, unknown>)[key];
  }
  return true;
}
