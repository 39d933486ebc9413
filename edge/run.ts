/** `isthmus run`: the appliance as a process, with its admin endpoint, signals and service manager. @module */

import type { Plugin } from "../plugins/plugin.ts";
import type { AdminServer } from "./admin/mod.ts";
import { makeLog } from "./log.ts";
import type { ConfigDocument } from "./config/document.ts";
import type { AdminConfig } from "./config/model.ts";
import { startAppliance } from "./appliance/appliance.ts";
import { ApplianceError } from "./appliance/errors.ts";
import { openSystem } from "./io/system.ts";

/** How long a listening socket may take to close after it was told to, in milliseconds. */
const CLOSING_MS = 50;

/** What is run. */
export interface RunOptions {
  readonly document: ConfigDocument;
  readonly plugins: readonly Plugin[];
  readonly version: string;
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
  const { config, commit } = await options.document.load();
  commit();
  const log = makeLog(config.log);
  using system = openSystem(Deno.env.get("NOTIFY_SOCKET"));
  // Loaded while the datapath's worker starts: tunnels do not wait for HTTP.
  const http = import("./admin/mod.ts");
  await using appliance = await startAppliance({ ...options, config, log, system });
  const { createAdmin, serveAdmin } = await http;
  const app = createAdmin(appliance, { ...options, log });
  await using admin = movable((where) => serveAdmin(where, app));
  await appliance.startAdmin(admin.move);

  const reload = async () => {
    system.notify("RELOADING=1");
    try {
      await appliance.reload();
    } catch (error) {
      log.error("reload failed: nothing was changed", { error: messageOf(error) });
    }
    system.notify("READY=1");
  };
  using _watchdog = feedWatchdog(Deno.env.get("WATCHDOG_USEC"), () => {
    if (appliance.healthy) system.notify("WATCHDOG=1");
  });
  const stop = signalled(() => void reload());
  system.notify(`READY=1\nSTATUS=admin at ${admin.url()}`);
  log.info("running", { version: options.version, admin: admin.url(), pid: Deno.pid });

  const reason = await Promise.race([stop, appliance.failed]);
  system.notify("STOPPING=1");
  if (typeof reason === "string") {
    log.info("stopping", { signal: reason });
    return 0;
  }
  log.error("the datapath failed", { error: messageOf(reason) });
  return 1;
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

/** Takes signals from now to the end of the process; resolves with the first one that asks to stop. */
function signalled(reload: () => void): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let stopping = false;
  const stop = (signal: "SIGTERM" | "SIGINT", number: number) =>
    Deno.addSignalListener(signal, () => {
      if (stopping) Deno.exit(128 + number);
      stopping = true;
      resolve(signal);
    });
  stop("SIGTERM", 15);
  stop("SIGINT", 2);
  Deno.addSignalListener("SIGHUP", reload);
  return promise;
}

/** An admin endpoint that can move while it answers. */
interface MovableAdmin extends AsyncDisposable {
  /** Where it listens, in words. */
  url(): string;
  /** @throws {ApplianceError} where the new address cannot be had; it stays where it was then */
  move(to: AdminConfig): Promise<void>;
}

/** One that listens nowhere yet. */
function movable(serve: (admin: AdminConfig) => Promise<AdminServer>): MovableAdmin {
  let at: AdminConfig | undefined;
  let server: AdminServer | undefined;
  return {
    url: () => server?.url ?? "no address yet",
    async move(to) {
      if (JSON.stringify(to.listen) === JSON.stringify(at?.listen)) return;
      const [former, from] = [server, at];
      try {
        server = await serve(to);
      } catch (error) {
        if (!(error instanceof Deno.errors.AddrInUse) || !from) throw adminError(error);
        // It may overlap with the former address: that one has to go first, and comes back on failure.
        void former?.[Symbol.asyncDispose]();
        await new Promise((resolve) => setTimeout(resolve, CLOSING_MS));
        server = await serve(to).catch(async (error) => {
          server = await serve(from);
          throw adminError(error);
        });
      }
      at = to;
      // Not waited for: the request for this very reload may be among those under way.
      void former?.[Symbol.asyncDispose]();
    },
    [Symbol.asyncDispose]: async () => await server?.[Symbol.asyncDispose](),
  };
}

/** Why the admin endpoint cannot listen, as the appliance says it. */
function adminError(error: unknown): unknown {
  const code = error instanceof Deno.errors.AddrInUse
    ? "in-use"
    : error instanceof Deno.errors.AddrNotAvailable || error instanceof Deno.errors.NotFound
    ? "unavailable"
    : error instanceof Deno.errors.PermissionDenied
    ? "not-permitted"
    : undefined;
  if (!code) return error;
  const message = `admin: cannot listen: ${messageOf(error)}`;
  return new ApplianceError(code, "admin", message, { cause: error });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
