/** `isthmus run`: the appliance as a process, with its admin endpoint, signals and service manager. @module */

import type { Plugin } from "../plugins/plugin.ts";
import { type Appliance, startAppliance } from "./appliance/appliance.ts";
import type { ConfigDocument } from "./config/document.ts";
import type { Datapath } from "./datapath/datapath.ts";
import type { AdminApp, RequestHandler } from "./admin/mod.ts";
import { catchFaults } from "./process/faults.ts";
import { openSystem, type System } from "./io/system.ts";
import { type Logger, makeLog } from "./log/log.ts";
import { lineSink } from "./log/sink.ts";
import { movableAdmin } from "./admin/movable.ts";
import type { Signals } from "./process/signals.ts";
import { watchVitals } from "./process/vitals.ts";

/** How long the log may take to be written at the end, in milliseconds. */
const FLUSH_MS = 1000;
/** How long tunnels and sessions may take to end, in milliseconds: docs/isthmus.service gives all of us some seconds more. */
export const STOP_MS = 50_000;

/** What is run. */
export interface RunOptions {
  readonly document: ConfigDocument;
  readonly plugins: readonly Plugin[];
  readonly version: string;
  /** Followed since the process began. */
  readonly signals: Signals;
  /** The datapath, which may still be starting. */
  readonly datapath: Promise<Datapath>;
}

/**
 * Runs an appliance until SIGTERM or SIGINT; SIGHUP reloads its configuration. A second SIGTERM or SIGINT ends the
 * process at once, and the kernel then removes the devices that it made.
 *
 * The result is the exit status: 0, or 1 where the datapath failed.
 * @throws {ConfigError} where the configuration is wrong
 * @throws {ApplianceError} where waiting cannot mend what is in the way; nothing is left behind in either case
 */
export async function run(options: RunOptions): Promise<number> {
  const { signals } = options;
  const { config, commit, warnings } = await options.document.load();
  commit();
  const sink = lineSink(
    (bytes) => Deno.stderr.write(bytes),
    (count) => `${count} lines of the log were dropped here: nobody read them fast enough\n`,
  );
  await using _flushed = { [Symbol.asyncDispose]: () => sink.flush(FLUSH_MS) };
  const log = makeLog(config.log, {
    write: sink.write,
    priorities: Deno.env.get("JOURNAL_STREAM") !== undefined,
  });
  for (const warning of warnings) log.warn(warning);
  using _faults = catchFaults(log);
  using system = openSystem(Deno.env.get("NOTIFY_SOCKET"));
  const startDatapath = () => options.datapath;
  await using appliance = await startAppliance({ ...options, config, log, system, startDatapath });
  using vitals = watchVitals(system.descriptors, sink);
  const { connectionCap } = await import("./admin/connections.ts");
  const { serveAdmin } = await import("./admin/serve.ts");
  // Neither tunnels nor who connects waits for all of it to be loaded; requests do.
  const app = late(async () => {
    const { createAdmin } = await import("./admin/app.ts");
    return createAdmin(appliance, { ...options, log, vitals: vitals.read });
  });
  await using admin = movableAdmin((listen) =>
    serveAdmin({ listen }, app.handler, {
      cap: connectionCap(system.descriptors()),
      credentials: system.peerCredentials,
      revived: () => log.warn("the admin endpoint had ceased to listen, and listens again"),
    })
  );
  await appliance.startAdmin(admin.move);
  await app.load();
  using _watchdog = feedWatchdog(Deno.env.get("WATCHDOG_USEC"), () => {
    if (appliance.healthy) system.notify("WATCHDOG=1");
  });
  system.notify(`READY=1\nSTATUS=admin at ${admin.url()}`);
  log.info("running", { version: options.version, admin: admin.url(), pid: Deno.pid });
  signals.onReload(() => void reload(appliance, system, log));

  const reason = await Promise.race([signals.stop, appliance.failed]);
  system.notify("STOPPING=1");
  if (typeof reason === "string") log.info("stopping", { signal: reason });
  else log.error("the datapath failed", { error: messageOf(reason) });
  // Peers are told before anybody waits for who still asks something.
  const status = typeof reason === "string" ? 0 : 1;
  if (await within(appliance[Symbol.asyncDispose](), STOP_MS)) return status;
  log.error("stopping takes too long: what is left ends with the process", {
    seconds: STOP_MS / 1000,
    accounts: "those that are open are closed by the next start, with what was read of them last",
  });
  await sink.flush(FLUSH_MS);
  Deno.exit(status);
}

/** Whether work ends within so many milliseconds. */
export async function within(work: PromiseLike<void>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), ms));
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** An admin app that is made when it is first asked, or told to. */
function late(
  make: () => Promise<AdminApp>,
): { readonly handler: RequestHandler; load(): Promise<AdminApp> } {
  let made: Promise<AdminApp> | undefined;
  const load = () => made ??= make();
  return {
    load,
    handler: {
      fetch: async (request, environment) => await (await load()).fetch(request, environment),
      refused: (reason) => void load().then((app) => app.refused(reason)),
    },
  };
}

async function reload(appliance: Appliance, system: System, log: Logger): Promise<void> {
  system.notify("RELOADING=1");
  try {
    await appliance.reload({ brake: true });
  } catch (error) {
    log.error("reload failed: nothing was changed", { error: messageOf(error) });
  }
  system.notify("READY=1");
}

/**
 * Tells the service manager that all is well, twice as often as it wants to hear it (sd_watchdog_enabled(3)); `usec` is the
 * value of `WATCHDOG_USEC`.
 */
export function feedWatchdog(usec: string | undefined, feed: () => void): Disposable {
  const everyMs = Number(usec ?? 0) / 2000;
  if (!(everyMs > 0)) return { [Symbol.dispose]() {} };
  feed();
  const timer = setInterval(feed, everyMs);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
