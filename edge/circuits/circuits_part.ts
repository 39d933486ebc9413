/** Plugins' sections and named circuits, from what runs to what the file says now. @module */

import type { PluginHost } from "../../plugins/host/host.ts";
import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import type { Part, Steps } from "../appliance/part.ts";
import type { Config, NamedCircuit } from "../config/model.ts";
import type { Circuits } from "./circuits.ts";
import { same } from "../config/same.ts";
import { each, makePace } from "../slices.ts";

export interface CircuitPartDependencies {
  readonly circuits: Circuits;
  readonly host: PluginHost;
}

const OR_RESTARTED = "or restarted, where its plugin cannot take this in place";

type Wanted = Pick<Config, "circuits" | "plugins" | "sections">;

/** From some sections and circuits to others. What cannot be had now is kept, and begun again by the plugins' host. */
export function circuitPart(
  before: Wanted,
  after: Wanted,
  { circuits, host }: CircuitPartDependencies,
  steps: Steps,
): Part {
  const [old, wanted] = [byName(before.circuits), byName(after.circuits)];
  const removed = [...old.values()].filter(({ name }) => !wanted.has(name));
  const restarted: NamedCircuit[] = [];

  return {
    *foresee(steps) {
      for (const [plugin, { value }] of Object.entries(after.sections)) {
        if (same(before.sections[plugin]?.value ?? {}, value)) continue;
        steps.note(`plugins/${plugin}`, "changed", OR_RESTARTED);
      }
      yield* each(wanted.values(), (circuit) => {
        const former = old.get(circuit.name);
        if (!former) steps.note(pathOf(circuit), "added");
        else if (same(former, circuit)) steps.keep(1);
        else steps.note(pathOf(circuit), "changed", OR_RESTARTED);
      });
      for (const circuit of removed) steps.note(pathOf(circuit), "removed");
    },
    check() {
      if (same(before.plugins, after.plugins)) return;
      const message = "plugins are loaded once, at the start: restart isthmus to load others";
      throw new ApplianceError("invalid", "plugins", message);
    },
    async open(tx) {
      for (const [plugin, { value: section }] of Object.entries(after.sections)) {
        const former = before.sections[plugin]?.value ?? {};
        if (same(former, section)) continue;
        const how = await asApplianceErrors(plugin, () => host.reconfigure(plugin, section));
        tx.undo(() => host.reconfigure(plugin, former));
        steps.note(`plugins/${plugin}`, how);
      }
      const pace = makePace();
      for (const circuit of wanted.values()) {
        if (pace.over) await pace.rest();
        const former = old.get(circuit.name);
        if (!former) {
          await circuits.begin(circuit);
          tx.undo(() => circuits.end(circuit.name));
          steps.note(pathOf(circuit), "added");
        } else if (same(former, circuit)) steps.keep(1);
        else if (await circuits.change(circuit)) {
          tx.undo(() => circuits.change(former));
          steps.note(pathOf(circuit), "changed");
        } else restarted.push(circuit);
      }
    },
    async swap(tx) {
      for (const circuit of restarted) {
        const former = old.get(circuit.name)!;
        await circuits.end(circuit.name);
        tx.undo(() => circuits.begin(former));
        await circuits.begin(circuit);
        tx.undo(() => circuits.end(circuit.name));
        steps.note(pathOf(circuit), "restarted", "its plugin cannot take these options in place");
      }
    },
    async end() {
      for (const circuit of removed) {
        await circuits.end(circuit.name);
        steps.note(pathOf(circuit), "removed");
      }
    },
  };
}

function pathOf({ name }: NamedCircuit): string {
  return `circuits/${name}`;
}

function byName(circuits: readonly NamedCircuit[]): Map<string, NamedCircuit> {
  return new Map(circuits.map((circuit) => [circuit.name, circuit]));
}
