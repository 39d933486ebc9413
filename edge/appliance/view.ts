/** What the API shows of tunnels and sessions. @module */

import type { Counters } from "../../wasm/mod.ts";
import type { Down, DownTunnel } from "./down.ts";
import type { ManagedState } from "../control/mod.ts";
import type { DatapathStats, GroupingState, StatsOf } from "../datapath/datapath.ts";
import type { Grouping, SessionState, TunnelConfig, TunnelState } from "../config/model.ts";
import { canGroup } from "../sessions/tunnel_routes.ts";
import { configOf, type SessionEntry, type TunnelEntry } from "../sessions/table.ts";

/** Whose counters a tunnel's state needs. */
export function countersOf(tunnel: TunnelEntry | undefined): StatsOf {
  if (!tunnel) return { sessions: [], tunnels: [] };
  return {
    sessions: Array.from(tunnel.sessions.values(), ({ port }) => port),
    tunnels: [tunnel.handle],
  };
}

/** A tunnel as the API shows it. */
export function stateOf(tunnel: TunnelEntry, stats: DatapathStats): TunnelState {
  const { createdAt, handle, lease, origin, pathErrors, pathMtu } = tunnel;
  const heardAgoMs = stats.heardAgoMs.get(handle);
  return {
    config: configOf(tunnel),
    origin,
    createdAt,
    ...(pathMtu !== undefined && { pathMtu }),
    counters: stats.tunnels.get(handle) ?? zeroCounters,
    ...(heardAgoMs !== undefined && { heardAgoMs }),
    grouping: groupingOf(tunnel.config, stats.grouping.get(handle)),
    pathErrors: { ...pathErrors },
    socketDrops: stats.socketDrops.get(lease.socket) ?? 0,
    sessions: [...tunnel.sessions.values()].map((session) => sessionStateOf(session, stats)),
  };
}

function groupingOf(config: TunnelConfig, limit: GroupingState | undefined): Grouping {
  if (!canGroup(config)) return { state: "never" };
  if (!limit) return { state: "on" };
  return { state: limit.longest === 0 ? "off" : "limited", ...limit };
}

/** A managed tunnel as the API shows it; `there` is its part in the datapath, while there is one. */
export function managedState(
  { config, control, createdAt }: ManagedState,
  there: TunnelState | undefined,
): TunnelState {
  if (there) return { ...there, control };
  return { config, control, createdAt, origin: "config", counters: zeroCounters, sessions: [] };
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
    sessions: sessions.map(({ config, origin }) => ({
      config,
      origin,
      createdAt: since,
      counters: zeroCounters,
      status: "down",
      reason: "its tunnel is down",
    })),
  };
}

function sessionStateOf(session: SessionEntry, stats: DatapathStats): SessionState {
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
