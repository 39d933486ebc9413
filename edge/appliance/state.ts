/** Tunnels and sessions as the appliance holds them, and what of them the API shows. @module */

import type { PortId } from "../../plugins/plugin.ts";
import type { Counters } from "../../wasm/mod.ts";
import { ApplianceError } from "./api.ts";
import type { RunningCircuit } from "../circuits/circuits.ts";
import type { ManagedState } from "../control/mod.ts";
import type { DatapathStats, TunnelHandle } from "../datapath/datapath.ts";
import type {
  Origin,
  SessionConfig,
  SessionState,
  TunnelConfig,
  TunnelState,
} from "../config/model.ts";
import type { SocketLease } from "../sessions/sockets.ts";

/** A tunnel that runs. Changed only by work in its queue. */
export interface TunnelEntry {
  /** As it is; its `sessions` are empty: those are in {@linkcode TunnelEntry.sessions}. */
  config: TunnelConfig;
  readonly origin: Origin;
  /** Unix milliseconds. */
  readonly createdAt: number;
  handle: TunnelHandle;
  lease: SocketLease;
  pathMtu: number | undefined;
  readonly sessions: SessionTable;
}

/** A session that runs. */
export interface SessionEntry {
  config: SessionConfig;
  readonly origin: Origin;
  readonly createdAt: number;
  port: PortId;
  circuit: RunningCircuit | undefined;
  /** Why it is down; undefined: it is up. */
  reason: string | undefined;
}

/** A tunnel's sessions, by name and by session id. */
export interface SessionTable {
  readonly size: number;
  byName(name: string): SessionEntry | undefined;
  byId(id: number): SessionEntry | undefined;
  add(session: SessionEntry): void;
  delete(session: SessionEntry): void;
  values(): IterableIterator<SessionEntry>;
}

/** A table without sessions. */
export function makeSessionTable(): SessionTable {
  const names = new Map<string, SessionEntry>();
  const ids = new Map<number, SessionEntry>();
  return {
    get size() {
      return names.size;
    },
    byName: (name) => names.get(name),
    byId: (id) => ids.get(id),
    add(session) {
      names.set(session.config.name, session);
      ids.set(session.config.sessionId, session);
    },
    delete({ config }) {
      names.delete(config.name);
      ids.delete(config.sessionId);
    },
    values: () => names.values(),
  };
}

/** The tunnel of that name, or else of that tunnel id. @throws {ApplianceError} */
export function findTunnel(tunnels: ReadonlyMap<string, TunnelEntry>, tunnel: string): TunnelEntry {
  const found = tunnels.get(tunnel) ??
    [...tunnels.values()].find(({ config }) => String(config.tunnelId) === tunnel);
  if (found) return found;
  throw new ApplianceError("not-found", undefined, `there is no tunnel ${tunnel}`);
}

/** The session of that name, or else of that session id. @throws {ApplianceError} */
export function findSession(tunnel: TunnelEntry, session: string): SessionEntry {
  const id = /^[1-9]\d*$/.test(session) ? Number(session) : 0;
  const found = tunnel.sessions.byName(session) ?? tunnel.sessions.byId(id);
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

/** A tunnel as the API shows it. */
export function stateOf(tunnel: TunnelEntry, stats: DatapathStats): TunnelState {
  const { createdAt, handle, origin, pathMtu } = tunnel;
  return {
    config: configOf(tunnel),
    origin,
    createdAt,
    ...(pathMtu !== undefined && { pathMtu }),
    counters: stats.tunnels.get(handle) ?? zeroCounters,
    sessions: [...tunnel.sessions.values()].map((session) => sessionStateOf(session, stats)),
  };
}

/** A managed tunnel as the API shows it; `there` is its part in the datapath, while there is one. */
export function managedState(
  { config, control, createdAt }: ManagedState,
  there: TunnelState | undefined,
): TunnelState {
  if (there) return { ...there, control };
  return { config, control, createdAt, origin: "config", counters: zeroCounters, sessions: [] };
}

function sessionStateOf(session: SessionEntry, stats: DatapathStats): SessionState {
  const { circuit, config, createdAt, origin, port, reason } = session;
  const { attachment } = circuit ?? {};
  const [summary, details] = [attachment?.describe?.(), attachment?.details?.()];
  const mtu = attachment?.mtu ?? config.mtu;
  return {
    config,
    origin,
    createdAt,
    counters: stats.sessions.get(port) ?? zeroCounters,
    status: reason === undefined ? "up" : "down",
    ...(reason !== undefined && { reason }),
    ...(attachment?.ifname !== undefined && { ifname: attachment.ifname }),
    ...(mtu !== undefined && { mtu }),
    ...(circuit && {
      circuit: {
        plugin: circuit.plugin,
        ...(summary !== undefined && { summary }),
        ...(details !== undefined && { details }),
      },
    }),
  };
}

/** Written out, as the datapath's own list would load its WASM module into this isolate too. */
const zeroCounters: Counters = {
  "tx-packets": 0,
  "tx-bytes": 0,
  "tx-errors": 0,
  "rx-packets": 0,
  "rx-bytes": 0,
  "rx-errors": 0,
  "rx-seq-discards": 0,
  "rx-oos-packets": 0,
  "rx-cookie-discards": 0,
  "rx-invalid": 0,
};
