/** The appliance: brought up from a configuration, changed by requests and reloads, taken down in order. @module */

import { CdnResult } from "../../core/errors.ts";
import { mayPass } from "../../plugins/failure.ts";
import { startDatapath } from "../datapath/client.ts";
import type { StatsOf } from "../datapath/datapath.ts";
import type { AdminConfig, Config, TunnelState } from "../config/model.ts";
import { circuitPart } from "../circuits/circuits_part.ts";
import { hookPart } from "../hooks/hook_part.ts";
import { openSystem } from "../io/system.ts";
import { staticPart } from "../sessions/static_part.ts";
import { asWritten } from "../sessions/remote_names.ts";
import { configOf, findTunnel } from "../sessions/table.ts";
import type { ApplianceApi } from "./api.ts";
import { type ApplianceContext, type ApplianceOptions, makeContext } from "./context.ts";
import { adopt, unsaved, untouched } from "./edits.ts";
import { asApplianceErrors, isPassing } from "./errors.ts";
import { listenerPart } from "./listeners.ts";
import { makeSteps } from "./part.ts";
import { pluginAnswer, pluginRows } from "./plugin_requests.ts";
import { reconcile, type ReloadReport } from "./reconcile.ts";
import { makeRequests, refuseStopped, tunnelName } from "./requests.ts";
import { settingsPart } from "./settings.ts";
import { forEach } from "./transaction.ts";
import { countersOf, downState, managedState, stateOf } from "./view.ts";

export type { ApplianceOptions } from "./context.ts";

/** A running appliance. Disposal takes everything down and removes the devices that it made. */
export interface Appliance extends ApplianceApi, AsyncDisposable {
  /** How to move the admin endpoint; a rejection leaves it where it was. */
  onAdminChange: ((admin: AdminConfig) => Promise<void>) | undefined;
  /**
   * Who serves the admin endpoint says how to move it, and has it moved to its first address: at once, or as soon as
   * that can be had. @throws what `move` throws, where waiting cannot mend it
   */
  startAdmin(move: (admin: AdminConfig) => Promise<void>): Promise<void>;
  /** Resolves with the reason if the datapath ends by itself: nothing works any more then. */
  readonly failed: Promise<Error>;
}

/** How many tunnels are taken down at a time. */
const WIDTH = 16;

/**
 * Starts an appliance: listeners, tunnels, sessions and circuits as configured. What cannot be had now is listed as
 * down, and tried again.
 * @throws {ApplianceError} where waiting cannot mend it; nothing is left behind then
 */
export async function startAppliance(options: ApplianceOptions): Promise<Appliance> {
  const system = options.system ?? openSystem();
  try {
    const datapath = await (options.startDatapath ?? startDatapath)();
    const context = makeContext(options, system, datapath);
    const appliance = assemble(context, options, async () => {
      await stop(context);
      if (!options.system) system[Symbol.dispose]();
    });
    try {
      await startPlugins(context, options.config);
      await bringTo(context, options.config, appliance);
      return appliance;
    } catch (error) {
      await stop(context);
      throw error;
    }
  } catch (error) {
    if (!options.system) system[Symbol.dispose]();
    throw error;
  }
}

function assemble(
  context: ApplianceContext,
  options: ApplianceOptions,
  takeDown: () => Promise<void>,
): Appliance {
  const { control, datapath, down, log, meters, queues, state, tunnels } = context;
  const failure = Promise.withResolvers<Error>();
  datapath.onFailure = failure.resolve;
  datapath.onResponsive = (responsive) => {
    if (responsive) log.info("the datapath gives signs of life again");
    else log.error("the datapath gives no sign of life: no frames flow");
  };
  const statistics = (of?: StatsOf) => asApplianceErrors(undefined, () => datapath.stats(of));
  const show = async (tunnel: string): Promise<TunnelState> => {
    const name = tunnelName(context, tunnel);
    const waiting = down.tunnels().find((each) => each.tunnel.config.name === name);
    if (waiting) return downState(waiting);
    const stats = await statistics(countersOf(tunnels.all.get(name)));
    const managed = control.states().get(name);
    if (managed && !tunnels.all.has(name)) return managedState(managed, undefined);
    const state = stateOf(findTunnel(tunnels.all, name), stats);
    return managed ? managedState(managed, state) : state;
  };

  let stopped: Promise<void> | undefined;
  const appliance: Appliance = {
    startedAt: context.wallClock(),
    failed: failure.promise,
    get healthy() {
      return datapath.responsive;
    },
    onAdminChange: undefined,
    async startAdmin(move) {
      appliance.onAdminChange = move;
      try {
        await move(state.inForce.admin);
      } catch (error) {
        if (!isPassing(error)) throw error;
        const retry = () => move(state.inForce.admin);
        down.add("admin", error, { queue: undefined, retry });
      }
    },
    ...makeRequests(context, show),
    config: () => ({
      ...state.inForce,
      tunnels: [
        ...[...tunnels.all.values()].filter(({ origin }) => origin !== "control")
          .map((tunnel) => asWritten(configOf(tunnel))),
        ...down.tunnels().map(downState).map(({ config }) => config),
      ],
    }),
    async tunnels() {
      const stats = await statistics();
      const managed = control.states();
      const there = [...tunnels.all.values()].map((tunnel) => {
        const [state, control] = [stateOf(tunnel, stats), managed.get(tunnel.config.name)];
        return control ? managedState(control, state) : state;
      });
      const others = [...managed.values()].filter(({ config }) => !tunnels.all.has(config.name));
      return [
        ...there,
        ...others.map((each) => managedState(each, undefined)),
        ...down.tunnels().map(downState),
      ];
    },
    tunnel: show,
    async datapath() {
      const { drops, io } = await statistics(countersOf(undefined));
      const queued = { "device-queue-full": context.system.deviceQueueDrops() };
      return {
        drops: { ...drops, ...queued, ...control.drops() },
        pathErrors: context.paths.errors(),
        io,
      };
    },
    down: () => [...down.all(), ...context.circuitsDown()],
    events: () => control.subscribe(),
    connections: () => control.connections(),
    failures: () => control.failures(),
    reload: () =>
      queues.exclusive(async () => {
        refuseStopped(context);
        const { commit, config, putBack } = await options.document.load();
        const report = await bringTo(context, config, appliance);
        commit();
        return told(log, withReasons(report, putBack));
      }),
    edit: (edits) =>
      queues.exclusive(async () => {
        refuseStopped(context);
        const { commit, config } = options.document.edit(edits);
        const report = await bringTo(context, untouched(context, config, edits), appliance);
        state.inForce = config;
        commit();
        return told(log, report);
      }),
    saidBy: (path) => options.document.origin(path),
    save: () =>
      queues.exclusive(async () => {
        const saved = await options.document.save(unsaved(context));
        if (saved.refused === undefined) {
          for (const tunnel of tunnels.all.values()) adopt(tunnel);
          state.inForce = appliance.config();
          log.info("configuration saved");
        }
        return saved;
      }),
    circuits: () => context.circuits.named(),
    view: (view, name) => pluginRows(context.host, view, name),
    run: (word, given) => pluginAnswer(context.host, word, given),
    metrics: () => Promise.resolve(meters.read()),
    [Symbol.asyncDispose]: () =>
      stopped ??= queues.exclusive(() => {
        state.running = false;
        return takeDown();
      }),
  };
  return appliance;
}

