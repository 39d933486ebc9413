/** From the configuration file's text to a {@linkcode Config}, or to everything that is wrong with it. @module */

import { dirname, resolve } from "node:path";
import { offloadOptions } from "../../plugins/ethernet/options.ts";
import { parseEndpoint, parseIp } from "../../core/endpoint.ts";
import type { Config, Listener, ManagedTunnelConfig, TunnelConfig } from "./model.ts";
import { l2tpPort } from "./build.ts";
import {
  circuitConflicts,
  listenerConflicts,
  type Placed,
  rawSocketConflicts,
  sharedSessionIdConflicts,
  tunnelIdConflicts,
} from "./conflicts.ts";
import { anyTunnelSchema, identitySchema } from "./control_schema.ts";
import { checkTunnelLimits, readManagedTunnel } from "./managed_tunnels.ts";
import { type ReadPeer, readPeers } from "./peers.ts";
import type { Path } from "./problem.ts";
import { zoneProblems } from "./checks.ts";
import { asObject, type ParseOptions } from "./reading.ts";
import { Report } from "./report.ts";
import {
  checkPlugins,
  hooksSchema,
  pluginListSchema,
  readNamedCircuits,
  readSections,
  sectionKeys,
} from "./plugin_sections.ts";
import { routerIdOf } from "./router_id.ts";
import {
  fileSchema,
  folderSchema,
  listenerSchema,
  listSchema,
  logSchema,
  mapSchema,
} from "./schema.ts";
import { readStaticTunnel } from "./static_tunnels.ts";
import { parseYaml } from "./yaml.ts";
import { readAdmin } from "./admin.ts";

/**
 * Reads and validates a configuration.
 * @throws {ConfigError} with all problems found, in the file's order; nothing else
 */
export function parseConfig(text: string, given: ParseOptions): Config {
  const { document, problems } = parseYaml(text);
  const report = new Report(given.file, document?.positionOf, document?.keyPositionOf);
  for (const { line, column, path, message } of problems) {
    report.addAt({ line, column }, path, message);
  }
  if (!document) throw report.error();
  report.check(fileSchema(sectionKeys(given.plugins)), document.value ?? {}, []);
  const sections = asObject(document.value) ?? {};
  const circuits = readNamedCircuits(sections["circuits"], given.plugins, report);
  const options = { ...given, circuits: circuits ?? "unknown" as const };
  const listen = readListeners(sections["listen"], report);
  const admin = readAdmin(sections["admin"], options, report);
  const log = report.check(logSchema, sections["log"] ?? {}, ["log"]);
  const offload = report.check(offloadOptions, sections["offload"] ?? {}, ["offload"]);
  const identity = readIdentity(sections, options, report);
  const peers = readPeers(sections["peers"], options, report);
  const { tunnels, managed } = readTunnels(
    sections["tunnels"],
    peers,
    options,
    report,
  );
  if (listen) report.addAll(rawSocketConflicts(listen, tunnels));
  const own = readSections(sections, given.plugins, report);
  if (circuits && peers) {
    checkPlugins(own, sections, circuits, [...peers.keys()], given.plugins, report);
  }
  const plugins = report.check(pluginListSchema, sections["plugins"] ?? [], ["plugins"]) ?? [];
  const hooks = report.check(hooksSchema, sections["hooks"] ?? {}, ["hooks"]) ?? {};
  const stateFolder = report.check(
    folderSchema,
    sections["state-folder"] ?? given.defaults.stateFolder ?? "/var/lib/isthmus",
    ["state-folder"],
  )!;
  if (report.failed || !listen || !admin || !log || !offload || !identity || !peers || !circuits) {
    throw report.error();
  }
  return {
    listen,
    admin,
    log,
    ...(Object.keys(offload).length > 0 && { offload }),
    ...identity,
    peers: [...peers.values()].flatMap(({ config }) => config ?? []),
    tunnels,
    managed,
    plugins: plugins.map((path) => resolve(dirname(given.file), path)),
    sections: own,
    circuits: [...circuits.values()],
    hooks,
    stateFolder,
  };
}

