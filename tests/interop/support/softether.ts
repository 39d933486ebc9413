/** SoftEther VPN server as an L2TPv2 LNS without IPsec. @module */

import type { Peer } from "./peer.ts";
import { launch, type Place, programsIn, tell, withMounts } from "./place.ts";
import { output, until } from "./process.ts";

/** Where Debian puts it. */
export const vpnserver = "/usr/libexec/softether/vpnserver/vpnserver";

const setUp = [
  "HubCreate VPN /PASSWORD:x",
  "IPsecEnable /L2TP:no /L2TPRAW:yes /ETHERIP:no /PSK:vpn /DEFAULTHUB:VPN",
];

/** Starts it with a state of its own and what else it is told, and waits until it listens for L2TP. */
export async function startSoftether(place: Place, more: readonly string[] = []): Promise<Peer> {
  const folder = `${place.folder}/softether`;
  await Deno.remove(folder, { recursive: true }).catch(() => {});
  for (const own of ["var/lib/softether", "var/log/softether", "run/softether"]) {
    await Deno.mkdir(`${folder}/${own}`, { recursive: true });
  }
  await Deno.writeTextFile(`${folder}/set-up`, [...setUp, ...more].join("\n"));
  const mounts = [[`${folder}/var`, "/var"], [`${folder}/run`, "/run"]] as const;
  const log = await launch(place, "softether", withMounts(mounts, vpnserver, "execsvc"));
  const listens = async (protocol: "t" | "u", port: number) =>
    (await output(["ss", "-N", place.namespace, `-Hln${protocol}`, `sport = :${port}`])) !== "";
  await until("SoftEther's administration listens", () => listens("t", 5555));
  await place.here("vpncmd", "localhost", "/SERVER", `/IN:${folder}/set-up`);
  await until("SoftEther listens for L2TP", () => listens("u", 1701));
  return {
    log,
    async endTunnels() {
      // A watcher and the server itself: each ends when told to, the server with a word to its peers.
      for (const pid of await programsIn(place.namespace)) tell(pid, "SIGTERM");
      await until(
        "SoftEther ended",
        async () => (await programsIn(place.namespace)).length === 0,
        60_000,
      );
      return "ended";
    },
  };
}
