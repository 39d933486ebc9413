/** What `mod.ts` has of every kind of forwarder. @module */

import type { PortIx } from "./spec.ts";

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
