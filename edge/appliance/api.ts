/** The running appliance, as its admin endpoint, its signals and its tests see it. @module */

import type { Down } from "./down.ts";
import type { ReloadReport } from "./reconcile.ts";
import type { Result } from "../../core/errors.ts";
import type { ConnectionState } from "../../core/events.ts";
import type { Json, Row } from "../../plugins/plugin.ts";
import type { NamedState } from "../circuits/circuits.ts";
import type { ProbeCounts, ProbeState } from "../keepalive/prober.ts";
import type { Saved } from "../config/document.ts";
import type { Edit } from "../config/edit.ts";
import type { FailureReport, Subscription, Trace } from "../control/mod.ts";
import type {
  AdminConfig,
  Config,
  SessionConfig,
  SessionInTunnel,
  TunnelConfig,
  TunnelState,
  TunnelSummary,
} from "../config/model.ts";
import type { DatapathMemory } from "../datapath/datapath.ts";

/** What may change in a tunnel while it runs (`ip l2tp` cannot; we can). */
export type TunnelPatch = Partial<
  Omit<TunnelConfig, "name" | "version" | "tunnelId" | "encap" | "sessions">
>;
/** What may change in a session while it runs. */
export type SessionPatch = Partial<Omit<SessionConfig, "name" | "sessionId" | "pseudowireType">>;

/** How to reload. Without any of it, the file counts, whatever it ends. */
export interface ReloadOptions {
  /** Says what would be done, and does nothing. */
  readonly dryRun?: boolean;
  /** Refuses (`needs-force`) where more than half of the tunnels and sessions that are up would end. */
  readonly brake?: boolean;
  /** Undoes it after so many milliseconds, unless {@linkcode ApplianceApi.confirmReload} is called before. */
  readonly confirmMs?: number;
}

/** Where a tunnel stands among all. */
export interface TunnelPlace {
  /** Its id; 0: it is not up, and has none for good. */
  readonly id: number;
  readonly name: string;
}

/** Where a session stands among all. */
export interface SessionPlace {
  readonly tunnelId: number;
  readonly id: number;
}

/** Which part of a list is wanted. */
export interface PageAsked<Place> {
  /** Those behind this place, whether there is anything at it or not; absent: from the beginning. */
  readonly after?: Place | undefined;
  readonly limit: number;
}

/** A part of a list; what it costs does not depend on how long the list is. */
export interface Page<Item, Place> {
  readonly items: readonly Item[];
  /** The place of the last of them, where there are more. */
  readonly next?: Place;
}

