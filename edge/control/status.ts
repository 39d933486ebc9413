/** Managed tunnels as operators see them. @module */

import type { TunnelId } from "../../core/ids.ts";
import type { Lcce } from "../../core/lcce.ts";
import type { ControlState as ControlView, TunnelConfig } from "../config/model.ts";
import type { ControlState } from "./control.ts";
import { isWanted, type Slot } from "./dialer.ts";
import type { Link } from "./link.ts";

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
  { links, slots }: ControlState,
  lcce: Lcce,
  now: number,
  wall: number,
): ReadonlyMap<string, ManagedState> {
  const states = new Map<string, ManagedState>();
  for (const slot of slots.values()) {
    const { config, createdAt, settings } = slot;
    const remote = config.remotes[0]?.endpoint ?? { address: "0.0.0.0", port: 0 };
    states.set(config.name, {
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
        ...(slot.link && idsOf(slot.link, lcce)),
      },
      control: viewOf(lcce, slot.link, slot, now, wall),
    });
  }
  for (const link of links.values()) {
    if (link.slot || !link.entry) continue;
    states.set(link.name, {
      createdAt: link.entry.createdAt,
      config: link.entry.config,
      control: viewOf(lcce, link, undefined, now, wall),
    });
  }
  return states;
}

function idsOf({ handle }: Link, lcce: Lcce): Partial<TunnelConfig> {
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
  link: Link | undefined,
  slot: Slot | undefined,
  now: number,
  wall: number,
): ControlView {
  const connection = link && lcce.connection(link.handle);
  const identity = connection?.peer;
  const reason = link?.reason ?? slot?.reason;
  return {
    peer: link?.peer ?? slot!.config.peer,
    mode: slot?.config.mode ?? "accepted",
    state: connection?.state ??
      (slot && (isWanted(slot) || slot.config.mode === "passive" && !slot.held)
        ? "waiting"
        : "idle"),
    ...(identity && { hostName: identity.hostName, vendorName: identity.vendorName }),
    ...(link?.established && { establishedAt: link.establishedAt! }),
    ...(slot?.redialAt !== undefined &&
      { redialAt: Math.round(wall + Math.max(0, slot.redialAt - now)) }),
    ...(reason !== undefined && { reason }),
    ...(connection && { window: connection.window, messages: { ...connection.counters } }),
  };
}
