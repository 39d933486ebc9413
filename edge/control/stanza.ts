/** Stanzas of calls: each is provisioned once, and any number of its calls attach to its circuit. @module */

import type { CircuitError } from "../../plugins/plugin.ts";
import type { Circuits, SharedCircuit } from "../circuits/circuits.ts";
import type { CallConfig } from "../config/model.ts";

/** A stanza that runs. */
export interface Stanza {
  readonly call: CallConfig;
  /** Where it stands: `peers/hq/accept/0`, `tunnels/to-hq/sessions/office`. */
  readonly path: string;
  /** Undefined: it wants none, or could not have it, or it broke. */
  circuit: SharedCircuit | undefined;
  /** The circuit is being made. */
  making: Promise<void> | undefined;
}

/** A stanza without its circuit. */
export function makeStanza(path: string, call: CallConfig): Stanza {
  return { call, path, circuit: undefined, making: undefined };
}

/** Whether a stanza lacks the circuit that it asks for. */
export function isBroken({ call, circuit }: Stanza): boolean {
  return call.circuit !== undefined && !circuit;
}

/**
 * Gives a stanza the circuit that it asks for, if it has none.
 * @param broken called once if the circuit breaks; the stanza is without it by then
 * @throws {ApplianceError}
 */
export function provision(
  stanza: Stanza,
  circuits: Circuits,
  broken: (reason: CircuitError) => void,
): Promise<void> {
  const { call, path } = stanza;
  const { circuit: wanted } = call;
  if (!wanted || stanza.circuit) return Promise.resolve();
  return stanza.making ??= (async () => {
    try {
      const circuit = await circuits.provisionShared(path, wanted, (reason) => {
        if (stanza.circuit !== circuit) return;
        broken(reason);
        void release(stanza);
      });
      stanza.circuit = circuit;
    } finally {
      stanza.making = undefined;
    }
  })();
}

/** Lets go of a stanza's circuit, also of one that is still being made. Never fails. */
export async function release(stanza: Stanza): Promise<void> {
  await stanza.making?.catch(() => {});
  const { circuit } = stanza;
  stanza.circuit = undefined;
  await circuit?.[Symbol.asyncDispose]();
}
