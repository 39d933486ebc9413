/** Templates of calls: each is provisioned once, and any number of its calls attach to its circuit. @module */

import type { Circuits, SharedCircuit } from "../circuits/circuits.ts";
import type { CallConfig } from "../config/model.ts";
import type { ManagedCall, ManagedConnection } from "./context.ts";

/** A template that runs. */
export interface CallTemplate {
  call: CallConfig;
  /** Where it stands: `peers/hq/accept/0`, `tunnels/to-hq/sessions/office`. */
  path: string;
  /** Undefined: it wants none, or could not have it, or it broke. */
  circuit: SharedCircuit | undefined;
  /** The circuit is being made. */
  making: Promise<void> | undefined;
  /** The calls that are made by it, and whose they are. */
  readonly calls: Map<ManagedCall, ManagedConnection>;
}

/** A template without its circuit. */
export function makeCallTemplate(path: string, call: CallConfig): CallTemplate {
  return { call, path, circuit: undefined, making: undefined, calls: new Map() };
}

/** Whether a template lacks the circuit that it asks for. */
export function isBroken({ call, circuit }: CallTemplate): boolean {
  return call.circuit !== undefined && !circuit;
}

/**
 * Gives a template the circuit that it asks for, if it has none.
 * @param broken called once if the circuit breaks; the template is without it by then
 * @throws {ApplianceError}
 */
export function provision(
  template: CallTemplate,
  circuits: Circuits,
  broken: (reason: Error) => void,
): Promise<void> {
  const { call, path } = template;
  const { circuit: wanted } = call;
  if (!wanted || template.circuit) return Promise.resolve();
  return template.making ??= (async () => {
    try {
      const circuit = await circuits.provisionShared(path, wanted, (reason) => {
        if (template.circuit !== circuit) return;
        broken(reason);
        void release(template);
      });
      template.circuit = circuit;
    } finally {
      template.making = undefined;
    }
  })();
}

/** Lets go of a template's circuit, also of one that is still being made. Never fails. */
export async function release(template: CallTemplate): Promise<void> {
  await template.making?.catch(() => {});
  const { circuit } = template;
  template.circuit = undefined;
  await circuit?.[Symbol.asyncDispose]();
}
