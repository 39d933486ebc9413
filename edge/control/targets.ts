/** Whom a managed tunnel dials, and in what order: preferences, names that are looked up, those that refused lately. @module */

import { ipVersion, isWildcard } from "../../core/endpoint.ts";
import type { Result } from "../../core/errors.ts";
import type { Cause } from "../../core/events.ts";
import { isName } from "../config/dns_name.ts";
import type { RemoteConfig } from "../config/model.ts";
import { inNetwork } from "../config/network.ts";
import type { ManagedTunnel, Target } from "./context.ts";
import { pickRemotes } from "./peers.ts";

/** What targets are found with. */
export interface TargetDependencies {
  /** All addresses of a DNS name. @throws {Error} */
  lookUp(name: string): Promise<readonly string[]>;
  /** The addresses and networks that a peer may be at; none: any. */
  addressesOf(peer: string): readonly string[];
  /** At least 0 and below 1. */
  fraction(): number;
}

/**
 * Takes the next target out of a round, and begins a new one where it is over. A name stands for all its addresses.
 * @throws {Error} where a name has no address that may be dialed; the round goes on after it
 */
export async function nextTarget(
  { addressesOf, fraction, lookUp }: TargetDependencies,
  managed: ManagedTunnel,
  now: number,
): Promise<Target | undefined> {
  const { config } = managed;
  if (managed.left.length === 0) {
    const open = config.remotes.filter((remote) => !isDenied(managed, remote, now));
    managed.left = pickRemotes(open.length > 0 ? open : config.remotes, fraction)
      .map((remote) => ({ remote, endpoint: remote.endpoint }));
  }
  const target = managed.left.shift();
  if (!target || !isName(target.endpoint)) return target;
  const { remote, endpoint: { address: name, port } } = target;
  const { address: local } = config.local;
  const networks = addressesOf(config.peer);
  const addresses = (await lookUp(name)).filter((address) =>
    (isWildcard(local) || ipVersion(address) === ipVersion(local)) &&
    (networks.length === 0 || networks.some((network) => inNetwork(address, network)))
  );
  if (addresses.length === 0) {
    throw new Error(
      `${name} has no address of local's family that is among the addresses of peers.${config.peer}`,
    );
  }
  const [first, ...others] = addresses.map((address) => ({ remote, endpoint: { address, port } }));
  managed.left.unshift(...others);
  return first;
}

/** Has others preferred to a remote for its time, if that is how it is configured. */
export function deny({ denied }: ManagedTunnel, remote: RemoteConfig, now: number): void {
  if (remote.denyMs > 0) denied.set(remote, now + remote.denyMs);
}

/** Whether one that is not denied is there beside a remote. */
export function hasOther(managed: ManagedTunnel, remote: RemoteConfig, now: number): boolean {
  return managed.config.remotes.some((other) => other !== remote && !isDenied(managed, other, now));
}

/** Whether what ended a tunnel or a call is a reason to try another remote. */
export function isRefusal({ denyResults }: RemoteConfig, { by, result }: Cause): boolean {
  return by === "timeout" ||
    (by === "peer" && codesOf(result).some((code) => denyResults.includes(code)));
}

function isDenied({ denied }: ManagedTunnel, remote: RemoteConfig, now: number): boolean {
  return (denied.get(remote) ?? 0) > now;
}

/** How a result may be written: `2/4` is both itself and 2. */
function codesOf({ error = 0, result }: Result): string[] {
  return [`${result}`, `${result}/${error}`];
}
