/** What an appliance is made of. @module */

import { dirname } from "node:path";
import { makeHost, type PluginHost } from "../../plugins/host/host.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { type Circuits, makeCircuits } from "../circuits/circuits.ts";
import { makeLeaves } from "../circuits/leaves.ts";
import { makeMeters, type PluginMeters } from "../circuits/meters.ts";
import { systemClock } from "../io/clock.ts";
import type { ConfigDocument } from "../config/document.ts";
import type { Config } from "../config/model.ts";
import { type ControlPlane, startControl } from "../control/mod.ts";
import { offered } from "../control/peers.ts";
import type { Datapath } from "../datapath/datapath.ts";
import type { System } from "../io/system.ts";
import { type Logger, makeLog } from "../log/log.ts";
import { type Keepalives, makeKeepalives } from "../keepalive/keepalives.ts";
import { followPaths, type Paths } from "../sessions/paths.ts";
import { makeSessions, type Sessions } from "../sessions/sessions.ts";
import { lookUp } from "../io/lookup.ts";
import { makeRemoteNames, type RemoteNames } from "../sessions/remote_names.ts";
import { makeSockets, type Sockets } from "../sessions/sockets.ts";
import { type SessionEntry, sessionPath, type TunnelEntry } from "../sessions/table.ts";
import { makeTunnels, type Tunnels } from "../sessions/tunnels.ts";
import { type HookDependencies, type Hooks, makeHooks } from "../hooks/hooks.ts";
import { type Lifecycle, makeLifecycle } from "../hooks/lifecycle.ts";
import { spawnWithoutCapabilities } from "../hooks/spawn.ts";
import { type Confirmation, makeConfirmation } from "./confirmation.ts";
import { type Down, type DownList, makeDownList } from "./down.ts";
import { makeQueues, type Queues } from "./queue.ts";
import { outageTeller } from "./outages.ts";
import { transaction } from "./transaction.ts";

/** What an appliance is started with. All but the first three have the real thing by default. */
export interface ApplianceOptions {
  readonly config: Config;
  /** Where it was read from, and what requests make of it. */
  readonly document: ConfigDocument;
  readonly plugins: readonly Plugin[];
  readonly log?: Logger;
  readonly clock?: Clock;
  /** Unix milliseconds. */
  wallClock?(): number;
  /** Unpredictable bytes. */
  random?(length: number): Uint8Array;
  readonly system?: System;
  startDatapath?(): Promise<Datapath>;
  /** Starts a hook's command; by default without the capabilities of this process, which all later children lack, too. */
  spawnHook?: HookDependencies["spawn"];
}

/** The parts of an appliance, and what is in force. */
export interface ApplianceContext {
  readonly circuits: Circuits;
  readonly confirmation: Confirmation;
  readonly control: ControlPlane;
  readonly datapath: Datapath;
  readonly down: DownList;
  readonly log: Logger;
  readonly hooks: Hooks;
  /** Services, circuits and what else plugins keep, as far as it is down. */
  circuitsDown(): readonly Down[];
  /** The host of plugins. */
  readonly host: PluginHost;
  readonly keepalives: Keepalives;
  readonly meters: PluginMeters;
  readonly paths: Paths;
  readonly queues: Queues;
  readonly sessions: Sessions;
  readonly sockets: Sockets;
  readonly system: System;
  readonly tunnels: Tunnels;
  wallClock(): number;
  readonly state: {
    /** What the file said last. */
    inForce: Config;
    running: boolean;
  };
}

/** What all parts are made with. */
interface World {
  readonly clock: Clock;
  readonly datapath: Datapath;
  readonly log: Logger;
  readonly system: System;
  random(length: number): Uint8Array;
  wallClock(): number;
}

/** An appliance in which nothing runs yet. */
export function makeContext(
  { clock = systemClock, config, plugins, ...options }: ApplianceOptions,
  system: System,
  datapath: Datapath,
): ApplianceContext {
  const log = options.log ?? makeLog(config.log);
  const wallClock = options.wallClock ?? Date.now;
  const random = options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length)));
  const world: World = { clock, datapath, log, random, system, wallClock };
  const queues = makeQueues();
  const meters = makeMeters();
  const hooks = makeHooks({ clock, log, spawn: options.spawnHook ?? spawnWithoutCapabilities() });
  const leaves = makeLeaves({
    ...world,
    meters,
    stateFolder: config.stateFolder,
    folder: dirname(options.document.file),
    hook: hooks.run,
    event: (type, fields) => control.publish(type, fields),
    place: (...args) => control.place(...args),
    attachTo: (...args) => circuits.attachChannel(...args),
  });
  const host = makeHost(leaves, plugins);
  const circuits = makeCircuits({ host, plugins, random });
  const sockets = makeSockets(system, datapath, clock, log);
  const down = makeDownList({
    clock,
    log,
    wallClock,
    enqueue: (queue, work) =>
      queue === undefined ? queues.exclusive(work) : queues.run(queue, work),
  });
  const lifecycle = makeLifecycle(hooks);
  const keepalives = makeKeepalives(world);
  const { paths, sessions, tunnels } = makeTunnelParts(world, {
    circuits,
    down,
    keepalives,
    lifecycle,
    meters,
    queues,
    sockets,
    tell: (event) => control.publishSession(event),
  });
  const control: ControlPlane = startControl({
    ...world,
    circuits,
    pseudowires: offered(plugins),
    knowsVendor: (vendorId, type) => understands(plugins, vendorId, type),
    sessions,
    sockets,
    tunnels,
  });
  paths.onUnreachable = control.unreachable;
  return {
    circuits,
    confirmation: makeConfirmation(clock),
    control,
    datapath,
    down,
    hooks,
    host,
    keepalives,
    circuitsDown: () =>
      host.down().map(({ reason, since, what }) => ({ path: what, reason, since })),
    log,
    meters,
    paths,
    queues,
    sessions,
    sockets,
    system,
    tunnels,
    wallClock,
    state: { inForce: emptyConfig(config), running: true },
  };
}

