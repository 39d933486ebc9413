/** The appliance: brought up from a configuration, changed by requests and reloads, taken down in order. @module */

import { CdnResult, type Result, StopResult } from "../../core/errors.ts";
import type { Clock, Plugin } from "../../plugins/plugin.ts";
import type { ApplianceApi, ReloadReport, SessionPatch, TunnelPatch } from "./api.ts";
import { ApplianceError, asApplianceErrors } from "./errors.ts";
import { makeCircuits } from "../circuits/circuits.ts";
import { systemClock } from "../clock.ts";
import { startControl } from "../control/mod.ts";
import { startDatapath } from "../datapath/client.ts";
import type { Datapath, StatsOf } from "../datapath/datapath.ts";
import { type Logger, makeLog } from "../log.ts";
import { makeMeters } from "../circuits/meters.ts";
import type {
  AdminConfig,
  Config,
  SessionConfig,
  TunnelConfig,
  TunnelState,
} from "../config/model.ts";
import { makeQueues } from "./queue.ts";
import { applyConfig, fileConfig } from "./reload.ts";
import { followPaths } from "../sessions/paths.ts";
import { makeSessions, sessionPath } from "../sessions/sessions.ts";
import { makeSockets } from "../sessions/sockets.ts";
import { configOf, findSession, findTunnel } from "../sessions/table.ts";
import { countersOf, managedState, stateOf } from "./view.ts";
import { openSystem, type System } from "../io/system.ts";
import { forEach, type Transaction, transaction } from "./transaction.ts";
import { located, makeTunnels } from "../sessions/tunnels.ts";

/** What an appliance is started with. All but the first three have the real thing by default. */
export interface ApplianceOptions {
  readonly config: Config;
  /** Reads the configuration again, for {@linkcode ApplianceApi.reload}. @throws {ConfigError} */
  readConfig(): Promise<Config> | Config;
  readonly plugins: readonly Plugin[];
  readonly log?: Logger;
  readonly clock?: Clock;
  /** Unix milliseconds. */
  wallClock?(): number;
  /** Unpredictable bytes. */
  random?(length: number): Uint8Array;
  readonly system?: System;
  startDatapath?(): Promise<Datapath>;
}

/** A running appliance. Disposal takes everything down and removes the devices that it made. */
export interface Appliance extends ApplianceApi, AsyncDisposable {
  /** Who serves the admin endpoint says here how to move it; a rejection leaves it where it was. */
  onAdminChange: ((admin: AdminConfig) => Promise<void>) | undefined;
  /** Resolves with the reason if the datapath ends by itself: nothing works any more then. */
  readonly failed: Promise<Error>;
}

/** How many tunnels are made at a time. */
const WIDTH = 16;

/**
 * Starts an appliance: listeners, tunnels, sessions and circuits as configured.
 * @throws {ApplianceError} where any of these cannot be had; nothing is left behind then
 */
export async function startAppliance(options: ApplianceOptions): Promise<Appliance> {
  const system = options.system ?? openSystem();
  try {
    const datapath = await (options.startDatapath ?? startDatapath)();
    const appliance = assemble(options, system, datapath);
    try {
      await appliance.bringUp();
      return appliance;
    } catch (error) {
      await appliance.takeDown();
      throw error;
    }
  } catch (error) {
    if (!options.system) system[Symbol.dispose]();
    throw error;
  }
}

