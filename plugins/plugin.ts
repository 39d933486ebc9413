/**
 * The contract that every plugin keeps: how pseudowires are joined to what lies beyond them.
 *
 * A plugin is a plain object. It makes one **service** for the appliance, the service makes **circuits**, and sessions
 * attach to circuits. Each of the three lives in a {@linkcode Scope} of its own, from which it has all that it can do, and
 * whose undoing the host owns: no globals, no I/O at import, no clean-up of the plugin's own.
 *
 * @module
 */

import type { RawAvp } from "../core/wire/call_avps.ts";
import type { Attachment, Refusal, Session } from "./session.ts";
import type { Scope } from "./scope.ts";
import type { Json, Row, Schema } from "./values.ts";
import type { Column, View, Word } from "./words.ts";

export * from "./ports.ts";
export * from "./scope.ts";
export * from "./session.ts";
export * from "./values.ts";
export * from "./words.ts";
export type { FailureCode } from "./failure.ts";

/** A kind of circuit, with the service that its circuits share. */
export interface Plugin<Options = object, Section = object, PortOptions = object> {
  /** The key under `circuit:`, kebab-case. */
  readonly name: string;
  /** One line for the documentation and `isthmus show plugins`. */
  readonly summary: string;
  /**
   * What its circuits can carry, by IANA number; what an LCCE offers follows from the plugins that are there. Empty: only
   * what other plugins hand over.
   */
  readonly pseudowireTypes: readonly number[];
  /** A circuit's options: an object that refuses unknown keys. Absent: it has no circuits. */
  readonly options?: Schema<Options>;
  /** What one session may say beside the circuit's name (`tag: 10`). Absent: nothing. */
  readonly portOptions?: Schema<PortOptions>;
  /** The plugin's own part at the top of the file. Where the file has none, the schema is given `{}`. */
  readonly section?: { readonly key: string; readonly schema: Schema<Section> };
  /** Plugins whose services it uses ({@linkcode Scope.service}): started before it, and started anew with it. */
  readonly uses?: readonly string[];
  /**
   * Plugins whose services it asks where they are there: {@linkcode Scope.service} throws `unavailable` while one is not, and
   * nothing of this plugin begins or ends with them. What was had is good for the moment: ask each time.
   */
  readonly asks?: readonly string[];
  /** Vendors' AVPs that it understands: a mandatory one that no plugin does refuses its message (RFC 2661 §4.2). */
  readonly vendorAvps?: readonly Pick<RawAvp, "vendorId" | "type">[];
  /** Columns of a session, filled by {@linkcode Attachment.show}. */
  readonly columns?: readonly Column[];
  /** Tables, filled by {@linkcode Service.show}. */
  readonly views?: readonly View[];
  /** Commands, carried out by {@linkcode Service.run}. */
  readonly words?: readonly Word[];
  /** What only one circuit may hold, of whatever plugin, in the operator's words (`TAP office0`). Pure. */
  claims?(options: Options): readonly string[];
  /** What is wrong between the section, the plugin's circuits, and what else the file names. Pure; runs before a reload touches anything. */
  check?(
    section: Section,
    circuits: readonly { readonly name: string; readonly options: Options }[],
    names: { readonly circuits: readonly string[]; readonly peers: readonly string[] },
  ): readonly string[];
  /** Makes the service, once an appliance. Where it fails, the plugin's circuits are down, and it is started again later. */
  start(
    scope: Scope,
    section: Section,
  ): Service<Options, Section, PortOptions> | Promise<Service<Options, Section, PortOptions>>;
}

/** What all circuits of a plugin share. */
export interface Service<Options = object, Section = object, PortOptions = object> {
  /** Makes a circuit; no frames flow yet. */
  provision?(
    scope: Scope,
    options: Options,
  ): Circuit<Options, PortOptions> | Promise<Circuit<Options, PortOptions>>;
  /**
   * Takes a changed section; false or absent: start me and my circuits anew. Where it throws, or the reload fails later,
   * it gets the previous section.
   */
  reconfigure?(section: Section): boolean | Promise<boolean>;
  /** What plugins get that name this one in {@linkcode Plugin.uses} or {@linkcode Plugin.asks}. */
  readonly shared?: unknown;
  /** The rows of a view, of one thing in it where `name` is given. */
  show?(view: string, name?: string): AsyncIterable<Row>;
  /** Does what a word asks, and answers. A {@linkcode Scope.failure} is the operator's error. */
  run?(word: string, given: object): Json | Promise<Json>;
}

/** The local end of pseudowires. */
export interface Circuit<Options = object, PortOptions = object> {
  /** How many sessions it takes at once; the host refuses more. Absent: any number. */
  readonly sessions?: number;
  /**
   * The whole of admission: joins a session, or refuses it. A peer is told to go on (ICRP, or OCRP and OCCN) when the
   * promise resolves. A rejection is a fault: the call is refused, a static session is down and tried again.
   */
  attach(
    session: Session,
    scope: Scope,
    options: PortOptions,
  ): Attachment<PortOptions> | Refusal | Promise<Attachment<PortOptions> | Refusal>;
  /** As {@linkcode Service.reconfigure}, for a circuit's options. */
  reconfigure?(options: Options): boolean | Promise<boolean>;
}
