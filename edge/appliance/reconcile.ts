/**
 * The one way from a configuration in force to another, at start too: check all; open what needs nothing freed; only
 * then end what must end. The report is the list of the steps that were carried out.
 *
 * @module
 */

import type { Logger } from "../log/log.ts";
import { each, inSlices, mapped, type Slices } from "../slices.ts";
import type { Down, DownList } from "./down.ts";
import type { Part, ReloadStep, Steps } from "./part.ts";
import { transaction } from "./transaction.ts";

/** What a reload did. */
export interface ReloadReport {
  /** In the order in which they were carried out. */
  readonly steps: readonly ReloadStep[];
  /** How many listeners, peers, tunnels and sessions were not touched. */
  readonly kept: number;
  /** What cannot be had now, and is tried again. */
  readonly down: readonly Down[];
}

/**
 * Takes all parts to another configuration. No other work may be under way.
 * @throws {ApplianceError} where something can be mended by nothing but another file, and has changed nothing then
 */
export async function reconcile(
  parts: readonly Part[],
  { down, log, steps }: { readonly down: DownList; readonly log: Logger; readonly steps: Steps },
): Promise<ReloadReport> {
  await inSlices(checkAll(parts));
  const before = await inSlices(mapped(down.all(), ({ path }) => path));
  await transaction(log, async (tx) => {
    for (const part of parts) await part.open?.(tx);
    for (const part of parts) await part.swap?.(tx);
  });
  for (const part of parts) await part.end?.();
  for (const part of parts) await part.begin?.();
  for (const { path, reason } of await down.retry(before)) {
    steps.note(path, "restarted", `it was down: ${reason}`);
  }
  return await reported(steps, down);
}

async function reported(steps: Steps, down: DownList): Promise<ReloadReport> {
  const all = await inSlices(mapped(down.all(), (one) => one));
  return { steps: steps.all, kept: steps.kept, down: all };
}

function* foreseeing(part: Part, steps: Steps): Slices<void> {
  yield* part.foresee(steps) ?? [];
}

/** @throws {ApplianceError} */
function* checkAll(parts: readonly Part[]): Slices<void> {
  const leaving = new Set<string>();
  for (const part of parts) yield* each(part.leaving ?? [], (path) => void leaving.add(path));
  for (const part of parts) yield* part.check?.(leaving) ?? [];
}

/**
 * What {@linkcode reconcile} would do, as far as that can be foreseen; touches nothing.
 * @throws {ApplianceError} where something can be mended by nothing but another file
 */
export async function foresee(
  parts: readonly Part[],
  { down, steps }: { readonly down: DownList; readonly steps: Steps },
): Promise<ReloadReport> {
  await inSlices(checkAll(parts));
  for (const part of parts) await inSlices(foreseeing(part, steps));
  return await reported(steps, down);
}
