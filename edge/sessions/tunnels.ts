/** Tunnels: their sockets and their place in the datapath. Every function is to be called from the tunnel's queue. @module */

import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import { DatapathError } from "../datapath/datapath.ts";
import type { Origin, SessionConfig, TunnelConfig } from "../config/model.ts";
import type { SocketLease } from "./sockets.ts";
import {
  makeSessionTable,
  RunningTunnels,
  sessionPath,
  type TunnelEntry,
  type TunnelTable,
} from "./table.ts";
import { forEach, type Transaction } from "../appliance/transaction.ts";

/** How many sessions of a tunnel are made at a time. */
const WIDTH = 64;

import { makeTunnelNames } from "./tunnel_names.ts";
import {
  makeTunnelRoutes,
  refuseInvalid,
  specOf,
  type TunnelDependencies,
  type TunnelRoutes,
} from "./tunnel_routes.ts";

/** A session to be made with its tunnel. */
export interface OwnedSession {
  readonly config: SessionConfig;
  readonly origin: Origin;
}

/** The operations. Those that take a {@linkcode Transaction} throw {@linkcode ApplianceError}s and are taken back by it. */
export interface Tunnels extends TunnelRoutes {
  /** The tunnels that run, by name. */
  readonly all: TunnelTable;
  /** @param lease the socket, where that is known; it is the tunnel's from then on, and let go of on failure */
  add(
    config: TunnelConfig,
    origin: Origin,
    sessions: readonly OwnedSession[],
    tx: Transaction,
    lease?: SocketLease,
  ): Promise<void>;
  /** Never fails; what goes wrong is logged. */
  remove(tunnel: TunnelEntry): Promise<void>;
  /** Takes out a tunnel with its sessions, all of which comes back if the transaction fails. */
  takeOut(tunnel: TunnelEntry, tx: Transaction): Promise<void>;
}

/** No tunnels yet. */
export function makeTunnels(dependencies: TunnelDependencies): Tunnels {
  const { datapath, log, remoteNames, sessions, wallClock } = dependencies;
  const all = new RunningTunnels();
  const names = makeTunnelNames();
  const { change, followPath, lease, pathMtu, settle } = makeTunnelRoutes(dependencies);

  return {
    all,
    change,
    followPath,
    settle,
    async add(given, origin, wanted, tx, taken) {
      if (taken) tx.undo(() => taken[Symbol.asyncDispose]());
      const config = await remoteNames.resolve({ ...given, sessions: [] });
      refuseInvalid(config);
      refuseTwins(wanted.map(({ config }) => config));
      names.reserve(config, tx);
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
      remoteNames.follow(tunnel);
      tx.undo(() => remoteNames.forget(tunnel));
    },
    async takeOut(tunnel, tx) {
      const { config, lease: former } = tunnel;
      const inside = [...tunnel.sessions.values()];
      await forEach(inside, WIDTH, (session) => sessions.takeOut(tunnel, session, tx));
      tx.commit(() => dependencies.lifecycle.tunnelDown(tunnel));
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
      all.delete(config.name);
      names.free(config);
      remoteNames.forget(tunnel);
      tx.undo(() => {
        remoteNames.follow(tunnel);
        names.takeBack(config);
        all.set(config.name, tunnel);
      });
    },
    async remove(tunnel) {
      const { name } = tunnel.config;
      all.delete(name);
      remoteNames.forget(tunnel);
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
          log.warn("cannot remove a tunnel in order", {
            path: `tunnels/${name}`,
            error: String(error),
          });
        }
      }
      names.free(tunnel.config);
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

/** Sessions that are made together cannot see each other yet. */
function refuseTwins(sessions: readonly SessionConfig[]): void {
  const seen = new Set<string>();
  for (const { name, sessionId } of sessions) {
    for (const [attribute, key] of [["name", `name ${name}`], ["session-id", `id ${sessionId}`]]) {
      if (!seen.has(key!)) seen.add(key!);
      else throw new ApplianceError("exists", attribute, `two sessions have the same ${attribute}`);
    }
  }
}