function readIdentity(
  sections: Readonly<Record<string, unknown>>,
  { defaults }: ParseOptions,
  report: Report,
): Pick<Config, "hostName" | "routerId"> | undefined {
  const given = ["host-name", "router-id"].map((key) => [key, sections[key] ?? undefined]);
  const file = report.check(identitySchema, Object.fromEntries(given), []);
  if (!file) return undefined;
  const hostName = file["host-name"] ?? defaults.hostName;
  return { hostName, routerId: routerIdFrom(file["router-id"]) ?? routerIdOf(hostName) };
}

/** An IPv4 address is its 32 bits. */
function routerIdFrom(value: string | number | undefined): number | undefined {
  if (typeof value !== "string") return value;
  return new DataView(parseIp(value)!.buffer).getUint32(0);
}

/** Undefined where some of them are wrong, so that nobody knows what they cover. */
function readListeners(value: unknown, report: Report): readonly Listener[] | undefined {
  const found: [number, Listener][] = [];
  const entries = report.check(listSchema, value ?? [], ["listen"]);
  for (const [index, entry] of (entries ?? []).entries()) {
    const listener = report.check(listenerSchema, entry, ["listen", index]);
    if (!listener) continue;
    const encap = listener.udp === undefined ? "ip" : "udp";
    const endpoint = parseEndpoint((listener.udp ?? listener.ip)!, encap === "udp" ? l2tpPort : 0)!;
    for (const message of zoneProblems(endpoint.address)) {
      report.add(["listen", index, encap], message);
    }
    if (encap === "udp" && endpoint.port === 0) {
      report.add(["listen", index, encap], "port 0; expected a UDP port from 1 to 65535");
    }
    const { device, marks } = listener;
    found.push([index, {
      encap,
      ...endpoint,
      ...(device !== undefined && { device }),
      ...(marks && { marks }),
    }]);
  }
  report.addAll(listenerConflicts(found));
  return found.length === entries?.length ? found.map(([, listener]) => listener) : undefined;
}

function readTunnels(
  value: unknown,
  peers: ReadonlyMap<string, ReadPeer> | undefined,
  options: ParseOptions,
  report: Report,
): { tunnels: TunnelConfig[]; managed: ManagedTunnelConfig[] } {
  const tunnels: TunnelConfig[] = [];
  const managed: ManagedTunnelConfig[] = [];
  const named = options.circuits === "unknown" ? undefined : options.circuits;
  const everySession: Placed[] = [
    ...[...named?.values() ?? []].map((circuit) => ({
      path: ["circuits", circuit.name],
      circuitAt: ["circuits", circuit.name],
      session: { circuit: { plugin: circuit.plugin, options: circuit.options } },
    })),
    ...[...peers?.values() ?? []].flatMap(({ placed }) => placed),
  ];
  const entries = report.check(mapSchema, value ?? {}, ["tunnels"]) ?? {};
  for (const [name, entry] of Object.entries(entries)) {
    const path = ["tunnels", name];
    report.checkName(name, path);
    const kind = kindOf(entry, path, report);
    if (kind === "static") {
      const { tunnel, placed } = readStaticTunnel(name, entry, path, options, report);
      if (tunnel) tunnels.push(tunnel);
      for (const session of placed) everySession.push(session);
    } else if (kind === "peer") {
      const { tunnel, placed } = readManagedTunnel(name, entry, path, peers, options, report);
      if (tunnel) managed.push(tunnel);
      for (const call of placed) everySession.push(call);
    }
  }
  report.addAll(tunnelIdConflicts(tunnels));
  report.addAll(sharedSessionIdConflicts(tunnels));
  checkTunnelLimits(managed, peers, report);
  report.addAll(circuitConflicts(everySession, options.plugins));
  return { tunnels, managed };
}

/** Which of the two ways of being a tunnel an entry is written in; undefined, and reported, where that is not clear. */
function kindOf(entry: unknown, path: Path, report: Report): "static" | "peer" | undefined {
  const keys = asObject(entry) ?? {};
  const [isStatic, isManaged] = ["static", "peer"].map((key) => Object.hasOwn(keys, key));
  if (isStatic && isManaged) {
    report.add([...path, "peer"], "given together with static; expected one of them");
    return undefined;
  }
  if (isStatic) return "static";
  if (isManaged) return "peer";
  if (report.check(anyTunnelSchema, entry, path) || asObject(entry)) {
    report.add(path, "neither static nor peer; expected one of them");
  }
  return undefined;
}
