/** The way to another configuration: that of the file, the file with edits, and what requests made saved to it. @module */

import { circuitPart } from "../circuits/circuits_part.ts";
import type { AdminConfig, Config } from "../config/model.ts";
import { hookPart } from "../hooks/hook_part.ts";
import { staticPart } from "../sessions/static_part.ts";
import { asWritten } from "../sessions/remote_names.ts";
import { configOf } from "../sessions/table.ts";
import type { Candidate } from "../config/document.ts";
import type { ApplianceApi, ReloadOptions } from "./api.ts";
import { brake, type Established, tollOf } from "./brake.ts";
import type { ApplianceContext, ApplianceOptions } from "./context.ts";
import { adopt, unsaved, untouched } from "./edits.ts";
import { each, filtered, inSlices, mapped, type Slices } from "../slices.ts";
import { listenerPart } from "./listeners.ts";
import { makeSteps, type Part, type Steps } from "./part.ts";
import { foresee, reconcile, type ReloadReport } from "./reconcile.ts";
import { refuseStopped } from "./requests.ts";
import { settingsPart } from "./settings.ts";

/** Moves the admin endpoint, once there is one. */
export type MoveAdmin = (admin: AdminConfig) => Promise<void>;

export function makeFileRequests(
  context: ApplianceContext,
  { document }: Pick<ApplianceOptions, "document">,
  changeAdmin: MoveAdmin,
  running: () => Slices<Config>,
): Pick<ApplianceApi, "reload" | "lastReload" | "confirmReload" | "edit" | "saidBy" | "save"> {
  const { confirmation, log, queues, state, tunnels } = context;
  /** Puts back what was in force before a reload that nobody confirmed. */
  const undo = (former: Candidate) => {
    void queues.exclusive(async () => {
      if (!state.running) return;
      const report = await bringTo(context, former.config, changeAdmin);
      former.commit();
      await told(log, report);
      log.warn("the reload was not confirmed and is undone; the file still says otherwise");
    }).catch((error: unknown) => log.error("cannot undo a reload", { error: String(error) }));
  };
  const last = { at: context.wallClock(), failed: false, failures: 0 };
  const reload = async ({ brake: braked, confirmMs, dryRun }: ReloadOptions) => {
    refuseStopped(context);
    const former = confirmMs === undefined ? undefined : await document.current();
    const { commit, config, putBack, warnings } = await document.load();
    for (const warning of warnings) log.warn(warning);
    const way = await wayTo(context, config, changeAdmin);
    if (dryRun || braked) {
      const foreseen = await foresee(way.parts, { ...context, steps: makeSteps() });
      if (dryRun) return await withReasons(foreseen, putBack);
      brake(await inSlices(tollOf(await inSlices(established(context)), foreseen.steps)));
    }
    const report = await go(context, config, way);
    commit();
    if (former) confirmation.await(confirmMs!, () => undo(former));
    else confirmation.confirm();
    return await told(log, await withReasons(report, putBack));
  };
  return {
    reload: (how = {}) =>
      queues.exclusive(async () => {
        try {
          const report = await reload(how);
          if (!how.dryRun) Object.assign(last, { at: context.wallClock(), failed: false });
          return report;
        } catch (error) {
          if (!how.dryRun) Object.assign(last, { failed: true, failures: last.failures + 1 });
          throw error;
        }
      }),
    lastReload: () => last,
    confirmReload() {
      const waited = confirmation.confirm();
      if (waited) log.info("the reload is confirmed");
      return waited;
    },
    edit: (edits) =>
      queues.exclusive(async () => {
        refuseStopped(context);
        const { commit, config } = await document.edit(edits);
        const next = await inSlices(untouched(context, config, edits));
        const report = await bringTo(context, next, changeAdmin);
        state.inForce = config;
        commit();
        return await told(log, report);
      }),
    saidBy: (path) => document.origin(path),
    save: () =>
      queues.exclusive(async () => {
        const saved = await document.save(await inSlices(unsaved(context)));
        if (saved.refused === undefined) {
          await inSlices(each(tunnels.all.values(), adopt));
          state.inForce = await inSlices(running());
          log.info("configuration saved");
        }
        return saved;
      }),
  };
}

/** The tunnels that are there, with their sessions. */
function established({ tunnels }: ApplianceContext): Slices<Established[]> {
  return mapped(tunnels.all.values(), ({ config, sessions }) => ({
    tunnel: config.name,
    sessions: Array.from(sessions.values(), (session) => session.config.name),
  }));
}

/** Takes the appliance to a configuration. @throws {ApplianceError} and has changed nothing */
export async function bringTo(
  context: ApplianceContext,
  next: Config,
  changeAdmin: MoveAdmin,
): Promise<ReloadReport> {
  return await go(context, next, await wayTo(context, next, changeAdmin));
}

/** What lies between what runs and a configuration. */
interface Way {
  readonly parts: readonly Part[];
  readonly steps: Steps;
}

async function go(context: ApplianceContext, next: Config, way: Way): Promise<ReloadReport> {
  const report = await reconcile(way.parts, { ...context, steps: way.steps });
  context.state.inForce = next;
  return report;
}

async function wayTo(
  context: ApplianceContext,
  next: Config,
  changeAdmin: MoveAdmin,
): Promise<Way> {
  const { control, down, state, tunnels } = context;
  const before = state.inForce;
  const steps = makeSteps();
  const ofFile = await inSlices(
    filtered(tunnels.all.values(), ({ origin }) => origin === "config"),
  );
  const running = [
    ...await inSlices(
      mapped(ofFile, (tunnel) => asWritten(configOf(tunnel, ({ origin }) => origin === "config"))),
    ),
    ...await inSlices(mapped(down.tunnels(), ({ tunnel }) => tunnel.config)),
  ];
  const parts = [
    settingsPart(before, next, { ...context, changeAdmin }, steps),
    hookPart(before.hooks, next.hooks, context.hooks, steps),
    circuitPart(before, next, context, steps),
    listenerPart(before.listen, next.listen, context, steps),
    await staticPart({ running, lastFile: before.tunnels, wanted: next.tunnels }, context, steps),
    await control.part(next, down, steps),
  ];
  return { parts, steps };
}

/** What requests had changed, and is now as the file has it, says so. */
async function withReasons(
  report: ReloadReport,
  putBack: readonly string[],
): Promise<ReloadReport> {
  if (putBack.length === 0) return report;
  const back = new Set(putBack);
  const steps = await inSlices(
    mapped(report.steps, (step) =>
      back.has(step.path)
        ? {
          ...step,
          why: [step.why, "puts back what a request changed"].filter(Boolean).join(": "),
        }
        : step),
  );
  return { ...report, steps };
}

/** Logs a report: a line for each step. */
async function told(log: ApplianceContext["log"], report: ReloadReport): Promise<ReloadReport> {
  const { down, kept, steps } = report;
  const counts = { added: 0, changed: 0, restarted: 0, removed: 0 };
  await inSlices(each(steps, ({ path, step, why }) => {
    counts[step]++;
    log.info(step, { path, ...(why !== undefined && { why }) });
  }));
  log.info("configuration reloaded", { ...counts, kept, down: down.length });
  return report;
}
