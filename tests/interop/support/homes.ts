/** Subscribers at home who dial over PPPoE, and an LNS of ours that their calls end at. @module */

import type { Appliance } from "./appliance.ts";
import type { Place } from "./place.ts";
import { until } from "./process.ts";

/** The LNS's own address in its subscribers' network. */
export const LNS_ADDRESS = "10.64.0.1";

/** Who dials. @param network what is routed to the line */
export function homeText(user: string, network = "10.64.0.0/24") {
  return (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
circuits:
  line:
    ppp:
      client: { tun: { name: wan0 }, user: ${user}, secret: pass, routes: [${network}], ipv6: false }
pppoe:
  clients:
    wan: { interface: eth0, circuit: line, retry: 0.2 }
`;
}

/** Writes the file of users who are let in with the secret `pass`. @returns its path */
export async function writeUsers({ folder }: Place, ...users: readonly string[]): Promise<string> {
  const path = `${folder}/users.yaml`;
  const text = users.map((user) => `${user}: { password: pass }\n`).join("");
  await Deno.writeTextFile(path, text, { mode: 0o600 });
  return path;
}

/** An LNS. */
export interface HomesLns {
  /** Where it listens. */
  readonly at: string;
  readonly hostName: string;
  /** The file of users. */
  readonly users: string;
  /** The options of the LAC as its peer, but for which calls are taken. */
  readonly lac: string;
}

/** Its configuration. */
export function homesLnsText({ at, hostName, lac, users }: HomesLns) {
  return (adminSocket: string) => `
listen: [{ udp: "${at}:1701" }]
admin: { listen: "unix:${adminSocket}" }
host-name: ${hostName}
ppp:
  aaa: { users: "${users}" }
  pools: { homes: { ranges: [10.64.0.0/24] } }
circuits:
  homes:
    ppp:
      terminate: { tun: { name: subs0 }, address: ${LNS_ADDRESS}, pools: [homes], ipv6: false }
peers:
  lac: { ${lac}, accept: [{ circuit: homes }] }
`;
}

/** Waits until the far end of a line answers; else it fails with the logs of whom it goes through. */
export async function untilOnline(
  home: Place,
  through: readonly Appliance[],
  address = LNS_ADDRESS,
): Promise<void> {
  const argv = ["ping", "-q", "-c", "1", "-W", "1", address];
  try {
    await until("the line is up", async () => (await home.tryHere(argv)).code === 0, 40_000);
  } catch (error) {
    const logs = await Promise.all(through.map(({ process }) => process.log()));
    throw new Error(`${error}\n${logs.join("\n---\n")}`);
  }
}
