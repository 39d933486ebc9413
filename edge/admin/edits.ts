/** From request bodies to changes of the configuration, and from what it says against them to faults. @module */

import { ConfigError } from "../config/mod.ts";
import type { Edit } from "../config/edit.ts";
import type { Json } from "../../plugins/plugin.ts";
import type { ApplianceApi } from "../appliance/api.ts";
import type { ReloadReport } from "../appliance/reconcile.ts";
import { FaultsError } from "./problem.ts";

/** Keys as the file has them; null: as if the file said nothing. */
export type FileKeys = Readonly<Record<string, unknown>>;

/** A thing that is new. */
export function addition(path: readonly string[], keys: FileKeys): Edit {
  const given = Object.entries(keys).filter(([, value]) => value !== undefined && value !== null);
  return { path, value: Object.fromEntries(given) as Json };
}

/** What changes in a thing that is there. */
export function changesTo(path: readonly string[], keys: FileKeys): Edit[] {
  return Object.entries(keys).filter(([, value]) => value !== undefined)
    .map(([key, value]) => ({
      path: [...path, key],
      value: (value ?? undefined) as Edit["value"],
    }));
}

/** A JSON Merge Patch (RFC 7396) of the whole file. */
export function mergePatch(patch: unknown, path: readonly string[] = []): Edit[] {
  if (!isMap(patch) || Object.keys(patch).length === 0) {
    return [{ path, value: (patch ?? undefined) as Edit["value"] }];
  }
  return Object.entries(patch).flatMap(([key, value]) => mergePatch(value, [...path, key]));
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Makes changes. @throws {FaultsError} where the configuration would be wrong: attributes are told below `path` */
export async function makeEdits(
  api: ApplianceApi,
  edits: readonly Edit[],
  path: readonly string[] = [],
): Promise<ReloadReport> {
  try {
    return await api.edit(edits);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const above = path.map((key) => `${key}.`).join("");
    throw new FaultsError(
      error.problems.map(({ path, message }) => ({
        attribute: path.startsWith(above) ? path.slice(above.length) : path,
        message,
      })),
      error.more,
    );
  }
}
