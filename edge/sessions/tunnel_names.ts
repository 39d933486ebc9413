/** Which names and ids tunnels have, those that are being made among them. @module */

import { ApplianceError } from "../appliance/errors.ts";
import type { Transaction } from "../appliance/transaction.ts";
import type { TunnelConfig } from "../config/model.ts";

type Names = Pick<TunnelConfig, "name" | "tunnelId">;

export interface TunnelNames {
  /** Takes a name and an id. @throws {ApplianceError} where one is taken already */
  reserve(tunnel: Names, tx: Transaction): void;
  /** The same for a tunnel that had them a moment ago. */
  takeBack(tunnel: Names): void;
  free(tunnel: Names): void;
}

/** All are free. */
export function makeTunnelNames(): TunnelNames {
  /** By name or id, the name of the tunnel that has it. */
  const taken = new Map<string, string>();
  const keysOf = ({ name, tunnelId }: Names) =>
    [["name", `name ${name}`], ["tunnel-id", `id ${tunnelId}`]] as const;
  const takeBack = (tunnel: Names) => {
    for (const [, key] of keysOf(tunnel)) taken.set(key, tunnel.name);
  };
  const free = (tunnel: Names) => {
    for (const [, key] of keysOf(tunnel)) taken.delete(key);
  };
  return {
    reserve(tunnel, tx) {
      for (const [attribute, key] of keysOf(tunnel)) {
        const owner = taken.get(key);
        if (owner === undefined) continue;
        const message = attribute === "name"
          ? `there is a tunnel ${tunnel.name} already`
          : `${tunnel.tunnelId} is the tunnel-id of ${owner} already`;
        throw new ApplianceError("exists", attribute, message);
      }
      takeBack(tunnel);
      tx.undo(() => free(tunnel));
    },
    takeBack,
    free,
  };
}
