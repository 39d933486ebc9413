/** Tunnels: their sockets and their place in the datapath. Every function is to be called from the tunnel's queue. @module */

import { ipVersion, isWildcard } from "../../core/endpoint.ts";
import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import { checkTunnel } from "../config/checks.ts";
import {
  type Datapath,
  DatapathError,
  type DatapathTunnel,
  type SocketId,
} from "../datapath/datapath.ts";
import type { Lifecycle } from "../hooks/lifecycle.ts";
import type { Logger } from "../log.ts";
import type { Origin, SessionConfig, TunnelConfig } from "../config/model.ts";
import type { Names } from "./names.ts";
import { longestDatagram } from "./frame_mtu.ts";
import { sessionPath, type Sessions } from "./sessions.ts";
import type { SocketLease, Sockets } from "./sockets.ts";
import { makeSessionTable, type SessionEntry, type TunnelEntry } from "./table.ts";
import type { System } from "../io/system.ts";
import { forEach, type Transaction } from "../appliance/transaction.ts";

/** How many sessions of a tunnel are made at a time. */
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
  readonly names: Names;
  /** Unix milliseconds. */
  readonly wallClock: () => number;
}

/** A session to be made with its tunnel. */
export interface OwnedSession {
  readonly config: SessionConfig;
  readonly origin: Origin;
}

/** The operations. Those that take a {@linkcode Transaction} throw {@linkcode ApplianceError}s and are taken back by it. */
export interface Tunnels {
  /** The tunnels that run, by name. */
  readonly all: ReadonlyMap<string, TunnelEntry>;
  /** @param lease the socket, where that is known; it is the tunnel's from then on, and let go of on failure */
  add(
    config: TunnelConfig,
    origin: Origin,
    sessions: readonly OwnedSession[],
    tx: Transaction,
    lease?: SocketLease,
  ): Promise<void>;
  /** Makes a tunnel as `next` says, whose name, ids and encapsulation are the same; its sessions stay. */
  change(tunnel: TunnelEntry, next: TunnelConfig, tx: Transaction): Promise<void>;
  /** Moves a static tunnel onto the socket that it would get now, if that is another. */
  settle(tunnel: TunnelEntry, tx: Transaction): Promise<void>;
  /** Looks at the path's MTU again, and tells the sessions of another. */
  followPath(tunnel: TunnelEntry): Promise<void>;
  /** Never fails; what goes wrong is logged. */
  remove(tunnel: TunnelEntry): Promise<void>;
  /** Takes out a tunnel with its sessions, all of which comes back if the transaction fails. */
  takeOut(tunnel: TunnelEntry, tx: Transaction): Promise<void>;
}

