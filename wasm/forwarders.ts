/**
 * Forwarders of many ports, by kind: what `mod.ts` has of each. A kind has a file of its own that makes its
 * {@linkcode ForwarderDoor} on the module's exports, and a line in {@linkcode forwarderDoors}.
 *
 * @module
 */

import type { ForwarderDoor, ForwarderKind } from "./door.ts";
import type { Raw } from "./pkg/isthmus_datapath.js";
import { pppDoor } from "./ppp.ts";
import { SwitchDoor } from "./switches.ts";

/** The doors of all kinds. */
export function forwarderDoors(raw: Raw): Readonly<Record<ForwarderKind, ForwarderDoor>> {
  return { ppp: pppDoor(raw), switch: new SwitchDoor(raw) as ForwarderDoor };
}
