/** Circuits as configured: which plugin, and whether its options are right. Shared by the file and the admin API. @module */

import type { PseudowireType } from "../../core/pseudowire.ts";
import { z } from "zod";
import type { Json, Plugin, Row } from "../../plugins/plugin.ts";
import { circuitSchema, pseudowireTypeNames } from "./attributes.ts";
import type { Problem } from "./checks.ts";
import { check, type Checked } from "./issues.ts";
import type { CircuitConfig, NamedCircuit, SessionConfig } from "./model.ts";
import type { Path } from "./problem.ts";
import { maskSecrets } from "./secrets.ts";
import { hint } from "./suggest.ts";

/** The circuits that have names; `unknown` where the file cannot be asked. Those that are wrong have no plugin. */
export type KnownCircuits = ReadonlyMap<string, NamedCircuit> | "unknown";

/**
 * Reads `{ <plugin>: <options> }`, or `<circuit>` and `{ <circuit>: <port options> }` of a named one. Options left empty are none; those returned are the plugin's schema's output.
 *
 * @param at where `value` lies
 */
export function parseCircuit(
  value: unknown,
  plugins: readonly Plugin[],
  at: Path = ["circuit"],
  known: KnownCircuits = new Map(),
): Checked<CircuitConfig> {
  const isName = typeof value === "string" && !plugins.some(({ name }) => name === value);
  const circuits = known === "unknown" ? new Map<string, NamedCircuit>() : known;
  if (isName && !circuits.has(value) && known !== "unknown") {
    const message = `no such circuit${hint(value, circuits.keys())}`;
    return { ok: false, issues: [{ path: [], message, at: "value" }] };
  }
  const shape = check(circuitSchema, isName ? { [value]: {} } : value, at);
  if (!shape.ok) return shape;
  const [[name, options]] = Object.entries(shape.value) as [[string, unknown]];
  const named = circuits.get(name);
  if (named) return parsePortOptions(named, options ?? {}, plugins, [...at, name]);
  const withCircuits = plugins.filter(({ options }) => options);
  const plugin = withCircuits.find((candidate) => candidate.name === name);
  if (!plugin && known === "unknown") return parsePortOptions(wrong(name), {}, plugins, at);
  if (!plugin) {
    const names = [...withCircuits.map((each) => each.name), ...circuits.keys()];
    const message = `no such plugin${circuits.size > 0 ? " or circuit" : ""}${hint(name, names)}`;
    return { ok: false, issues: [{ path: [name], message, at: "key" }] };
  }
  const checked = check(plugin.options!, options ?? {}, [...at, name]);
  if (checked.ok) return { ok: true, value: { plugin: name, options: checked.value as Row } };
  const issues = checked.issues.map((issue) => ({ ...issue, path: [name, ...issue.path] }));
  return { ok: false, issues };
}

/** A circuit of which no more is known than its name: what is wrong with it is told where it stands. */
export function wrong(name: string): NamedCircuit {
  return { name, plugin: "", options: {} };
}

/** What a session says beside a circuit's name. */
function parsePortOptions(
  { name, plugin: pluginName }: NamedCircuit,
  options: unknown,
  plugins: readonly Plugin[],
  at: Path,
): Checked<CircuitConfig> {
  if (pluginName === "") return { ok: true, value: wrong(name) };
  const schema = plugins.find((each) => each.name === pluginName)?.portOptions ?? nothingToSay;
  const checked = check(schema, options, at);
  if (checked.ok) {
    return { ok: true, value: { name, plugin: pluginName, options: checked.value as Row } };
  }
  const issues = checked.issues.map((issue) => ({ ...issue, path: [name, ...issue.path] }));
  return { ok: false, issues };
}

const nothingToSay = z.strictObject({}, { error: "expected nothing more than the circuit's name" });

/** A circuit as the file writes it, without its secrets. */
export function describeCircuit({ name, options, plugin }: CircuitConfig): Record<string, Json> {
  return { [name ?? plugin]: maskSecrets(options) };
}

/** Whether the session's circuit can carry its pseudowire. */
export function checkCircuit(
  session: Pick<SessionConfig, "pseudowireType" | "circuit">,
  plugins: readonly Plugin[],
): Problem[] {
  const plugin = plugins.find(({ name }) => name === session.circuit?.plugin);
  if (!plugin || plugin.pseudowireTypes.includes(session.pseudowireType)) return [];
  const carried = plugin.pseudowireTypes.map(typeName).join(" or ");
  const message = `${plugin.name} carries ${carried}, not ${
    pseudowireTypeNames[session.pseudowireType]
  }; expected another circuit or pw-type`;
  return [{ attribute: "circuit", message }];
}

function typeName(type: number): string {
  return pseudowireTypeNames[type as PseudowireType] ?? `pseudowire type ${type}`;
}

/** What only one circuit may hold (`device office0`), as the circuit's plugin says. */
export function claimsOf(circuit: CircuitConfig, plugins: readonly Plugin[]): readonly string[] {
  // A named circuit claims for itself.
  if (circuit.name !== undefined) return [];
  const plugin = plugins.find(({ name }) => name === circuit.plugin);
  return plugin?.claims?.(circuit.options) ?? [];
}
