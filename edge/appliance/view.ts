/** What the API shows of tunnels and sessions. @module */

import type { Counters } from "../../wasm/mod.ts";
import type { Down, DownTunnel } from "./down.ts";
import type { ManagedState } from "../control/mod.ts";
import type { DatapathCounters, GroupingState, StatsOf } from "../datapath/datapath.ts";
import type {
  Grouping,
  SessionState,
  TunnelConfig,
  TunnelState,
  TunnelSummary,
} from "../config/model.ts";
import { canGroup } from "../sessions/tunnel_routes.ts";
import type { OwnedSession } from "../sessions/tunnels.ts";
import { configOf, type SessionEntry, type TunnelEntry } from "../sessions/table.ts";

/** Whose counters a tunnel's state needs. */
export function countersOf(tunnel: TunnelEntry | undefined): StatsOf {
  if (!tunnel) return { sessions: [], tunnels: [] };
  return {
    sessions: Array.from(tunnel.sessions.values(), ({ port }) => port),
    ...countersOfAll([tunnel]),
  };
}

/** Whose counters the states of tunnels need, those of their sessions apart. */
export function countersOfAll(tunnels: readonly TunnelEntry[]): Omit<StatsOf, "sessions"> {
  return {
    tunnels: tunnels.map(({ handle }) => handle),
    sockets: tunnels.map(({ lease }) => lease.socket),
  };
}

/** A tunnel as the API shows it. */
export function stateOf(tunnel: TunnelEntry, stats: DatapathCounters): TunnelState {
  return {
    ...summaryOf(tunnel, stats),
    config: configOf(tunnel),
    sessions: [...tunnel.sessions.values()].map((session) => sessionStateOf(session, stats)),
  };
}

/** The same without its sessions. */
export function summaryOf(tunnel: TunnelEntry, stats: DatapathCounters): TunnelSummary {
  const { createdAt, handle, lease, origin, pathErrors, pathMtu } = tunnel;
  const heardAgoMs = stats.heardAgoMs.get(handle);
  return {
    config: tunnel.config,
    origin,
    createdAt,
    ...(pathMtu !== undefined && { pathMtu }),
    counters: stats.tunnels.get(handle) ?? zeroCounters,
    ...(heardAgoMs !== undefined && { heardAgoMs }),
    grouping: groupingOf(tunnel.config, stats.grouping.get(handle)),
    pathErrors: { ...pathErrors },
    socketDrops: stats.socketDrops.get(lease.socket) ?? 0,
    sessionCount: tunnel.sessions.size,
  };
}

function groupingOf(config: TunnelConfig, limit: GroupingState | undefined): Grouping {
  if (!canGroup(config)) return { state: "never" };
  if (!limit) return { state: "on" };
  return { state: limit.longest === 0 ? "off" : "limited", ...limit };
}

/** A managed tunnel that is not in the datapath as the API shows it. */
export function managedState({ config, control, createdAt }: ManagedState): TunnelState {
  const none = { counters: zeroCounters, sessionCount: 0, sessions: [] };
  return { config, control, createdAt, origin: "config", ...none };
}

/** A tunnel of the file that cannot be had yet. */
export function downState({ reason, since, tunnel }: Down & { tunnel: DownTunnel }): TunnelState {
  const { config, sessions } = tunnel;
  return {
    config: { ...config, sessions: sessions.map(({ config }) => config) },
    origin: "config",
    createdAt: since,
    reason,
    counters: zeroCounters,
    sessionCount: sessions.length,
    sessions: sessions.map((session) => downSession(session, since)),
  };
}

/** A session of such a tunnel. */
export function downSession({ config, origin }: OwnedSession, since: number): SessionState {
  return {
    config,
    origin,
    createdAt: since,
    counters: zeroCounters,
    status: "down",
    reason: "its tunnel is down",
  };
}

/** A session as the API shows it. */
export function sessionStateOf(session: SessionEntry, stats: DatapathCounters): SessionState {
  const { circuit, config, createdAt, keepalive, origin, port, reason } = session;
  const { attachment } = circuit ?? {};
  const shown = attachment?.show?.();
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
    ...(keepalive && { keepalive: keepalive.view }),
    ...(circuit && {
      circuit: {
        plugin: circuit.plugin,
        ...(shown !== undefined && { shown }),
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
