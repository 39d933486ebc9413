/** Tunnels with a control connection, and their calls: from attributes to what the configuration file says. Pure. @module */

import type { z } from "@hono/zod-openapi";
import { formatEndpoint } from "../../core/endpoint.ts";
import { callOptions, sessionOptions, tunnelOptions } from "../config/attributes.ts";
import type { Config } from "../config/model.ts";
import type { FileKeys } from "./edits.ts";
import { FaultsError } from "./problem.ts";
import type { sessionInput, tunnelInput } from "./schemas.ts";

type TunnelInput = z.output<typeof tunnelInput>;
type SessionInput = z.output<typeof sessionInput>;

/** Whether the configuration has a tunnel of that name with a control connection. */
export function isManaged(config: Config, name: string): boolean {
  return config.managed.some((tunnel) => tunnel.name === name);
}

/** The file's keys of a tunnel with `peer`. @throws {FaultsError} on what its control connection decides */
export function managedKeys(input: TunnelInput): FileKeys {
  const { name: _, "encap-type": encap, peer, mode, local, remote, ...others } = input;
  const source = others["ip-saddr"] ?? others["ip6-saddr"];
  const destination = others["ip-daddr"] ?? others["ip6-daddr"];
  const { "udp-sport": sport, "udp-dport": dport } = others;
  refuseGiven(others, Object.keys(tunnelOptions), "its control connection decides on this");
  return {
    peer,
    mode,
    encap,
    local: local ?? (source && formatEndpoint({ address: source, port: sport ?? 0 })),
    remote: remote ?? (destination && formatEndpoint({ address: destination, port: dport ?? 0 })),
  };
}

/** The file's keys of a call. @throws {FaultsError} on what its control connection decides */
export function callKeys(input: SessionInput): FileKeys {
  const { name: _, "send-seq": send, "recv-seq": recv, ...others } = input;
  const decided = Object.keys(sessionOptions).filter((option) => !(option in callOptions));
  refuseGiven(others, decided, "the control connection decides on this");
  const seq = send ? recv ? "both" : "send" : recv ? "recv" : "none";
  return { ...others, ...((send !== undefined || recv !== undefined) && { seq }) };
}

/** Refuses what only tunnels with a control connection have. @throws {FaultsError} */
export function refuseManagedKeys(input: TunnelInput | SessionInput): void {
  const managed = ["peer", "mode", "local", "remote", "cookie-size", "remote-end-id", "direction"];
  refuseGiven(input, managed, "static tunnels have no such thing");
}

function refuseGiven(given: object, names: readonly string[], why: string): void {
  const faults = Object.entries(given)
    .filter(([name, value]) => value !== undefined && names.includes(name))
    .map(([attribute]) => ({ attribute, message: `${why}; leave it out` }));
  if (faults.length > 0) throw new FaultsError(faults);
}
