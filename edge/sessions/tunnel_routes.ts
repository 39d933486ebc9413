/** Where tunnels go: their sockets, their peers' addresses and their paths, while they run. @module */

import { ipVersion, isWildcard } from "../../core/endpoint.ts";
import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import { checkTunnel } from "../config/checks.ts";
import { type Datapath, type DatapathTunnel, type SocketId } from "../datapath/datapath.ts";
import type { Lifecycle } from "../hooks/lifecycle.ts";
import type { Logger } from "../log/log.ts";
import type { TunnelConfig } from "../config/model.ts";
import { longestDatagram } from "./frame_mtu.ts";
import type { RemoteNames } from "./remote_names.ts";
import type { Sessions } from "./sessions.ts";
import type { SocketLease, Sockets } from "./sockets.ts";
import { type SessionEntry, sessionPath, type TunnelEntry } from "./table.ts";
import type { System } from "../io/system.ts";
import { forEach, type Transaction } from "../appliance/transaction.ts";

/** How many sessions of a tunnel are worked on at a time. */
const WIDTH = 64;

/** What tunnels are made with. */
export interface TunnelDependencies {
  readonly datapath: Datapath;
  readonly log: Logger;
  /** Who is told of tunnels that come and go. */
  readonly lifecycle: Pick<Lifecycle, "tunnelUp" | "tunnelDown">;
  readonly sessions: Sessions;
  readonly sockets: Sockets;
  readonly system: System;
  /** Where the names of peers lead. */
  readonly remoteNames: RemoteNames;
  /** Unix milliseconds. */
  readonly wallClock: () => number;
}

/** What may change about where tunnels go. */
export interface TunnelRoutes {
  /** Makes a tunnel as `next` says, whose name, ids and encapsulation are the same; its sessions stay. */
  change(tunnel: TunnelEntry, next: TunnelConfig, tx: Transaction): Promise<void>;
  /** Moves a static tunnel onto the socket that it would get now, if that is another. */
  settle(tunnel: TunnelEntry, tx: Transaction): Promise<void>;
  /** Looks at the path's MTU again, and tells the sessions of another. */
  followPath(tunnel: TunnelEntry): Promise<void>;
}

export function makeTunnelRoutes(dependencies: TunnelDependencies) {
  const { datapath, log, remoteNames, sessions, sockets, system } = dependencies;

  const lease = (config: TunnelConfig) => {
    const attribute = ipVersion(config.local.address) === 4 ? "ip-saddr" : "ip6-saddr";
    return asApplianceErrors(attribute, () => sockets.lease(config));
  };
  const pathMtu = ({ local, remote, device }: TunnelConfig) => {
    try {
      return system.pathMtu(local.address, remote.address, device);
    } catch (error) {
      log.debug("no path MTU", { remote: remote.address, error: String(error) });
      return undefined;
    }
  };

  const redirect = makeRedirect(dependencies, pathMtu);
  const routes: TunnelRoutes = {
    async change(tunnel, given, tx) {
      const { address } = tunnel.config.remote;
      const next = await remoteNames.resolve({ ...given, sessions: [] }, address);
      refuseInvalid(next);
      const moves = sockets.moved(next, tunnel.lease);
      await redirect(tunnel, next, moves ? await lease(next) : tunnel.lease, tx);
      remoteNames.forget(tunnel);
      remoteNames.follow(tunnel);
    },
    async settle(tunnel, tx) {
      // A control connection stays on the socket that its peer talks to.
      if (tunnel.origin === "control" || !sockets.moved(tunnel.config, tunnel.lease)) return;
      await redirect(tunnel, tunnel.config, await lease(tunnel.config), tx);
    },
    async followPath(tunnel) {
      const bytes = pathMtu(tunnel.config);
      // Without a route nobody knows; what was known is more likely than Ethernet's.
      if (bytes === undefined || bytes === tunnel.pathMtu) return;
      tunnel.pathMtu = bytes;
      const spec = specOf(tunnel.config, tunnel.lease.socket, bytes);
      await datapath.changeTunnel(tunnel.handle, spec);
      for (const session of tunnel.sessions.values()) {
        sessions.refreshMtu(tunnel, session).catch((error) =>
          log.warn("the circuit cannot follow the path's MTU", {
            path: sessionPath(tunnel.config, session.config),
            reason: (error as Error).message,
          })
        );
      }
    },
  };
  return { ...routes, lease, pathMtu };
}

