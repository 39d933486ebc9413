/** A peer and a tunnel that no file speaks of: a server that is to be called (RADIUS Tunnel-Server-Endpoint). @module */

import { Failure } from "../../plugins/failure.ts";
import type { ServerTarget } from "../../plugins/plugin.ts";
import { readManagedTunnel } from "./managed_tunnels.ts";
import type { ManagedTunnelConfig, PeerConfig } from "./model.ts";
import { readPeers } from "./peers.ts";
import type { ParseOptions } from "./reading.ts";
import { Report } from "./report.ts";

/**
 * What a file would have to say for it, with all defaults.
 * @param name of both, unique
 * @throws {Failure} naming what is wrong; no secret is in it
 */
export function serverConfig(
  { hostName, peerHostName, secret, server, version }: ServerTarget,
  name: string,
): { readonly peer: PeerConfig; readonly tunnel: ManagedTunnelConfig } {
  const options: ParseOptions = { file: "", plugins: [], defaults: { hostName: "" } };
  const report = new Report("");
  const peers = readPeers(
    {
      [name]: {
        "proto-version": version,
        ...(secret !== undefined && { secret }),
        ...(hostName !== undefined && { "local-host-name": hostName }),
        ...(peerHostName !== undefined && { "host-name": literally(peerHostName) }),
      },
    },
    options,
    report,
  );
  const peer = peers?.get(name)?.config;
  const entry = { peer: name, mode: "on-demand", remote: server };
  const path = ["tunnels", name];
  const { tunnel } = readManagedTunnel(name, entry, path, peers, options, report);
  if (peer && tunnel && !report.failed) return { peer, tunnel };
  const [problem] = report.error().problems;
  throw new Failure("invalid", `cannot call the server ${server}: ${problem?.message}`, {
    option: problem?.path.split(".").at(-1) ?? "",
  });
}

/** A name as a glob that stands for it alone; where it has wildcards itself, for a little more. */
function literally(name: string): string {
  return name.replaceAll("*", "?");
}