function assemble(
  { clock = systemClock, config: first, plugins, ...options }: ApplianceOptions,
  system: System,
  datapath: Datapath,
): Appliance & { bringUp(): Promise<void>; takeDown(): Promise<void> } {
  const log = options.log ?? makeLog(first.log);
  const wallClock = options.wallClock ?? Date.now;
  const random = options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length)));
  const queues = makeQueues();
  const meters = makeMeters();
  const circuits = makeCircuits({ clock, datapath, log, meters, plugins, random, system });
  const sockets = makeSockets(system, datapath, clock, log);
  const sessions = makeSessions({
    circuits,
    datapath,
    log,
    wallClock,
    broken: (tunnel, session, circuit, reason) =>
      void queues.run(
        tunnel.config.name,
        () => sessions.breakDown(tunnel, session, circuit, reason),
      ),
  });
  const tunnels = makeTunnels({ datapath, log, sessions, sockets, system, wallClock });
  const paths = followPaths({
    clock,
    datapath,
    log,
    system,
    tunnels,
    follow: (tunnel) =>
      queues.run(tunnel.config.name, () => Promise.resolve(tunnels.followPath(tunnel))),
  });
  const control = startControl({
    circuits,
    clock,
    datapath,
    knowsVendor: (vendorId, type) =>
      plugins.some(({ vendorAvps }) =>
        vendorAvps?.some((avp) => avp.vendorId === vendorId && avp.type === type)
      ),
    log,
    random,
    sessions,
    sockets,
    tunnels,
    wallClock,
  });
  paths.onUnreachable = control.unreachable;
  /** What is in force besides the tunnels. */
  let settings: Omit<Config, "tunnels"> = first;
  let running = true;
  const failure = Promise.withResolvers<Error>();
  datapath.onFailure = failure.resolve;
  datapath.onResponsive = (responsive) => {
    if (responsive) log.info("the datapath gives signs of life again");
    else log.error("the datapath gives no sign of life: no frames flow");
  };

  const statistics = (of?: StatsOf) => asApplianceErrors(undefined, () => datapath.stats(of));
  const show = async (tunnel: string): Promise<TunnelState> => {
    const name = idToName(tunnel);
    const stats = await statistics(countersOf(tunnels.all.get(name)));
    const managed = control.states().get(name);
    if (managed && !tunnels.all.has(name)) return managedState(managed, undefined);
    const state = stateOf(findTunnel(tunnels.all, name), stats);
    return managed ? managedState(managed, state) : state;
  };
  const refuseManaged = (tunnel: string) => {
    if (!control.owns(idToName(tunnel))) return;
    const message = "its control connection decides on this; change the configuration file";
    throw new ApplianceError("invalid", undefined, message);
  };
  const refuseResult = (result: Result | undefined) => {
    if (!result) return;
    const message = "there is no control connection that could tell the peer";
    throw new ApplianceError("invalid", "result", message);
  };

  /** Makes one change to a tunnel, after those before it; all of it or nothing. */
  const change = (tunnel: string, work: (name: string, tx: Transaction) => Promise<void>) => {
    const name = idToName(tunnel);
    return queues.run(name, async () => {
      refuseStopped();
      await transaction(log, (tx) => work(name, tx));
      return name;
    });
  };
  const refuseStopped = () => {
    if (!running) throw new ApplianceError("unavailable", undefined, "the appliance has stopped");
  };
  const idToName = (tunnel: string) => {
    if (tunnels.all.has(tunnel)) return tunnel;
    for (const { config } of tunnels.all.values()) {
      if (String(config.tunnelId) === tunnel) return config.name;
    }
    return tunnel;
  };

  async function bringUp() {
    for (const listener of first.listen) {
      await asApplianceErrors("listen", () => sockets.open(listener));
    }
    await forEach(first.tunnels, WIDTH, (tunnel) => {
      const owned = tunnel.sessions.map((config) => ({ config, origin: "config" as const }));
      return transaction(
        log,
        (tx) => located(`tunnels/${tunnel.name}`, () => tunnels.add(tunnel, "config", owned, tx)),
      );
    });
    await control.apply(first, true);
  }

  async function takeDown() {
    paths[Symbol.dispose]();
    await control[Symbol.asyncDispose]();
    await forEach([...tunnels.all.values()], WIDTH, (tunnel) => tunnels.remove(tunnel));
    for (const listener of settings.listen) {
      await sockets.close(listener).catch((error) =>
        log.debug("cannot close a listener in order", { error: String(error) })
      );
    }
    await datapath[Symbol.asyncDispose]();
    if (!options.system) system[Symbol.dispose]();
  }

  let stopped: Promise<void> | undefined;
  const appliance: ReturnType<typeof assemble> = {
    startedAt: wallClock(),
    failed: failure.promise,
    get healthy() {
      return datapath.responsive;
    },
    onAdminChange: undefined,
    config: () => ({
      ...settings,
      tunnels: [...tunnels.all.values()].filter(({ origin }) => origin !== "control")
        .map((tunnel) => configOf(tunnel)),
    }),
    async tunnels() {
      const stats = await statistics();
      const managed = control.states();
      const there = [...tunnels.all.values()].map((tunnel) => {
        const [state, control] = [stateOf(tunnel, stats), managed.get(tunnel.config.name)];
        return control ? managedState(control, state) : state;
      });
      const others = [...managed.values()].filter(({ config }) => !tunnels.all.has(config.name));
      return [...there, ...others.map((each) => managedState(each, undefined))];
    },
    tunnel: show,
    async createTunnel(config: TunnelConfig) {
      if (control.owns(config.name)) {
        const message = `there is a tunnel ${config.name} already`;
        throw new ApplianceError("exists", "name", message);
      }
      const owned = config.sessions.map((config) => ({ config, origin: "api" as const }));
      await change(config.name, (_, tx) => tunnels.add(config, "api", owned, tx));
      log.info("tunnel created", { path: `tunnels/${config.name}` });
      return await show(config.name);
    },
    async changeTunnel(tunnel: string, patch: TunnelPatch) {
      refuseManaged(tunnel);
      const name = await change(tunnel, async (name, tx) => {
        const entry = findTunnel(tunnels.all, name);
        await tunnels.change(entry, { ...entry.config, ...patch }, tx);
      });
      log.info("tunnel changed", { path: `tunnels/${name}`, attributes: Object.keys(patch) });
      return await show(name);
    },
    async deleteTunnel(tunnel: string, result?: Result) {
      refuseStopped();
      if (control.owns(idToName(tunnel))) {
        return await control.closeTunnel(idToName(tunnel), result ?? { result: StopResult.Clear });
      }
      refuseResult(result);
      const name = await change(
        tunnel,
        (name) => tunnels.remove(findTunnel(tunnels.all, name)),
      );
      log.info("tunnel deleted", { path: `tunnels/${name}` });
    },
    async createSession(tunnel: string, config: SessionConfig) {
      refuseManaged(tunnel);
      const name = await change(
        tunnel,
        (name, tx) => sessions.add(findTunnel(tunnels.all, name), config, "api", tx),
      );
      log.info("session created", { path: `tunnels/${name}/sessions/${config.name}` });
      return await show(name);
    },
    async changeSession(tunnel: string, session: string, patch: SessionPatch) {
      refuseManaged(tunnel);
      let path = "";
      const name = await change(tunnel, async (name, tx) => {
        const owner = findTunnel(tunnels.all, name);
        const entry = findSession(owner, session);
        const next = { ...entry.config, ...patch };
        path = sessionPath(owner.config, next);
        sessions.check(owner.config, next);
        await sessions.releaseCircuit(owner, entry, next, tx);
        await sessions.change(owner, entry, next, tx);
      });
      log.info("session changed", { path, attributes: Object.keys(patch) });
      return await show(name);
    },
    async deleteSession(tunnel: string, session: string, result?: Result) {
      refuseStopped();
      if (control.owns(idToName(tunnel))) {
        const name = idToName(tunnel);
        const said = result ?? { result: CdnResult.Administrative };
        if (await control.closeSession(name, session, said)) return;
        const message = `the tunnel ${name} has no session ${session}`;
        throw new ApplianceError("not-found", undefined, message);
      }
      refuseResult(result);
      let path = "";
      await change(tunnel, async (name) => {
        const owner = findTunnel(tunnels.all, name);
        const entry = findSession(owner, session);
        path = sessionPath(owner.config, entry.config);
        await sessions.remove(owner, entry);
      });
      log.info("session deleted", { path });
    },
    async datapath() {
      const { drops, io } = await statistics(countersOf(undefined));
      const queues = { "device-queue-full": system.deviceQueueDrops() };
      return { drops: { ...drops, ...queues, ...control.drops() }, pathErrors: paths.errors(), io };
    },
    events: () => control.subscribe(),
    connections: () => control.connections(),
    reload() {
      return queues.exclusive(async (): Promise<ReloadReport> => {
        refuseStopped();
        const next = await options.readConfig();
        const before = fileConfig(settings, tunnels);
        const changeAdmin = async (admin: AdminConfig) => await appliance.onAdminChange?.(admin);
        // First what frees names and devices; a static part that fails brings it back.
        await control.retire(next);
        let report: ReloadReport;
        try {
          report = await applyConfig(before, next, {
            changeAdmin,
            log,
            sessions,
            sockets,
            tunnels,
          });
        } catch (error) {
          await control.apply(before, false);
          throw error;
        }
        await control.apply(next, false);
        settings = next;
        const { added, changed, removed, unchanged } = report;
        log.info("configuration reloaded", { added, changed, removed, unchanged });
        return report;
      });
    },
    metrics: () => Promise.resolve(meters.read()),
    bringUp,
    takeDown,
    [Symbol.asyncDispose]: () =>
      stopped ??= queues.exclusive(() => {
        running = false;
        return takeDown();
      }),
  };
  return appliance;
}
