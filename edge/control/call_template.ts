/** Templates of calls: each is provisioned once, and any number of its calls attach to its circuit. @module */

import type { Circuits } from "../circuits/circuits.ts";
import type { CallConfig } from "../config/model.ts";
import type { CallTemplate } from "./context.ts";

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
