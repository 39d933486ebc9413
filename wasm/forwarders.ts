/**
 * Forwarders of many ports, by kind: what `mod.ts` has of each. A kind has a file of its own that makes its
 * {@linkcode ForwarderDoor} on the module's exports, and a line in {@linkcode forwarderDoors}.
 *
 * @module
 */

import { WasmError } from "./error.ts";
import type { ForwarderDoor, ForwarderKind } from "./forwarder.ts";
import type { Raw } from "./pkg/isthmus_datapath.js";
import { SwitchDoor } from "./switches.ts";

/** The doors of all kinds. */
export function forwarderDoors(raw: Raw): Readonly<Record<ForwarderKind, ForwarderDoor>> {
  return { ppp: absent("ppp"), switch: new SwitchDoor(raw) as ForwarderDoor };
}

/** The door of a kind that the module does not have. */
function absent(kind: ForwarderKind): ForwarderDoor {
  const refuse = (): never => {
    throw new WasmError("invalid", `the datapath has no forwarders of the kind ${kind}`);
  };
  return {
    add: refuse,
    change: refuse,
    remove: refuse,
    join: refuse,
    changeMember: refuse,
    ask: refuse,
    events: () => [],
  };
}
