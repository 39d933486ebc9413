/** l2tpns, a userspace LNS. @module */

import type { Peer } from "./peer.ts";
import { launch, type Place, withMounts } from "./place.ts";
import { until } from "./process.ts";

const cli = new URL("l2tpns-cli.pl", import.meta.url).pathname;

/** Starts it, and waits until it is the master of its cluster of one (3 s); before that it answers nobody. */
export async function startL2tpns(
  place: Place,
  secret: string,
  address = "10.77.0.2",
): Promise<Peer> {
  const folder = `${place.folder}/l2tpns`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(
    `${folder}/startup-config`,
    startupConfig(`${folder}/l2tpns.log`, secret, address),
  );
  await Deno.writeTextFile(`${folder}/ip_pool`, "100.64.0.0/16\n");
  await Deno.writeTextFile(`${folder}/users`, "");
  await Deno.remove(`${folder}/l2tpns.log`).catch(() => {});
  const printed = await launch(place, "l2tpns", withMounts([[folder, "/etc/l2tpns"]], "l2tpns"));
  const log = () => Deno.readTextFile(`${folder}/l2tpns.log`).catch(printed);
  await until("l2tpns is master", async () => (await log()).includes("the master!"), 60_000);
  const ask = (...commands: string[]) => place.here("perl", cli, "enable", ...commands);
  /** The rows that follow a table's heading; their columns. */
  const rows = async (command: string) =>
    (await ask(command)).split("\n").map((line) => line.trim().split(/\s+/))
      .filter(([first]) => /^\d+$/.test(first!));
  // The list of sessions has those too that ended within the last minutes; the tunnels' count has not.
  const calls = async () =>
    (await rows("show tunnel")).reduce((sum, columns) => sum + Number(columns.at(4)), 0);
  const setPatience = (requests: number) =>
    ask("configure terminal", `set ppp_max_configure ${requests}`);
  return {
    log,
    calls,
    async endCalls() {
      // It drops no session without PPP on command, but loses patience with those that send none.
      const before = await calls();
      await setPatience(1);
      await until("l2tpns ended a call", async () => await calls() < before, 60_000);
      await setPatience(patience);
    },
    async endTunnels() {
      for (const [id] of await rows("show tunnel")) await ask(`drop tunnel ${id}`);
      return "running";
    },
  };
}

/** How often it asks for PPP, every 3 s. */
const patience = 100;

function startupConfig(logFile: string, secret: string, address: string): string {
  return [
    "debug 1",
    `log_file "${logFile}"`,
    'hostname "lns1"',
    `l2tp_secret "${secret}"`,
    "l2tp_mtu 1500",
    "primary_dns 10.0.0.1",
    // Nobody authenticates yet, so nobody needs to answer there.
    "primary_radius 127.0.0.1",
    "primary_radius_port 1812",
    'radius_secret "secret"',
    'radius_authtypes "pap,chap"',
    "allow_duplicate_users yes",
    `bind_address ${address}`,
    "iftun_address 10.255.255.1",
    "tundevicename tun0",
    "cli_bind_address 127.0.0.1",
    "send_garp no",
    `ppp_max_configure ${patience}`,
    "peer_address 10.255.255.1",
    "cluster_interface lo",
    "cluster_hb_timeout 20",
  ].map((line) => `set ${line}\n`).join("");
}
