/** What passes between the appliance and a peer, for those who look on: control messages, and data packets where asked for. @module */

import { canonicalIp } from "../../core/endpoint.ts";
import type { Trace } from "../control/mod.ts";
import { MOST_ADDRESSES } from "../io/wiretap.ts";
import type { ApplianceApi } from "./api.ts";
import type { ApplianceContext } from "./context.ts";
import { ApplianceError, asApplianceErrors } from "./errors.ts";

/** @throws {ApplianceError} where nobody is called so, or packets are asked for of nobody in particular, or cannot be had */
export async function traceOf(
  { control, system }: Pick<ApplianceContext, "control" | "system">,
  api: Pick<ApplianceApi, "config" | "tunnels">,
  of: string | undefined,
  snap: number | undefined,
): Promise<Trace> {
  if (snap === undefined) {
    if (of !== undefined) await assertKnown(of, api);
    return control.trace(of);
  }
  if (of === undefined) {
    throw new ApplianceError("invalid", "data", "needs a tunnel, a peer or an address, too (of)");
  }
  const remotes = await remotesOf(of, api.tunnels);
  const addresses = [...new Set(remotes.map(({ address }) => address))];
  if (addresses.length > MOST_ADDRESSES) {
    const many = `${of} is at ${addresses.length} addresses; expected ${MOST_ADDRESSES} at most`;
    throw new ApplianceError("invalid", "data", `${many}: name a tunnel or an address`);
  }
  const from = await asApplianceErrors(
    "data",
    () => Promise.resolve().then(() => system.openWiretap(addresses, snap)),
  );
  const ports = [...new Set(remotes.map(({ port }) => port))].filter((port) => port !== 0);
  return control.trace(of, { from, of: { addresses, ports } });
}

/** A misspelt name would be waited for in vain. @throws {ApplianceError} */
async function assertKnown(
  of: string,
  { config, tunnels }: Pick<ApplianceApi, "config" | "tunnels">,
): Promise<void> {
  if (canonicalIp(of) !== undefined || config().peers.some(({ name }) => name === of)) return;
  if ((await tunnels()).some(({ config }) => config.name === of)) return;
  throw new ApplianceError("not-found", undefined, `there is no tunnel or peer ${of}`);
}

/** Where those are whom a name means: an address itself, a tunnel's peer, or a peer's tunnels. */
async function remotesOf(of: string, tunnels: ApplianceApi["tunnels"]) {
  const address = canonicalIp(of);
  if (address !== undefined) return [{ address, port: 0 }];
  const meant = (await tunnels()).filter(({ config, control }) =>
    config.name === of || control?.peer === of
  );
  if (meant.length > 0) return meant.map(({ config }) => config.remote);
  throw new ApplianceError(
    "not-found",
    undefined,
    `there is no tunnel ${of}, and no peer with one`,
  );
}
