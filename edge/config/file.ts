/** The configuration as a file. @module */

import type { Plugin } from "../../plugins/plugin.ts";
import { loadPlugins } from "./load_plugins.ts";
import { ConfigError, parseConfig } from "./mod.ts";
import type { Config } from "./model.ts";

/** A configuration, and all plugins that it was read with. */
export interface LoadedConfig {
  readonly config: Config;
  readonly plugins: readonly Plugin[];
}

/**
 * Reads a configuration file, and loads the plugins that it names.
 * @param builtIn the plugins that are there without it
 * @throws {ConfigError} where it cannot be read or is wrong
 */
export async function readConfigFile(
  file: string,
  builtIn: readonly Plugin[],
): Promise<LoadedConfig> {
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    throw new ConfigError([{ file, line: 1, column: 1, path: "", message }]);
  }
  const plugins = [...builtIn, ...await loadPlugins(text, file, builtIn)];
  // Where systemd gives a state folder, it is that one.
  const [stateFolder] = Deno.env.get("STATE_DIRECTORY")?.split(":") ?? [];
  const config = parseConfig(text, {
    file,
    plugins,
    defaults: { hostName: Deno.hostname(), ...(stateFolder && { stateFolder }) },
    readFile: (path) => Deno.readTextFileSync(path),
  });
  return { config, plugins };
}
