/** From the configuration file's text to a {@linkcode Config}, or to everything that is wrong with it. @module */

import { dirname, resolve } from "node:path";
import type { z } from "zod";
import { type Endpoint, ipVersion, isLoopback, parseEndpoint } from "../../core/endpoint.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import type { AdminConfig, Config, Listener, SessionConfig, TunnelConfig } from "../model.ts";
import type { TunnelAttributes } from "./attributes.ts";
import { buildSession, buildTunnel, l2tpPort } from "./build.ts";
import { checkCircuit, parseCircuit } from "./circuit.ts";
import {
  circuitConflicts,
  listenerConflicts,
  type PlacedSession,
  rawSocketConflicts,
  sessionIdConflicts,
  sharedSessionIdConflicts,
  tunnelIdConflicts,
} from "./conflicts.ts";
import type { Path } from "./problem.ts";
import { Report } from "./report.ts";
import { routerIdOf } from "./router_id.ts";
import {
  adminSchema,
  fileSchema,
  listenerSchema,
  listSchema,
  logSchema,
  mapSchema,
  sessionSchema,
  tokenPattern,
  tunnelSchema,
} from "./schema.ts";
import { parseYaml } from "./yaml.ts";

/** What {@linkcode parseConfig} needs to know besides the text. */
export interface ParseOptions {
  /** The file's name, for error messages; `token-file` and the like are relative to its folder. */
  readonly file: string;
  /** The plugins that `circuit:` may name. */
  readonly plugins: readonly Plugin[];
  /** What the machine knows. */
  readonly defaults: { readonly hostName: string };
  /** Reads a file with a secret in it; absent: such files cannot be had. Throws where the file cannot be read. */
  readonly readFile?: (path: string) => string;
}

/**
 * Reads and validates a configuration.
 * @throws {ConfigError} with all problems found, in the file's order; nothing else
 */
export function parseConfig(text: string, options: ParseOptions): Config {
  const { document, problems } = parseYaml(text);
  const report = new Report(options.file, document?.positionOf, document?.keyPositionOf);
  for (const { line, column, path, message } of problems) {
    report.addAt({ line, column }, path, message);
  }
  if (!document) throw report.error();
  report.check(fileSchema, document.value ?? {}, []);
  const sections = asObject(document.value) ?? {};
  const listen = readListeners(sections["listen"], report);
  const admin = readAdmin(sections["admin"], options, report);
  const log = report.check(logSchema, sections["log"] ?? {}, ["log"]);
  const tunnels = readTunnels(sections["tunnels"], options, report);
  report.addAll(rawSocketConflicts(listen, tunnels));
  if (report.failed || !admin || !log) throw report.error();
  const { hostName } = options.defaults;
  return {
    listen,
    admin,
    log,
    hostName,
    routerId: routerIdOf(hostName),
    peers: [],
    tunnels,
    managed: [],
  };
}

function readListeners(value: unknown, report: Report): readonly Listener[] {
  const found: [number, Listener][] = [];
  const entries = report.check(listSchema, value ?? [], ["listen"]) ?? [];
  for (const [index, entry] of entries.entries()) {
    const listener = report.check(listenerSchema, entry, ["listen", index]);
    if (!listener) continue;
    const encap = listener.udp === undefined ? "ip" : "udp";
    const endpoint = parseEndpoint((listener.udp ?? listener.ip)!, encap === "udp" ? l2tpPort : 0)!;
    if (encap === "udp" && endpoint.port === 0) {
      report.add(["listen", index, encap], "port 0; expected a UDP port from 1 to 65535");
    }
    found.push([index, { encap, ...endpoint }]);
  }
  report.addAll(listenerConflicts(found));
  return found.map(([, listener]) => listener);
}

function readAdmin(
  value: unknown,
  options: ParseOptions,
  report: Report,
): AdminConfig | undefined {
  const admin = report.check(adminSchema, value ?? {}, ["admin"]);
  if (!admin) return undefined;
  const token = readToken(admin, options, report);
  if (admin.listen.startsWith("unix:")) {
    return { listen: { path: admin.listen.slice("unix:".length) }, ...token };
  }
  const { address, port } = parseEndpoint(admin.listen, 0)!;
  const asked = admin.token !== undefined || admin["token-file"] !== undefined;
  if (!isLoopback(address) && !asked) {
    report.add(
      ["admin", "listen"],
      `${address} can be reached from beyond this machine; expected a token or token-file too`,
    );
  }
  return { listen: { host: address, port }, ...token };
}