/** The operations behind the admin endpoint. Tunnels are named by tunnel id or name, sessions likewise. */
export interface ApplianceApi {
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** How long it runs, whatever the wall clock was set to, in milliseconds. */
  uptimeMs(): number;
  /** Whether frames can flow: the datapath gives signs of life. */
  readonly healthy: boolean;
  config(): Config;
  /** The same, its tunnels as they run: gathered in slices, for there may be very many. */
  running(): Promise<Config>;
  /** All there is, which takes its time where there is much. */
  tunnels(): Promise<readonly TunnelState[]>;
  /** Tunnels by ascending id and name; those with a control connection that is not up come first. */
  tunnelPage(asked: PageAsked<TunnelPlace>): Promise<Page<TunnelSummary, TunnelPlace>>;
  /** Sessions by ascending ids of their tunnels and of their own: of one tunnel, or of all. */
  sessionPage(
    asked: PageAsked<SessionPlace>,
    tunnel?: string,
  ): Promise<Page<SessionInTunnel, SessionPlace>>;
  /** A tunnel without its sessions. */
  summary(tunnel: string): Promise<TunnelSummary>;
  session(tunnel: string, session: string): Promise<SessionInTunnel>;
  /** How many sessions are up, and how many are not. */
  sessionCounts(): Promise<{ readonly up: number; readonly down: number }>;
  tunnel(tunnel: string): Promise<TunnelState>;
  createTunnel(config: TunnelConfig): Promise<TunnelSummary>;
  changeTunnel(tunnel: string, patch: TunnelPatch): Promise<TunnelSummary>;
  /**
   * @param result what the StopCCN says, of a tunnel with a control connection only. One of the configuration stays
   * down until the next reload.
   */
  deleteTunnel(tunnel: string, result?: Result): Promise<void>;
  createSession(tunnel: string, config: SessionConfig): Promise<SessionInTunnel>;
  changeSession(tunnel: string, session: string, patch: SessionPatch): Promise<SessionInTunnel>;
  /** @param result what the CDN says; otherwise as for {@linkcode ApplianceApi.deleteTunnel} */
  deleteSession(tunnel: string, session: string, result?: Result): Promise<void>;
  /**
   * Every state change of control connections and calls from now on.
   * @param after the number of the last one that is known: those since then come first, as far as they are kept
   */
  events(after?: number): Subscription;
  /**
   * Control messages as they come and go from now on: of a tunnel, a peer or an address, or of all.
   * @param snap data packets too, of each so many octets at most; only with `of`
   * @throws {ApplianceError} where packets are wanted and cannot be had
   */
  trace(of: string | undefined, snap?: number): Promise<Trace>;
  /** Control connections by state, those that somebody only began among them. */
  connections(): Promise<Readonly<Record<ConnectionState, number>>>;
  /** How often control connections entered each state since the start: `wait-ctl-reply` for each time that we dialed. */
  entered(): Readonly<Partial<Record<ConnectionState, number>>>;
  /** Why tunnels and calls were refused, or ended as none should. */
  failures(): FailureReport;
  /** Frames dropped, by reason, and the datapath's own figures. */
  datapath(): Promise<
    {
      readonly drops: Readonly<Record<string, number>>;
      /** ICMP errors, by what they said. */
      readonly pathErrors: Readonly<Record<string, number>>;
      readonly io: Readonly<Record<string, number>>;
      readonly memory: DatapathMemory;
    }
  >;
  /** How many keepalives are in each state, and what all of them have counted since the start. */
  keepalives(): Promise<{
    readonly states: Readonly<Record<ProbeState, number>>;
    readonly counts: Readonly<ProbeCounts>;
  }>;
  /** What the configuration asks for and cannot be had now; there may be very much. */
  down(): Iterable<Down>;
  /**
   * Reads the configuration file again. Confirms a reload that waits for that.
   * @throws {ConfigError | ApplianceError} and changes nothing
   */
  reload(how?: ReloadOptions): Promise<ReloadReport>;
  /** When the configuration in force was read, in Unix milliseconds, and what became of reloads since the start. */
  lastReload(): { readonly at: number; readonly failed: boolean; readonly failures: number };
  /** Has a reload that would be undone stay. False: none waits. */
  confirmReload(): boolean;
  /**
   * Changes what the configuration says while it runs; the file stays as it is until {@linkcode ApplianceApi.save}, and
   * the next reload puts back what the file says otherwise.
   * @throws {ConfigError | ApplianceError} and changes nothing
   */
  edit(edits: readonly Edit[]): Promise<ReloadReport>;
  /** Who has the configuration say something at a path of keys (`peers`, `hq`); undefined: it says nothing. */
  saidBy(path: readonly string[]): "file" | "request" | undefined;
  /** Writes what was changed since the file was read into the file. */
  save(): Promise<Saved>;
  /** The named circuits. */
  circuits(): readonly NamedState[];
  /** The rows of a plugin's view, of one thing where `name` is given. @throws {ApplianceError} */
  view(view: string, name?: string): AsyncIterable<Row>;
  /** Has a plugin do what a word says; its answer. @throws {ApplianceError} */
  run(word: string, given: object): Promise<Json>;
  /** Plugins' numbers for `/metrics`. */
  metrics(): Promise<
    readonly { name: string; help: string; type: "counter" | "gauge"; value: number }[]
  >;
}

export type { AdminConfig };
