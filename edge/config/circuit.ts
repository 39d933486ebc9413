/** Circuits as configured: which plugin, and whether its options are right. Shared by the file and the admin API. @module */

import type { PseudowireType } from "../../core/pseudowire.ts";
import type { Plugin, Row } from "../../plugins/plugin.ts";
import { circuitSchema, pseudowireTypeNames } from "./attributes.ts";
import type { Problem } from "./checks.ts";
import { check, type Checked } from "./issues.ts";
import type { CircuitConfig, SessionConfig } from "./model.ts";
import type { Path } from "./problem.ts";
import { hint } from "./suggest.ts";

/**
 * Reads `{ <plugin>: <options> }`. Options left empty are none; those returned are the plugin's schema's output.
 *
 * @param at where `value` lies
 */
export function parseCircuit(
  value: unknown,
  plugins: readonly Plugin[],
  at: Path = ["circuit"],
): Checked<CircuitConfig> {
  const shape = check(circuitSchema, value, at);
  if (!shape.ok) return shape;
  const [[name, options]] = Object.entries(shape.value) as [[string, unknown]];
  const withCircuits = plugins.filter(({ options }) => options);
  const plugin = withCircuits.find((candidate) => candidate.name === name);
  if (!plugin) {
    const message = `no such plugin${hint(name, withCircuits.map((known) => known.name))}`;
    return { ok: false, issues: [{ path: [name], message, at: "key" }] };
  }
  const checked = check(plugin.options!, options ?? {}, [...at, name]);
  if (checked.ok) return { ok: true, value: { plugin: name, options: checked.value as Row } };
  const issues = checked.issues.map((issue) => ({ ...issue, path: [name, ...issue.path] }));
  return { ok: false, issues };
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
  const plugin = plugins.find(({ name }) => name === circuit.plugin);
  return plugin?.claims?.(circuit.options) ?? [];
}