/** Starts plugins' services. @throws {ApplianceError} where waiting cannot mend that one of them does not start */
async function startPlugins({ host }: ApplianceContext, { sections }: Config): Promise<void> {
  const values = Object.entries(sections).map(([plugin, { value }]) => [plugin, value] as const);
  const failures = await host.start(new Map(values));
  for (const [plugin, failure] of failures) {
    if (mayPass(failure)) continue;
    await asApplianceErrors(sections[plugin]?.key ?? plugin, () => Promise.reject(failure));
  }
}

/** Takes the appliance to a configuration. @throws {ApplianceError} and has changed nothing */
async function bringTo(
  context: ApplianceContext,
  next: Config,
  appliance: Pick<Appliance, "onAdminChange">,
): Promise<ReloadReport> {
  const { control, down, state, tunnels } = context;
  const before = state.inForce;
  const steps = makeSteps();
  const changeAdmin = async (admin: AdminConfig) => await appliance.onAdminChange?.(admin);
  const running = [
    ...[...tunnels.all.values()].filter(({ origin }) => origin === "config")
      .map((tunnel) => asWritten(configOf(tunnel, ({ origin }) => origin === "config"))),
    ...down.tunnels().map(({ tunnel }) => tunnel.config),
  ];
  const report = await reconcile([
    settingsPart(before, next, { ...context, changeAdmin }, steps),
    hookPart(before.hooks, next.hooks, context.hooks, steps),
    circuitPart(before, next, context, steps),
    listenerPart(before.listen, next.listen, context, steps),
    staticPart({ running, lastFile: before.tunnels, wanted: next.tunnels }, context, steps),
    control.part(next, down, steps),
  ], { ...context, steps });
  state.inForce = next;
  return report;
}

/** What requests had changed, and is now as the file has it, says so. */
function withReasons(report: ReloadReport, putBack: readonly string[]): ReloadReport {
  const steps = report.steps.map((step) =>
    putBack.includes(step.path)
      ? { ...step, why: [step.why, "puts back what a request changed"].filter(Boolean).join(": ") }
      : step
  );
  return { ...report, steps };
}

function told(log: ApplianceContext["log"], report: ReloadReport): ReloadReport {
  logReport(log, report);
  return report;
}

function logReport(log: ApplianceContext["log"], { down, kept, steps }: ReloadReport): void {
  const count = (step: string) => steps.filter((each) => each.step === step).length;
  for (const { path, step, why } of steps) {
    log.info(step, { path, ...(why !== undefined && { why }) });
  }
  log.info("configuration reloaded", {
    added: count("added"),
    changed: count("changed"),
    restarted: count("restarted"),
    removed: count("removed"),
    kept,
    down: down.length,
  });
}

/** Takes everything down, in order. */
async function stop(context: ApplianceContext): Promise<void> {
  const { control, datapath, down, log, sockets, state, tunnels } = context;
  down[Symbol.dispose]();
  context.paths[Symbol.dispose]();
  await control[Symbol.asyncDispose]();
  await forEach([...tunnels.all.values()], WIDTH, (tunnel) => tunnels.remove(tunnel));
  for (const listener of state.inForce.listen) {
    await sockets.withdraw(listener)?.close().catch((error) =>
      log.debug("cannot close a listener in order", { error: String(error) })
    );
  }
  context.hooks[Symbol.dispose]();
  await context.host.end({ result: CdnResult.Administrative, message: "the appliance stops" });
  await datapath[Symbol.asyncDispose]();
}
