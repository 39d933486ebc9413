/** What the file says to plugins: which to load, their own sections, named circuits, hooks. @module */

import { z } from "zod";
import type { Plugin, Row } from "../../plugins/plugin.ts";
import { parseCircuit, wrong } from "./circuit.ts";
import { check } from "./issues.ts";
import type { Config, NamedCircuit, PluginSection } from "./model.ts";
import type { Path } from "./problem.ts";
import type { Report } from "./report.ts";
import { mapSchema } from "./schema.ts";

/** `plugins:`. */
export const pluginListSchema = z.array(
  z.string({ error: "expected a file's path, such as ./my_plugin.ts" }).min(1, {
    error: "expected a file's path, such as ./my_plugin.ts",
  }),
  { error: "expected a list of files, such as [./my_plugin.ts]" },
);

const command = z.array(z.string(), {
  error: "expected an absolute path, or a list of one and its arguments",
}).min(1, { error: "expected an absolute path" }).refine(([program]) => program!.startsWith("/"), {
  error: "expected an absolute path",
});

/** `hooks:`: for each event a program, or a list of a program and its arguments. */
export const hooksSchema = z.record(
  z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, {
    error: "expected an event, such as session-up",
  }),
  z.preprocess((value) => typeof value === "string" ? [value] : value, command),
  { error: "expected events with their commands, such as session-up: /etc/isthmus/session-up" },
);

/** The keys at the top of the file that are plugins' own. */
export function sectionKeys(plugins: readonly Plugin[]): string[] {
  return plugins.flatMap(({ section }) => section ? [section.key] : []);
}

/** Plugins' own sections, by plugin. One that the file does not have is read as an empty one, where that is right. */
export function readSections(
  file: Readonly<Record<string, unknown>>,
  plugins: readonly Plugin[],
  report: Report,
): Config["sections"] {
  const sections: Record<string, PluginSection> = {};
  for (const { name, section } of plugins) {
    if (!section) continue;
    const given = file[section.key] ?? undefined;
    const checked = check(section.schema, given ?? {}, [section.key]);
    if (checked.ok) sections[name] = { key: section.key, value: checked.value as Row };
    else if (given !== undefined) {
      for (const { at, message, path } of checked.issues) {
        report.add([section.key, ...path], message, at);
      }
    }
  }
  return sections;
}

/** `circuits:`, by name; those that are wrong have no plugin. Undefined: it is no map, and nobody knows what is in it. */
export function readNamedCircuits(
  value: unknown,
  plugins: readonly Plugin[],
  report: Report,
): ReadonlyMap<string, NamedCircuit> | undefined {
  const entries = report.check(mapSchema, value ?? {}, ["circuits"]);
  if (!entries) return undefined;
  const circuits = new Map<string, NamedCircuit>();
  for (const [name, entry] of Object.entries(entries)) {
    const path = ["circuits", name];
    report.checkName(name, path);
    if (plugins.some((plugin) => plugin.name === name)) {
      report.add(path, `${name} is the name of a plugin; expected another`, "key");
    }
    const circuit = parseCircuit(entry, plugins, path);
    if (circuit.ok) circuits.set(name, { name, ...circuit.value });
    else {
      // Sessions that name it are not wrong for that.
      circuits.set(name, wrong(name));
      for (const issue of circuit.issues) {
        report.add([...path, ...issue.path], issue.message, issue.at);
      }
    }
  }
  return circuits;
}

/**
 * What is wrong between plugins' sections, their circuits and what else the file names.
 *
 * @param given the file's sections: what is wrong by itself is told already, and nothing is told of what depends on it
 */
export function checkPlugins(
  sections: Config["sections"],
  given: Readonly<Record<string, unknown>>,
  circuits: ReadonlyMap<string, NamedCircuit>,
  peers: readonly string[],
  plugins: readonly Plugin[],
  report: Report,
): void {
  const names = { circuits: [...circuits.keys()], peers };
  for (const plugin of plugins) {
    const own = [...circuits.values()].filter((circuit) => circuit.plugin === plugin.name);
    const section = sections[plugin.name];
    if (plugin.section && !section) {
      const isThere = (given[plugin.section.key] ?? undefined) !== undefined;
      for (const { name } of isThere ? [] : own) {
        report.add(["circuits", name], `${plugin.name} needs the section ${plugin.section.key}`);
      }
      continue;
    }
    for (const message of plugin.check?.(section?.value ?? {}, own, names) ?? []) {
      const named = own.find(({ name }) => message.startsWith(`${name}: `));
      const path: Path = named ? ["circuits", named.name] : [plugin.section?.key ?? "circuits"];
      report.add(path, named ? message.slice(named.name.length + 2) : message);
    }
  }
}
