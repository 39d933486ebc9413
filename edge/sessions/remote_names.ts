/** Static tunnels whose peer is known by a DNS name: looked up when they begin, at a reload, and every so often. @module */

import { ipVersion, isWildcard } from "../../core/endpoint.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import { ApplianceError } from "../appliance/errors.ts";
import type { TunnelConfig } from "../config/model.ts";
import type { Logger } from "../log/log.ts";
import type { TunnelEntry } from "./table.ts";

/** What names are followed with. */
export interface RemoteNameDependencies {
  readonly clock: Clock;
  readonly log: Logger;
  /** All addresses of a name. @throws {Error} */
  lookUp(name: string): Promise<readonly string[]>;
  /** Points a tunnel to where its name leads now, in the tunnel's queue. */
  redirect(tunnel: TunnelEntry): Promise<void>;
}

/** Followed names. */
export interface RemoteNames {
  /**
   * The same tunnel with the address that its name has now; `current` is kept while it is one of them.
   * @throws {ApplianceError} `unavailable`, where there is none
   */
  resolve(config: TunnelConfig, current?: string): Promise<TunnelConfig>;
  /** Looks a tunnel's name up every so often, until {@linkcode forget}. */
  follow(tunnel: TunnelEntry): void;
  forget(tunnel: TunnelEntry): void;
}

export function makeRemoteNames(
  { clock, log, lookUp, redirect }: RemoteNameDependencies,
): RemoteNames {
  const timers = new Map<TunnelEntry, Disposable>();

  const resolve = async (config: TunnelConfig, current?: string): Promise<TunnelConfig> => {
    const { local, named, remote } = config;
    if (!named) return config;
    let addresses: readonly string[];
    try {
      addresses = await lookUp(named.name);
    } catch (error) {
      throw new ApplianceError("unavailable", "remote", (error as Error).message, { cause: error });
    }
    const fitting = addresses.filter((address) =>
      isWildcard(local.address) || ipVersion(address) === ipVersion(local.address)
    );
    if (fitting.length === 0) {
      const message = `${named.name} has no IPv${ipVersion(local.address)} address, as local is`;
      throw new ApplianceError("unavailable", "remote", message);
    }
    const address = current !== undefined && fitting.includes(current) ? current : fitting[0]!;
    const any = ipVersion(address) === 4 ? "0.0.0.0" : "::";
    return {
      ...config,
      remote: { address, port: remote.port },
      local: isWildcard(local.address) ? { ...local, address: any } : local,
    };
  };

  const follow = (tunnel: TunnelEntry) => {
    const { named } = tunnel.config;
    if (!named) return;
    timers.set(tunnel, clock.timer(clock.now() + named.resolveMs, () => void look(tunnel)));
  };
  const look = async (tunnel: TunnelEntry) => {
    const path = `tunnels/${tunnel.config.name}`;
    const before = tunnel.config.remote.address;
    try {
      await redirect(tunnel);
      const after = tunnel.config.remote.address;
      if (after !== before) {
        log.info("the peer's name has another address", { path, before, after });
      }
    } catch (error) {
      // It stays where it is: a name server that is down is no reason to end what works.
      log.warn("cannot look the peer's name up", { path, reason: String(error) });
    }
    if (timers.has(tunnel)) follow(tunnel);
  };

  return {
    resolve,
    follow,
    forget(tunnel) {
      timers.get(tunnel)?.[Symbol.dispose]();
      timers.delete(tunnel);
    },
  };
}

/** A tunnel as the file has it: where its name leads is not of the file. */
export function asWritten(config: TunnelConfig): TunnelConfig {
  const { local, named, remote } = config;
  if (!named) return config;
  return {
    ...config,
    remote: { ...remote, address: UNRESOLVED },
    local: isWildcard(local.address) ? { ...local, address: UNRESOLVED } : local,
  };
}

/** The address of a name that is not looked up yet, and of local where it follows the name. */
export const UNRESOLVED = "0.0.0.0";
