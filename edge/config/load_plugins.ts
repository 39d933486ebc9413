/** Plugins that the file names by their paths: `plugins: [./my_plugin.ts]`. @module */

import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Plugin } from "../../plugins/plugin.ts";
import { check } from "./issues.ts";
import { pluginListSchema } from "./plugin_sections.ts";
import { asObject } from "./reading.ts";
import { Report } from "./report.ts";
import { parseYaml } from "./yaml.ts";

/**
 * Loads what a configuration names; the default export of each file is its plugin.
 * @param known the plugins that are there already
 * @throws {ConfigError} where one cannot be loaded or is none; what else is wrong with the text is not told
 */
export async function loadPlugins(
  text: string,
  file: string,
  known: readonly Plugin[],
): Promise<readonly Plugin[]> {
  // Most name none: they are not read twice.
  if (!text.includes("plugins")) return [];
  const { document } = parseYaml(text);
  const listed = check(pluginListSchema, asObject(document?.value)?.["plugins"] ?? [], ["plugins"]);
  if (!document || !listed.ok) return [];
  const report = new Report(file, document.positionOf, document.keyPositionOf);
  const loaded: Plugin[] = [];
  for (const [index, path] of listed.value.entries()) {
    const found = await load(resolve(dirname(file), path));
    const twin = typeof found === "string"
      ? undefined
      : [...known, ...loaded].find(({ name }) => name === found.name);
    if (typeof found === "string") report.add(["plugins", index], found);
    else if (twin) report.add(["plugins", index], `there is a plugin ${twin.name} already`);
    else loaded.push(found);
  }
  if (report.failed) throw report.error();
  return loaded;
}

/** The plugin of a file, or why there is none. */
async function load(path: string): Promise<Plugin | string> {
  let module: { readonly default?: unknown };
  try {
    module = await import(pathToFileURL(path).href);
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split("\n");
    return `cannot be loaded: ${reason}`;
  }
  const plugin = module.default;
  return isPlugin(plugin)
    ? plugin
    : "its default export is no plugin; expected an object with name, pseudowireTypes and start";
}

function isPlugin(value: unknown): value is Plugin {
  const { name, pseudowireTypes, start } = asObject(value) ?? {};
  return typeof name === "string" && /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name) &&
    Array.isArray(pseudowireTypes) && typeof start === "function";
}
