/** From request bodies that their schemas accepted to what the appliance is asked for. Pure. @module */

import type { z } from "@hono/zod-openapi";
import { type AttributeName, sessionOptions, tunnelOptions } from "../config/attributes.ts";
import { fieldsThat, type Table } from "../config/option.ts";
import { buildSession, buildTunnel, type Built } from "../config/build.ts";
import { checkCircuit, parseCircuit } from "../config/circuit.ts";
import { formatPath } from "../config/problem.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import type { SessionPatch, TunnelPatch } from "../appliance/api.ts";
import type { Config, SessionConfig, TunnelConfig } from "../config/model.ts";
import { refuseManagedKeys } from "./managed.ts";
import { type Fault, FaultsError } from "./problem.ts";
import type { sessionInput, tunnelInput } from "./schemas.ts";
import { sessionAttributes, tunnelAttributes } from "./view.ts";

type TunnelInput = z.output<typeof tunnelInput>;
type SessionInput = z.output<typeof sessionInput>;

/** A new tunnel; without a name it is called after its id. @throws {FaultsError} */
export function newTunnel(input: TunnelInput): TunnelConfig {
  refuseManagedKeys(input);
  return built(buildTunnel(input.name ?? `tunnel-${input["tunnel-id"]}`, input));
}

/** A new session; without a name it is called after its id. @throws {FaultsError} */
export function newSession(
  tunnel: TunnelConfig,
  input: SessionInput,
  plugins: readonly Plugin[],
  circuits: Config["circuits"],
): SessionConfig {
  refuseManagedKeys(input);
  const name = input.name ?? `session-${input["session-id"]}`;
  const session = built(
    buildSession(name, tunnel.version, input, circuitOf(input, plugins, circuits)),
  );
  return carried(session, plugins);
}

/** What changes in a tunnel when some attributes are given anew. @throws {FaultsError} */
export function tunnelPatch(now: TunnelConfig, input: TunnelInput): TunnelPatch {
  refuseManagedKeys(input);
  refuseFixed(tunnelOptions, now, input);
  const after = built(
    buildTunnel(input.name ?? now.name, { ...sameFamily(tunnelAttributes(now), input), ...input }),
  );
  return difference(now, after, [
    ...fieldsThat(tunnelOptions, "live"),
    "local",
    "remote",
    "checksum",
  ]);
}

/** What changes in a session when some attributes are given anew; a circuit is replaced whole. @throws {FaultsError} */
export function sessionPatch(
  tunnel: TunnelConfig,
  now: SessionConfig,
  input: SessionInput,
  plugins: readonly Plugin[],
  circuits: Config["circuits"],
): SessionPatch {
  refuseManagedKeys(input);
  refuseFixed(sessionOptions, now, input);
  const before = sessionAttributes(now);
  const circuit = circuitOf(input, plugins, circuits) ?? now.circuit;
  const after = carried(
    built(buildSession(input.name ?? now.name, tunnel.version, { ...before, ...input }, circuit)),
    plugins,
  );
  return difference(now, after, [...fieldsThat(sessionOptions, "live"), "circuit"]);
}

function built<T>(result: Built<T>): T {
  if (!result.ok) throw new FaultsError(result.problems);
  return result.value;
}

function circuitOf(
  { circuit }: SessionInput,
  plugins: readonly Plugin[],
  circuits: Config["circuits"],
): SessionConfig["circuit"] {
  if (circuit === undefined) return undefined;
  const named = new Map(circuits.map((each) => [each.name, each]));
  const parsed = parseCircuit(circuit, plugins, ["circuit"], named);
  if (parsed.ok) return parsed.value;
  throw new FaultsError(parsed.issues.map(({ path, message }) => ({
    attribute: formatPath(["circuit", ...path]),
    message,
  })));
}

/** The session, if its circuit can carry its pseudowire. */
function carried(session: SessionConfig, plugins: readonly Plugin[]): SessionConfig {
  const problems = checkCircuit(session, plugins);
  if (problems.length > 0) throw new FaultsError(problems);
  return session;
}

/** Attributes as they are, without what moving to the other IP version makes void. */
function sameFamily(
  before: TunnelInput,
  input: TunnelInput,
): TunnelInput {
  const to = input["ip6-daddr"] !== undefined ? 6 : input["ip-daddr"] !== undefined ? 4 : undefined;
  const from = before["ip6-daddr"] !== undefined ? 6 : 4;
  if (to === undefined || to === from) return before;
  const stays = { ...before };
  for (
    const name of [
      "ip-saddr",
      "ip-daddr",
      "ip6-saddr",
      "ip6-daddr",
      "udp-csum",
      "udp-zero-csum6-tx",
      "udp-zero-csum6-rx",
    ] as const
  ) delete stays[name];
  return stays;
}

type FixedRow = Pick<Table[string], "read" | "show"> & { readonly field: string };
const nameRow: FixedRow = { field: "name" };

/** Refuses a change of what only a new tunnel or session can have, before anything is said of what hangs on it. */
function refuseFixed(table: Table, now: object, input: object): void {
  const faults: Fault[] = [];
  const fixed: [string, FixedRow][] = Object.entries(table)
    .filter(([, row]) => row.change === "identity");
  for (const [attribute, { field, read, show }] of [["name", nameRow] as const, ...fixed]) {
    const given = (input as Record<string, unknown>)[attribute];
    const was = (now as Record<string, unknown>)[field];
    if (given === undefined || was === (read?.(given) ?? given)) continue;
    const message = `cannot be changed from ${show?.(was) ?? was}; delete it and create it anew`;
    faults.push({ attribute: attribute as AttributeName, message });
  }
  if (faults.length > 0) throw new FaultsError(faults);
}

/** The values among `keys` that are not the same in both. */
function difference<T extends object, Key extends keyof T>(
  now: T,
  after: T,
  keys: readonly Key[],
): Partial<Pick<T, Key>> {
  const changed: Partial<Pick<T, Key>> = {};
  for (const key of keys) {
    if (key in after && JSON.stringify(now[key]) !== JSON.stringify(after[key])) {
      changed[key] = after[key];
    }
  }
  return changed;
}
