/** The appliance: brought up from a configuration, changed by requests and reloads, taken down in order. @module */

import { CdnResult } from "../../core/errors.ts";
import { mayPass } from "../../plugins/failure.ts";
import { startDatapath } from "../datapath/client.ts";
import type { AdminConfig, Config } from "../config/model.ts";
import { openSystem } from "../io/system.ts";
import type { ApplianceApi } from "./api.ts";
import { type ApplianceContext, type ApplianceOptions, makeContext } from "./context.ts";
import { asApplianceErrors, isPassing } from "./errors.ts";
import { bringTo, makeFileRequests } from "./bring.ts";
import { pluginAnswer, pluginRows } from "./plugin_requests.ts";
import { makeQueries } from "./queries.ts";
import { traceOf } from "./trace.ts";
import { makeRequests } from "./requests.ts";
import { forEach } from "./transaction.ts";
import { inSlices } from "../slices.ts";

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
      await bringTo(context, options.config, () => Promise.resolve());
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
  const { control, datapath, down, log, meters, queues, state } = context;
  const failure = Promise.withResolvers<Error>();
  datapath.onFailure = failure.resolve;
  datapath.onResponsive = (responsive) => {
    if (responsive) log.info("the datapath gives signs of life again");
    else log.error("the datapath gives no sign of life: no frames flow");
  };
  const { running, ...queries } = makeQueries(context);
  const moveAdmin = async (admin: AdminConfig) => await appliance.onAdminChange?.(admin);
  const began = performance.now();
  let stopped: Promise<void> | undefined;
  const appliance: Appliance = {
    startedAt: context.wallClock(),
    uptimeMs: () => performance.now() - began,
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
    ...queries,
    running: () => inSlices(running()),
    ...makeRequests(context, queries),
    ...makeFileRequests(context, options, moveAdmin, running),
    events: (after) => control.subscribe(after),
    trace: (of, snap) => traceOf(context, queries, of, snap),
    connections: () => inSlices(control.connections()),
    entered: () => control.entered(),
    failures: () => control.failures(),
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

/** Takes everything down, in order. */
async function stop(context: ApplianceContext): Promise<void> {
  const { control, datapath, down, log, sockets, state, tunnels } = context;
  context.confirmation[Symbol.dispose]();
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
