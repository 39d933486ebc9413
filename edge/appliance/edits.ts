/** What requests made of static tunnels, and the configuration file: they are changed one by one, and saved with it. @module */

import { describeTunnel } from "../config/describe.ts";
import type { Edit } from "../config/edit.ts";
import type { Config, TunnelConfig } from "../config/model.ts";
import { configOf, type TunnelEntry } from "../sessions/table.ts";
import type { ApplianceContext } from "./context.ts";
import { same } from "../config/same.ts";
import { each, type Slices } from "../slices.ts";

/** A configuration with those static tunnels as they run that no edit is about: what requests made of them stays. */
export function* untouched(
  { down, state, tunnels }: ApplianceContext,
  config: Config,
  edits: readonly Edit[],
): Slices<Config> {
  const touched = new Set<string>();
  let all = false;
  for (const { path: [section, name] } of edits) {
    if (section !== "tunnels") continue;
    if (name === undefined) all = true;
    else touched.add(name);
  }
  if (all) return config;
  const before = new Set<string>();
  yield* each(state.inForce.tunnels, ({ name }) => void before.add(name));
  const kept: TunnelConfig[] = [];
  yield* each(config.tunnels, (tunnel) => {
    const { name } = tunnel;
    if (touched.has(name) || !before.has(name)) return kept.push(tunnel);
    const running = tunnels.all.get(name);
    if (running) kept.push(configOf(running, ({ origin }) => origin === "config"));
    // Neither there nor waited for: a request has deleted it.
    else if (down.get(`tunnels/${name}`)?.tunnel) kept.push(tunnel);
  });
  return { ...config, tunnels: kept };
}

/** What requests made of static tunnels, as changes to the file. */
export function* unsaved({ down, state, tunnels }: ApplianceContext): Slices<Edit[]> {
  const edits: Edit[] = [];
  const file = new Map<string, TunnelConfig>();
  yield* each(state.inForce.tunnels, (tunnel) => void file.set(tunnel.name, tunnel));
  yield* each(tunnels.all.values(), (entry) => {
    if (entry.origin === "control") return;
    const now = configOf(entry);
    const before = file.get(now.name);
    if (before && same(before, now)) return;
    edits.push(
      ...changes(["tunnels", now.name], before && describeTunnel(before), describeTunnel(now)),
    );
  });
  yield* each(file.keys(), (name) => {
    if (tunnels.all.has(name) || down.get(`tunnels/${name}`)?.tunnel) return;
    edits.push({ path: ["tunnels", name], value: undefined });
  });
  return edits;
}

/** A tunnel and its sessions belong to the file from now on. */
export function adopt(tunnel: TunnelEntry): void {
  if (tunnel.origin === "control") return;
  tunnel.origin = "config";
  for (const session of tunnel.sessions.values()) session.origin = "config";
}

/** The edits that lead from one value to another, each as small as can be. */
function changes(path: readonly string[], before: Edit["value"], after: Edit["value"]): Edit[] {
  if (same(before, after)) return [];
  if (!isMap(before) || !isMap(after)) return [{ path, value: after }];
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .flatMap((key) => changes([...path, key], before[key], after[key]));
}

function isMap(
  value: Edit["value"],
): value is { readonly [key: string]: NonNullable<Edit["value"]> } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
