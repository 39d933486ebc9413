/**
 * Forwarders of many ports, by kind: what `mod.ts` has of each. A kind has a file of its own that makes its
 * {@linkcode ForwarderDoor} on the module's exports, and a line in {@linkcode forwarderDoors}.
 *
 * @module
 */

import { WasmError } from "./error.ts";
import type { Raw } from "./pkg/isthmus_datapath.js";
import type { PortIx } from "./spec.ts";
import { SwitchDoor } from "./switches.ts";

/** A forwarder of the datapath. Stale handles are refused, never reused silently. */
export type ForwarderIx = number & { readonly brand: "ForwarderIx" };

/** A forwarder's kind. */
export type ForwarderKind = "ppp" | "switch";

/** What one kind of forwarder can be asked. Options are plain data: what they mean, the kind alone knows. */
export interface ForwarderDoor {
  /** Makes one. @param ports that it has from the start, beside its members (a TUN) */
  add(ports: readonly PortIx[], options: object): ForwarderIx;
  /** Takes changed options as a whole. */
  change(forwarder: ForwarderIx, options: object): void;
  /** Removes it; its members are joined to nothing then. */
  remove(forwarder: ForwarderIx): void;
  /** Makes a free port a member. It leaves as from a cross-connect, by `disconnect`. */
  join(forwarder: ForwarderIx, port: PortIx, options: object): void;
  /** Takes changed options of a member as a whole. */
  changeMember(forwarder: ForwarderIx, port: PortIx, options: object): void;
  /** Answers a question, or does what is asked, in well below a millisecond: long answers come in slices. */
  ask(forwarder: ForwarderIx, question: string, given: object): unknown;
  /** What happened since it was last asked, oldest first; called once a round, so it costs next to nothing where nothing did. */
  events(): readonly ForwarderEvent[];
}

/** Something that happened in a forwarder. */
export interface ForwarderEvent {
  /** In which one. */
  readonly forwarder: ForwarderIx;
  /** The member that it is about. */
  readonly port?: PortIx;
  /** What, in the kind's own words. */
  readonly what: string;
  /** More of it: plain data. */
  readonly detail?: object;
}

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