/** Tunnels, the sessions in them, and the paths below them. */
function makeTunnelParts(
  { clock, datapath, log, system, wallClock }: World,
  { circuits, down, keepalives, lifecycle, meters, queues, sockets, tell }:
    & Pick<ApplianceContext, "circuits" | "down" | "keepalives" | "meters" | "queues" | "sockets">
    & { readonly lifecycle: Lifecycle; readonly tell: ControlPlane["publishSession"] },
): Pick<ApplianceContext, "paths" | "sessions" | "tunnels"> {
  const sessions = makeSessions({
    changed: lifecycle.session,
    outage: outageTeller({ log, meters, tell }),
    circuits,
    datapath,
    keepalives,
    log,
    wallClock,
    silence: (tunnel, session) =>
      void queues.run(
        tunnel.config.name,
        // deno-lint-ignore require-await
        async () => sessions.suffer(tunnel, session, "path", session.keepalive?.silence),
      ),
    broken: (tunnel, session, circuit, reason) =>
      void queues.run(
        tunnel.config.name,
        () => sessions.breakDown(tunnel, session, circuit, reason),
      ),
    waiting(tunnel, session, reason) {
      const { name } = tunnel.config;
      const retry = () => revive({ log, sessions, tunnels }, tunnel, session);
      down.add(sessionPath(tunnel.config, session.config), reason, { queue: name, retry });
    },
    attached: (path) => down.delete(path),
  });
  const remoteNames = makeRemoteNames({
    clock,
    log,
    lookUp,
    redirect: (tunnel) =>
      queues.run(tunnel.config.name, () => redirect({ log, remoteNames, tunnels }, tunnel)),
  });
  const tunnels = makeTunnels({
    datapath,
    lifecycle,
    remoteNames,
    log,
    sessions,
    sockets,
    system,
    wallClock,
  });
  const paths = followPaths({
    clock,
    datapath,
    log,
    system,
    tunnels,
    follow: (tunnel) => queues.run(tunnel.config.name, () => tunnels.followPath(tunnel)),
  });
  return { paths, sessions, tunnels };
}

/** Gives a session of the file its circuit, unless it has one or is gone. @throws {ApplianceError} where it stays down */
async function revive(
  { log, sessions, tunnels }: Pick<ApplianceContext, "log" | "sessions" | "tunnels">,
  tunnel: TunnelEntry,
  session: SessionEntry,
): Promise<void> {
  const there = tunnels.all.get(tunnel.config.name) === tunnel &&
    tunnel.sessions.byName(session.config.name) === session;
  if (!there || session.circuit) return;
  try {
    await transaction(log, (tx) => sessions.revive(tunnel, session, tx));
  } catch (error) {
    session.reason = (error as Error).message;
    throw error;
  }
}

/** Points a static tunnel to where its peer's name leads now. @throws {ApplianceError} */
async function redirect(
  { log, remoteNames, tunnels }: Pick<ApplianceContext, "log" | "tunnels"> & {
    readonly remoteNames: RemoteNames;
  },
  tunnel: TunnelEntry,
): Promise<void> {
  const { config } = tunnel;
  if (tunnels.all.get(config.name) !== tunnel) return;
  const { remote } = await remoteNames.resolve(config, config.remote.address);
  if (remote.address === config.remote.address) return;
  await transaction(log, (tx) => tunnels.change(tunnel, config, tx));
}

/** Whether some plugin knows a vendor's AVP. */
function understands(plugins: readonly Plugin[], vendorId: number, type: number): boolean {
  return plugins.some(({ vendorAvps }) =>
    vendorAvps?.some((avp) => avp.vendorId === vendorId && avp.type === type)
  );
}

/** A configuration that asks for nothing. */
function emptyConfig(config: Config): Config {
  // What is begun before the first configuration is in force already.
  const { admin, hostName, log, plugins, routerId, sections, stateFolder } = config;
  return {
    admin,
    hostName,
    log,
    routerId,
    plugins,
    sections,
    stateFolder,
    listen: [],
    peers: [],
    tunnels: [],
    managed: [],
    circuits: [],
    hooks: {},
  };
}
