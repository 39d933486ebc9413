/** What requests made of static tunnels, and the configuration file: they are changed one by one, and saved with it. @module */

import { describeTunnel } from "../config/describe.ts";
import type { Edit } from "../config/edit.ts";
import type { Config, TunnelConfig } from "../config/model.ts";
import { configOf, type TunnelEntry } from "../sessions/table.ts";
import type { ApplianceContext } from "./context.ts";
import { same } from "../config/same.ts";

/** A configuration with those static tunnels as they run that no edit is about: what requests made of them stays. */
export function untouched(
  { down, state, tunnels }: ApplianceContext,
  config: Config,
  edits: readonly Edit[],
): Config {
  const touched = new Set(edits.flatMap(({ path: [section, name] }) => {
    if (section !== "tunnels") return [];
    return name === undefined ? config.tunnels.map(({ name }) => name) : [name];
  }));
  const before = new Set(state.inForce.tunnels.map(({ name }) => name));
  const kept = (tunnel: TunnelConfig): readonly TunnelConfig[] => {
    if (touched.has(tunnel.name) || !before.has(tunnel.name)) return [tunnel];
    const running = tunnels.all.get(tunnel.name);
    if (running) return [configOf(running, ({ origin }) => origin === "config")];
    // Neither there nor waited for: a request has deleted it.
    return down.get(`tunnels/${tunnel.name}`)?.tunnel ? [tunnel] : [];
  };
  return { ...config, tunnels: config.tunnels.flatMap(kept) };
}

/** What requests made of static tunnels, as changes to the file. */
export function unsaved({ down, state, tunnels }: ApplianceContext): Edit[] {
  const edits: Edit[] = [];
  const file = new Map(state.inForce.tunnels.map((tunnel) => [tunnel.name, tunnel]));
  for (const entry of tunnels.all.values()) {
    if (entry.origin === "control") continue;
    const now = configOf(entry);
    const before = file.get(now.name);
    if (before && same(before, now)) continue;
    edits.push(
      ...changes(["tunnels", now.name], before && describeTunnel(before), describeTunnel(now)),
    );
  }
  for (const { name } of state.inForce.tunnels) {
    if (tunnels.all.has(name) || down.get(`tunnels/${name}`)?.tunnel) continue;
    edits.push({ path: ["tunnels", name], value: undefined });
  }
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
