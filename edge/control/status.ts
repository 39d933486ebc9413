/** Managed tunnels as operators see them. @module */

import type { TunnelId } from "../../core/ids.ts";
import type { Lcce } from "../../core/lcce.ts";
import { isName } from "../config/dns_name.ts";
import type { ControlState as ControlView, TunnelConfig } from "../config/model.ts";
import type { ControlState, ManagedConnection, ManagedTunnel } from "./context.ts";
import type { TunnelEntry } from "../sessions/table.ts";
import { isWanted } from "./dialer.ts";

/** A managed tunnel. */
export interface ManagedState {
  readonly control: ControlView;
  /** What there is of the tunnel while it is not in the datapath: ids of 0 where they are not known. */
  readonly config: TunnelConfig;
  /** Unix milliseconds. */
  readonly createdAt: number;
}

/** All managed tunnels by name; connections that somebody only began are not among them. */
export function statesOf(
  { links, managedTunnels, servers }: ControlState,
  lcce: Lcce,
  now: number,
  wall: number,
): ReadonlyMap<string, ManagedState> {
  const states = new Map<string, ManagedState>();
  const called = Array.from(servers.values(), ({ managed }) => managed);
  for (const managed of [...managedTunnels.values(), ...called]) {
    states.set(managed.config.name, managedState(managed, lcce, now, wall));
  }
  for (const link of links.values()) {
    if (!link.managed && link.entry) {
      states.set(link.name, acceptedState(link, link.entry, lcce, now, wall));
    }
  }
  return states;
}

/** The one of that name; `entry` is its part in the datapath. */
export function stateOfOne(
  { linkOf, managedTunnels, servers }: ControlState,
  lcce: Lcce,
  { entry, name }: { readonly name: string; readonly entry: TunnelEntry | undefined },
  now: number,
  wall: number,
): ManagedState | undefined {
  const managed = managedTunnels.get(name) ?? servers.get(name)?.managed;
  if (managed) return managedState(managed, lcce, now, wall);
  const link = entry && linkOf.get(entry);
  return link?.entry && acceptedState(link, link.entry, lcce, now, wall);
}

function managedState(
  managed: ManagedTunnel,
  lcce: Lcce,
  now: number,
  wall: number,
): ManagedState {
  const { config, createdAt, settings } = managed;
  const first = managed.target?.endpoint ?? config.remotes[0]?.endpoint;
  const remote = first && !isName(first) ? first : { address: "0.0.0.0", port: 0 };
  return {
    createdAt,
    config: {
      name: config.name,
      version: settings.version,
      tunnelId: 0 as TunnelId,
      peerTunnelId: 0 as TunnelId,
      encap: config.encap,
      local: config.local,
      remote,
      checksum: { udp: config.encap === "udp", zero6Tx: false, zero6Rx: false },
      sessions: [],
      ...(managed.link && idsOf(managed.link, lcce)),
    },
    control: viewOf(lcce, managed.link, managed, now, wall),
  };
}

/** Of a connection whose peer dialed, and for which no tunnel is configured. */
function acceptedState(
  link: ManagedConnection,
  { config, createdAt }: TunnelEntry,
  lcce: Lcce,
  now: number,
  wall: number,
): ManagedState {
  return { createdAt, config, control: viewOf(lcce, link, undefined, now, wall) };
}

function idsOf({ handle }: ManagedConnection, lcce: Lcce): Partial<TunnelConfig> {
  const connection = lcce.connection(handle);
  if (!connection) return {};
  const { localId, path, peerId, settings } = connection;
  return {
    version: settings.version,
    tunnelId: localId as TunnelId,
    peerTunnelId: peerId as TunnelId,
    remote: path.remote,
  };
}

function viewOf(
  lcce: Lcce,
  link: ManagedConnection | undefined,
  managed: ManagedTunnel | undefined,
  now: number,
  wall: number,
): ControlView {
  const connection = link && lcce.connection(link.handle);
  const identity = connection?.peer;
  const reason = link?.reason ?? managed?.reason;
  return {
    peer: link?.peer ?? managed!.config.peer,
    mode: managed?.config.mode ?? "accepted",
    state: connection?.state ??
      (managed && (isWanted(managed) || managed.config.mode === "passive" && !managed.held)
        ? "waiting"
        : "idle"),
    ...(identity && { hostName: identity.hostName, vendorName: identity.vendorName }),
    ...(link?.established && { establishedAt: link.establishedAt! }),
    ...(managed?.redialAt !== undefined &&
      { redialAt: Math.round(wall + Math.max(0, managed.redialAt - now)) }),
    ...(reason !== undefined && { reason }),
    ...(connection && { window: connection.window, messages: { ...connection.counters } }),
  };
}
