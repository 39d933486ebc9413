/** Tunnels and sessions as the appliance holds them, and what of them the API shows. @module */

import type { PortId } from "../plugins/plugin.ts";
import { type Counters, sessionCounters } from "../wasm/mod.ts";
import { ApplianceError } from "./appliance.ts";
import type { RunningCircuit } from "./circuits.ts";
import type { DatapathStats, TunnelHandle } from "./datapath/datapath.ts";
import type { Origin, SessionConfig, SessionState, TunnelConfig, TunnelState } from "./model.ts";
import type { SocketLease } from "./sockets.ts";

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
  /** By name. */
  readonly sessions: Map<string, SessionEntry>;
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

/** The tunnel of that name, or else of that tunnel id. @throws {ApplianceError} */
export function findTunnel(tunnels: ReadonlyMap<string, TunnelEntry>, tunnel: string): TunnelEntry {
  const found = tunnels.get(tunnel) ??
    [...tunnels.values()].find(({ config }) => String(config.tunnelId) === tunnel);
  if (found) return found;
  throw new ApplianceError("not-found", undefined, `there is no tunnel ${tunnel}`);
}

/** The session of that name, or else of that session id. @throws {ApplianceError} */
export function findSession(tunnel: TunnelEntry, session: string): SessionEntry {
  const found = tunnel.sessions.get(session) ??
    [...tunnel.sessions.values()].find(({ config }) => String(config.sessionId) === session);
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

const zeroCounters = Object.fromEntries(sessionCounters.map((name) => [name, 0])) as Counters;