function readToken(
  admin: z.output<typeof adminSchema>,
  { file, readFile }: ParseOptions,
  report: Report,
): { token?: string } {
  const tokenFile = admin["token-file"];
  if (tokenFile === undefined) return acceptToken(admin.token, "token", report);
  const path = ["admin", "token-file"];
  if (admin.token !== undefined) {
    report.add(path, "given together with token; expected one of them");
    return {};
  }
  if (!readFile) {
    report.add(path, "files cannot be read here; expected token");
    return {};
  }
  try {
    return acceptToken(readFile(resolve(dirname(file), tokenFile)).trim(), "token-file", report);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    report.add(path, `cannot be read: ${reason}; expected a file that holds the token`);
    return {};
  }
}

function acceptToken(
  token: string | undefined,
  key: "token" | "token-file",
  report: Report,
): { token?: string } {
  if (token === undefined) return {};
  if (tokenPattern.test(token)) return { token };
  report.add(
    ["admin", key],
    "the token is empty or holds other characters than a header can carry; expected letters, digits and . _ ~ + / -",
  );
  return {};
}

function readTunnels(value: unknown, options: ParseOptions, report: Report): TunnelConfig[] {
  const tunnels: TunnelConfig[] = [];
  const everySession: PlacedSession[] = [];
  const entries = report.check(mapSchema, value ?? {}, ["tunnels"]) ?? {};
  for (const [name, entry] of Object.entries(entries)) {
    const path = ["tunnels", name];
    report.checkName(name, path);
    const tunnel = readTunnel(name, entry, path, report);
    const raw = asObject(entry) ?? {};
    const version = tunnel?.version ?? (raw["proto-version"] === 2 ? 2 : 3);
    const placed = readSessions(raw["sessions"], version, [...path, "sessions"], options, report);
    report.addAll(sessionIdConflicts(placed));
    for (const entry of placed) everySession.push(entry);
    if (tunnel) tunnels.push({ ...tunnel, sessions: placed.map(({ session }) => session) });
  }
  report.addAll(tunnelIdConflicts(tunnels));
  report.addAll(sharedSessionIdConflicts(tunnels));
  report.addAll(circuitConflicts(everySession, options.plugins));
  return tunnels;
}

function readTunnel(
  name: string,
  entry: unknown,
  path: Path,
  report: Report,
): TunnelConfig | undefined {
  const file = report.check(tunnelSchema, entry, path);
  if (!file) return undefined;
  const built = buildTunnel(name, {
    ...file.static,
    "proto-version": file["proto-version"],
    "encap-type": file.encap,
    ...sourceAttributes(file.local),
    ...destinationAttributes(file.remote),
    "udp-csum": file["udp-csum"],
    "udp-zero-csum6-tx": file["udp-zero-csum6-tx"],
    "udp-zero-csum6-rx": file["udp-zero-csum6-rx"],
  });
  if (built.ok) return built.value;
  report.addProblems(built.problems, path);
  return undefined;
}

function readSessions(
  value: unknown,
  version: ProtoVersion,
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
  version: ProtoVersion,
  path: Path,
  { plugins }: ParseOptions,
  report: Report,
): SessionConfig | undefined {
  const circuit = readCircuit(asObject(entry)?.["circuit"], plugins, [...path, "circuit"], report);
  const file = report.check(sessionSchema, entry, path);
  if (!file) return undefined;
  const { seq, circuit: _, ...given } = file;
  const built = buildSession(
    name,
    version,
    {
      ...given,
      "send-seq": seq === "send" || seq === "both",
      "recv-seq": seq === "recv" || seq === "both",
    },
    circuit,
  );
  if (!built.ok) {
    report.addProblems(built.problems, path);
    return undefined;
  }
  report.addProblems(checkCircuit(built.value, plugins), path);
  return built.value;
}

function readCircuit(
  value: unknown,
  plugins: readonly Plugin[],
  path: Path,
  report: Report,
): SessionConfig["circuit"] {
  if (value === undefined || value === null) return undefined;
  const circuit = parseCircuit(value, plugins, path);
  if (circuit.ok) return circuit.value;
  for (const issue of circuit.issues) {
    report.add([...path, ...issue.path], issue.message, issue.at);
  }
  return undefined;
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

/** An endpoint that its schema accepted; the port only where one was written. */
function endpointOf(text: string): { address: string; port: number | undefined } {
  const unwritten = -1;
  const { address, port }: Endpoint = parseEndpoint(text, unwritten)!;
  return { address, port: port === unwritten ? undefined : port };
}

/** A map of the document; undefined for anything else. */
function asObject(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : undefined;
}
