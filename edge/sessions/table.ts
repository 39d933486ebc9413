/** Tunnels and sessions as the appliance holds them. @module */

import type { PortId } from "../../plugins/host/leaves.ts";
import { ApplianceError } from "../appliance/errors.ts";
import type { CallFacts, RunningCircuit } from "../circuits/circuits.ts";
import type { PathTrouble, TunnelHandle } from "../datapath/datapath.ts";
import type { Origin, SessionConfig, TunnelConfig } from "../config/model.ts";
import type { RunningKeepalive } from "../keepalive/keepalives.ts";
import { byText, type Order, Sorted } from "../sorted.ts";
import type { SocketLease } from "./sockets.ts";

/** A tunnel that runs. Changed only by work in its queue. */
export interface TunnelEntry {
  /** As it is; its `sessions` are empty: those are in {@linkcode TunnelEntry.sessions}. */
  config: TunnelConfig;
  origin: Origin;
  /** Unix milliseconds. */
  readonly createdAt: number;
  handle: TunnelHandle;
  lease: SocketLease;
  pathMtu: number | undefined;
  /** What ICMP said of the path, counted. */
  readonly pathErrors: Partial<Record<PathTrouble, number>>;
  readonly sessions: SessionTable;
}

/** A session that runs. */
export interface SessionEntry {
  config: SessionConfig;
  origin: Origin;
  readonly createdAt: number;
  port: PortId;
  circuit: RunningCircuit | undefined;
  /** What watches over its path, where that is asked for. */
  keepalive?: RunningKeepalive | undefined;
  /** What its call knows of itself; a static session has none. */
  facts?: CallFacts;
  /** Why it is down; undefined: it is up. */
  reason: string | undefined;
  /** What keeps frames from flowing although it has its circuit; undefined: nothing does. */
  outages?: Outages | undefined;
}

/**
 * Why frames cannot flow, by who says so: the peer of its own end, the circuit of ours, or who watches the path between
 * them. Our circuit shows a carrier only while neither the peer nor the path says so.
 */
export type Outages = Partial<Record<"peer" | "circuit" | "path", string>>;

/** Notes an outage or its end; false: that was known. */
export function noteOutage(
  session: SessionEntry,
  of: keyof Outages,
  reason: string | undefined,
): boolean {
  const { [of]: before, ...others } = session.outages ?? {};
  if (before === reason) return false;
  const all: Outages = reason === undefined ? others : { ...others, [of]: reason };
  session.outages = Object.keys(all).length > 0 ? all : undefined;
  return true;
}

/** Why a session that has its circuit is down all the same; undefined: it is up. */
export function outageOf({ outages }: SessionEntry): string | undefined {
  return outages?.path ?? outages?.peer ?? outages?.circuit;
}

/** Whether our circuit may show a carrier. */
export function reaches({ outages }: SessionEntry): boolean {
  return outages?.path === undefined && outages?.peer === undefined;
}

/** A tunnel's sessions, by name and by session id. */
export interface SessionTable {
  readonly size: number;
  byName(name: string): SessionEntry | undefined;
  byId(id: number): SessionEntry | undefined;
  add(session: SessionEntry): void;
  delete(session: SessionEntry): void;
  values(): IterableIterator<SessionEntry>;
  /** Those of higher session ids than `id`, in ascending order; what comes and goes meanwhile disturbs nothing. */
  after(id: number): Iterable<SessionEntry>;
}

/** Tunnels that run, by name; also by tunnel id. */
export interface TunnelTable extends ReadonlyMap<string, TunnelEntry> {
  byId(id: number): TunnelEntry | undefined;
  /** Those behind a place, by ascending tunnel id; what comes and goes meanwhile disturbs nothing. */
  after(place: TunnelPlace | undefined): Iterable<TunnelEntry>;
}

/** What tunnels are put in order by: the id first. */
export interface TunnelPlace {
  /** 0: it has none. */
  readonly tunnelId: number;
  readonly name: string;
}