/** No tunnels yet. */
export function makeTunnels(dependencies: TunnelDependencies): Tunnels {
  const { datapath, names, sessions, sockets, system, wallClock } = dependencies;
  const all = new Map<string, TunnelEntry>();
  /** Names and ids of tunnels that run or are being made. */
  const taken = new Map<string, string>();

  const reserve = ({ name, tunnelId }: TunnelConfig, tx: Transaction) => {
    const wanted = [["name", nameKey(name)], ["tunnel-id", idKey(tunnelId)]] as const;
    for (const [attribute, key] of wanted) {
      const owner = taken.get(key);
      if (owner === undefined) continue;
      const message = attribute === "name"
        ? `there is a tunnel ${name} already`
        : `${tunnelId} is the tunnel-id of ${owner} already`;
      throw new ApplianceError("exists", attribute, message);
    }
    for (const [, key] of wanted) taken.set(key, name);
    tx.undo(() => free(name, tunnelId));
  };
  const free = (name: string, tunnelId: number) => {
    taken.delete(nameKey(name));
    taken.delete(idKey(tunnelId));
  };
  const leave = ({ config: { name, tunnelId } }: TunnelEntry) => {
    all.delete(name);
    free(name, tunnelId);
  };
  const enter = (tunnel: TunnelEntry) => {
    const { name, tunnelId } = tunnel.config;
    for (const key of [nameKey(name), idKey(tunnelId)]) taken.set(key, name);
    all.set(name, tunnel);
  };

  const lease = (config: TunnelConfig) => {
    const attribute = ipVersion(config.local.address) === 4 ? "ip-saddr" : "ip6-saddr";
    return asApplianceErrors(attribute, () => sockets.lease(config));
  };
  const pathMtu = ({ local, remote, device }: TunnelConfig) => {
    try {
      return system.pathMtu(local.address, remote.address, device);
    } catch (error) {
      dependencies.log.debug("no path MTU", { remote: remote.address, error: String(error) });
      return undefined;
    }
  };

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

  /** Points a tunnel of the datapath elsewhere, and keeps the former socket until all is done. */
  const redirect = async (
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

  return {
    all,
    async add(given, origin, wanted, tx, taken) {
      if (taken) tx.undo(() => taken[Symbol.asyncDispose]());
      const config = await names.resolve({ ...given, sessions: [] });
      refuseInvalid(config);
      refuseTwins(wanted.map(({ config }) => config));
      reserve(config, tx);
      const socketLease = taken ?? await lease(config);
      if (!taken) tx.undo(() => socketLease[Symbol.asyncDispose]());
      const bytes = pathMtu(config);
      const handle = await asApplianceErrors(
        undefined,
        () => datapath.addTunnel(specOf(config, socketLease.socket, bytes)),
      );
      tx.undo(() => datapath.removeTunnel(handle));
      const tunnel: TunnelEntry = {
        config,
        origin,
        createdAt: wallClock(),
        handle,
        lease: socketLease,
        pathMtu: bytes,
        pathErrors: {},
        sessions: makeSessionTable(),
      };
      tx.commit(() => dependencies.lifecycle.tunnelUp(tunnel));
      await forEach(
        wanted,
        WIDTH,
        (session) =>
          located(
            sessionPath(config, session.config),
            () => sessions.add(tunnel, session.config, session.origin, tx),
          ),
      );
      all.set(config.name, tunnel);
      tx.undo(() => all.delete(config.name));
      names.follow(tunnel);
      tx.undo(() => names.forget(tunnel));
    },
    async change(tunnel, given, tx) {
      const next = await names.resolve({ ...given, sessions: [] }, tunnel.config.remote.address);
      refuseInvalid(next);
      const moves = sockets.moved(next, tunnel.lease);
      await redirect(tunnel, next, moves ? await lease(next) : tunnel.lease, tx);
      names.forget(tunnel);
      names.follow(tunnel);
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
          dependencies.log.warn("the circuit cannot follow the path's MTU", {
            path: sessionPath(tunnel.config, session.config),
            reason: (error as Error).message,
          })
        );
      }
    },
    async takeOut(tunnel, tx) {
      const { config, lease: former } = tunnel;
      const inside = [...tunnel.sessions.values()];
      await forEach(inside, WIDTH, (session) => sessions.takeOut(tunnel, session, tx));
      await datapath.removeTunnel(tunnel.handle);
      tx.undo(async () => {
        tunnel.handle = await datapath.addTunnel(
          specOf(tunnel.config, tunnel.lease.socket, tunnel.pathMtu),
        );
      });
      if (config.encap === "ip") {
        // It could be in the way of others: see `refuseOverlap()`.
        await former[Symbol.asyncDispose]();
        tx.undo(async () => tunnel.lease = await lease(config));
      } else tx.commit(() => former[Symbol.asyncDispose]());
      leave(tunnel);
      tx.undo(() => enter(tunnel));
    },
    async remove(tunnel) {
      const { name, tunnelId } = tunnel.config;
      all.delete(name);
      names.forget(tunnel);
      await forEach(
        [...tunnel.sessions.values()],
        WIDTH,
        (session) => sessions.remove(tunnel, session),
      );
      dependencies.lifecycle.tunnelDown(tunnel);
      try {
        await datapath.removeTunnel(tunnel.handle);
        await tunnel.lease[Symbol.asyncDispose]();
      } catch (error) {
        if (!(error instanceof DatapathError && error.code === "stopped")) {
          dependencies.log.warn("cannot remove a tunnel in order", {
            path: `tunnels/${name}`,
            error: String(error),
          });
        }
      }
      free(name, tunnelId);
    },
  };
}

/** Runs `work`; says in the message of what it throws where that is, unless it says so already. */
export async function located<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApplianceError) || error.message.startsWith(path)) throw error;
    const { attribute, code, message } = error;
    throw new ApplianceError(code, attribute, `${path}: ${message}`, { cause: error });
  }
}

function nameKey(name: string): string {
  return `name ${name}`;
}

function idKey(id: number): string {
  return `id ${id}`;
}

function refuseInvalid(config: TunnelConfig): void {
  const [problem] = checkTunnel(config);
  if (problem) throw new ApplianceError("invalid", problem.attribute, problem.message);
}

/** Sessions that are made together cannot see each other yet. */
function refuseTwins(sessions: readonly SessionConfig[]): void {
  const seen = new Set<string>();
  for (const { name, sessionId } of sessions) {
    for (const [attribute, key] of [["name", nameKey(name)], ["session-id", idKey(sessionId)]]) {
      if (!seen.has(key!)) seen.add(key!);
      else throw new ApplianceError("exists", attribute, `two sessions have the same ${attribute}`);
    }
  }
}

/** Whether datagrams may leave grouped (UDP_SEGMENT): the kernel does it for UDP with checksums only, and not for IPsec. */
export function canGroup({ encap, mark, remote, checksum }: TunnelConfig): boolean {
  return encap === "udp" && mark === undefined &&
    (ipVersion(remote.address) === 4 ? checksum.udp : !checksum.zero6Tx);
}

function specOf(
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