/** Points tunnels of the datapath elsewhere, and keeps the former socket until all is done. */
function makeRedirect(
  { datapath, sessions }: TunnelDependencies,
  pathMtu: (config: TunnelConfig) => number | undefined,
) {
  /** Another tunnel id at the peer: the datapath takes that for a new tunnel only. */
  const replace = async (
    tunnel: TunnelEntry,
    next: TunnelConfig,
    socket: SocketId,
    tx: Transaction,
  ) => {
    const { config, lease } = tunnel;
    const each = (work: (session: SessionEntry) => Promise<void>) =>
      forEach(tunnel.sessions.values(), WIDTH, work);
    await each((session) => sessions.lift(tunnel, session, tx));
    await datapath.removeTunnel(tunnel.handle);
    tx.undo(async () =>
      tunnel.handle = await datapath.addTunnel(specOf(config, lease.socket, tunnel.pathMtu))
    );
    tunnel.handle = await datapath.addTunnel(specOf(next, socket, pathMtu(next)));
    tx.undo(() => datapath.removeTunnel(tunnel.handle));
    await each((session) => sessions.land(tunnel, session, tx));
  };

  return async (
    tunnel: TunnelEntry,
    next: TunnelConfig,
    nextLease: SocketLease,
    tx: Transaction,
  ) => {
    const { config, lease, pathMtu: before } = tunnel;
    const same = nextLease === lease;
    const after = pathMtu(next);
    if (!same) tx.undo(() => nextLease[Symbol.asyncDispose]());
    await asApplianceErrors(undefined, async () => {
      if (next.peerTunnelId !== config.peerTunnelId) {
        return await replace(tunnel, next, nextLease.socket, tx);
      }
      await datapath.changeTunnel(tunnel.handle, specOf(next, nextLease.socket, after));
      tx.undo(() => datapath.changeTunnel(tunnel.handle, specOf(config, lease.socket, before)));
    });
    const become = async (
      config: TunnelConfig,
      lease: SocketLease,
      pathMtu: number | undefined,
    ) => {
      Object.assign(tunnel, { config, lease, pathMtu });
      const refresh = (session: SessionEntry) => sessions.refreshMtu(tunnel, session);
      await forEach(tunnel.sessions.values(), WIDTH, refresh);
    };
    tx.undo(() => become(config, lease, before));
    await become(next, nextLease, after);
    if (!same) tx.commit(() => lease.retire());
  };
}

/** @throws {ApplianceError} */
export function refuseInvalid(config: TunnelConfig): void {
  const [problem] = checkTunnel(config);
  if (problem) throw new ApplianceError("invalid", problem.attribute, problem.message);
}

/** Whether datagrams may leave grouped (UDP_SEGMENT): the kernel does it for UDP with checksums only, and not for IPsec. */
export function canGroup({ encap, mark, remote, checksum }: TunnelConfig): boolean {
  return encap === "udp" && mark === undefined &&
    (ipVersion(remote.address) === 4 ? checksum.udp : !checksum.zero6Tx);
}

/** A tunnel as the datapath wants it. */
export function specOf(
  config: TunnelConfig,
  socket: SocketId,
  pathMtu: number | undefined,
): DatapathTunnel {
  const { version, encap, tunnelId, peerTunnelId, local, remote, dscp, ttl, mark } = config;
  return {
    version,
    encap,
    tunnelId,
    peerTunnelId,
    socket,
    remote,
    ...(!isWildcard(local.address) && { local: local.address }),
    // What the kernel's connected socket lets in: one address and port, or one address.
    sourceCheck: encap === "udp" ? "endpoint" : "address",
    segment: canGroup(config),
    ...(dscp !== undefined && { dscp }),
    ...(ttl !== undefined && { ttl }),
    ...(mark !== undefined && { mark }),
    ...(pathMtu !== undefined && { longest: longestDatagram(config, pathMtu) }),
  };
}
