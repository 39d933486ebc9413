/** The configuration as a file. @module */

import type { Plugin } from "../../plugins/plugin.ts";
import { ConfigError, parseConfig } from "./mod.ts";
import type { Config } from "./model.ts";

/**
 * Reads a configuration file.
 * @throws {ConfigError} where it cannot be read or is wrong
 */
export async function readConfigFile(file: string, plugins: readonly Plugin[]): Promise<Config> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new ConfigError([{ file, line: 1, column: 1, path: "", message }]);
  }
  return parseConfig(text, {
    file,
    plugins,
    defaults: { hostName: Deno.hostname() },
    readFile: (path) => Deno.readTextFileSync(path),
  });
}