/** The order of tunnels; everything comes behind no place. */
export function byPlace(a: TunnelPlace, b: TunnelPlace | undefined): number {
  return b ? a.tunnelId - b.tunnelId || byText(a.name, b.name) : 1;
}

/** Where a session is, for people and for reports. */
export function sessionPath(tunnel: TunnelConfig, session: SessionConfig): string {
  return `tunnels/${tunnel.name}/sessions/${session.name}`;
}

/** So many sessions are put in order where somebody asks for that; most tunnels have no more. */
const FEW = 32;

/** A table without sessions. */
export function makeSessionTable(): SessionTable {
  const names = new Map<string, SessionEntry>();
  const ids = new Map<number, SessionEntry>();
  const byId: Order<SessionEntry> = (a, b) => a.config.sessionId - b.config.sessionId;
  let ordered: Sorted<SessionEntry> | undefined;
  return {
    get size() {
      return names.size;
    },
    byName: (name) => names.get(name),
    byId: (id) => ids.get(id),
    add(session) {
      names.set(session.config.name, session);
      ids.set(session.config.sessionId, session);
      if (ordered) ordered.add(session);
      else if (names.size > FEW) {
        ordered = new Sorted(byId);
        for (const each of names.values()) ordered.add(each);
      }
    },
    delete(session) {
      names.delete(session.config.name);
      ids.delete(session.config.sessionId);
      ordered?.delete(session);
    },
    values: () => names.values(),
    after: (id) =>
      ordered?.from(({ config }) => config.sessionId > id) ??
        [...names.values()].filter(({ config }) => config.sessionId > id).sort(byId),
  };
}

/** The same of tunnels. */
export class RunningTunnels extends Map<string, TunnelEntry> implements TunnelTable {
  readonly #byId = new Map<number, TunnelEntry>();
  readonly #ordered = new Sorted<TunnelEntry>((a, b) => byPlace(a.config, b.config));

  override set(name: string, tunnel: TunnelEntry): this {
    this.#forget(name);
    this.#byId.set(tunnel.config.tunnelId, tunnel);
    this.#ordered.add(tunnel);
    return super.set(name, tunnel);
  }

  override delete(name: string): boolean {
    this.#forget(name);
    return super.delete(name);
  }

  byId(id: number): TunnelEntry | undefined {
    return this.#byId.get(id);
  }

  after(place: TunnelPlace | undefined): Iterable<TunnelEntry> {
    return this.#ordered.from(({ config }) => byPlace(config, place) > 0);
  }

  #forget(name: string): void {
    const tunnel = this.get(name);
    if (!tunnel) return;
    const id = tunnel.config.tunnelId;
    if (this.#byId.get(id) === tunnel) this.#byId.delete(id);
    this.#ordered.delete(tunnel);
  }
}

/** An id as it is written; 0: it is none. */
function idIn(text: string): number {
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : 0;
}

/** The tunnel of that name, or else of that tunnel id. @throws {ApplianceError} */
export function findTunnel(tunnels: TunnelTable, tunnel: string): TunnelEntry {
  const found = tunnels.get(tunnel) ?? tunnels.byId(idIn(tunnel));
  if (found) return found;
  throw new ApplianceError("not-found", undefined, `there is no tunnel ${tunnel}`);
}

/** The session of that name, or else of that session id. @throws {ApplianceError} */
export function findSession(tunnel: TunnelEntry, session: string): SessionEntry {
  const found = tunnel.sessions.byName(session) ?? tunnel.sessions.byId(idIn(session));
  if (found) return found;
  const message = `the tunnel ${tunnel.config.name} has no session ${session}`;
  throw new ApplianceError("not-found", undefined, message);
}

/** The configuration that would make the tunnel as it is, with the sessions that `include` takes. */
export function configOf(
  tunnel: TunnelEntry,
  include: (session: SessionEntry) => boolean = () => true,
): TunnelConfig {
  const sessions = [...tunnel.sessions.values()].filter(include).map(({ config }) => config);
  return { ...tunnel.config, sessions };
}
