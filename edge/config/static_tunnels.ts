/** Tunnels with `static:`: those without a control connection. @module */

import { ipVersion } from "../../core/endpoint.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { SessionConfig, TunnelConfig } from "./model.ts";
import type { TunnelAttributes } from "./attributes.ts";
import { buildSession, buildTunnel } from "./build.ts";
import { checkCircuit } from "./circuit.ts";
import { type PlacedSession, sessionIdConflicts } from "./conflicts.ts";
import type { Path } from "./problem.ts";
import { parseNamed } from "./dns_name.ts";
import {
  asObject,
  directionsOf,
  endpointOf,
  type ParseOptions,
  readCircuit,
  versionOf,
} from "./reading.ts";
import type { Report } from "./report.ts";
import { mapSchema, sessionSchema, tunnelSchema } from "./schema.ts";

/** Seconds between two times that a name is looked up. */
const DEFAULT_RESOLVE_INTERVAL = 60;

/** Reads one entry of `tunnels:` with `static:`; its sessions also where the rest is wrong. */
export function readStaticTunnel(
  name: string,
  entry: unknown,
  path: Path,
  options: ParseOptions,
  report: Report,
): { readonly tunnel?: TunnelConfig; readonly placed: readonly PlacedSession[] } {
  const tunnel = readTunnel(name, entry, path, report);
  const raw = asObject(entry) ?? {};
  const version = versionOf(entry);
  const placed = readSessions(raw["sessions"], version, [...path, "sessions"], options, report);
  report.addAll(sessionIdConflicts(placed));
  if (!tunnel) return { placed };
  return { tunnel: { ...tunnel, sessions: placed.map(({ session }) => session) }, placed };
}

function readTunnel(
  name: string,
  entry: unknown,
  path: Path,
  report: Report,
): TunnelConfig | undefined {
  const file = report.check(tunnelSchema, entry, path);
  if (!file) return undefined;
  const named = parseNamed(file.remote);
  if (!named && file["resolve-interval"] !== undefined) {
    const message = "remote is an address, which nobody looks up; leave it out";
    report.add([...path, "resolve-interval"], message);
  }
  // A name is of whichever family its address turns out to be.
  const family = file.local === undefined ? 4 : ipVersion(endpointOf(file.local).address);
  const stand = family === 4 ? "127.0.0.1" : "[::1]";
  const remote = named
    ? `${stand}${named.port === undefined ? "" : `:${named.port}`}`
    : file.remote;
  const built = buildTunnel(name, {
    ...file,
    ...file.static,
    "encap-type": file.encap,
    ...sourceAttributes(file.local),
    ...destinationAttributes(remote),
  });
  if (built.ok && !named) return built.value;
  if (built.ok) {
    const resolveMs = 1000 * (file["resolve-interval"] ?? DEFAULT_RESOLVE_INTERVAL);
    return {
      ...built.value,
      remote: { ...built.value.remote, address: "0.0.0.0" },
      named: { name: named!.address, resolveMs },
    };
  }
  report.addProblems(built.problems, path);
  return undefined;
}

function readSessions(
  value: unknown,
  version: ProtoVersion | undefined,
  path: Path,
  options: ParseOptions,
  report: Report,
): PlacedSession[] {
  const sessions: PlacedSession[] = [];
  const entries = report.check(mapSchema, value ?? {}, path) ?? {};
  for (const [name, entry] of Object.entries(entries)) {
    const own = [...path, name];
    report.checkName(name, own);
    const session = readSession(name, entry, version, own, options, report);
    if (session) sessions.push({ path: own, session });
  }
  return sessions;
}

function readSession(
  name: string,
  entry: unknown,
  version: ProtoVersion | undefined,
  path: Path,
  options: ParseOptions,
  report: Report,
): SessionConfig | undefined {
  const circuit = readCircuit(asObject(entry)?.["circuit"], options, [...path, "circuit"], report);
  const file = report.check(sessionSchema, entry, path);
  // What else is right hangs on the version.
  if (!file || version === undefined) return undefined;
  const built = buildSession(name, version, { ...file, ...directionsOf(file.seq) }, circuit);
  if (!built.ok) {
    report.addProblems(built.problems, path);
    return undefined;
  }
  report.addProblems(checkCircuit(built.value, options.plugins), path);
  return built.value;
}

/** The address and port of `local`, under the names that {@linkcode buildTunnel} reads. */
function sourceAttributes(text: string | undefined): TunnelAttributes {
  if (text === undefined) return {};
  const { address, port } = endpointOf(text);
  return ipVersion(address) === 6
    ? { "ip6-saddr": address, "udp-sport": port }
    : { "ip-saddr": address, "udp-sport": port };
}

/** The address and port of `remote`. */
function destinationAttributes(text: string): TunnelAttributes {
  const { address, port } = endpointOf(text);
  return ipVersion(address) === 6
    ? { "ip6-daddr": address, "udp-dport": port }
    : { "ip-daddr": address, "udp-dport": port };
}
