/** An appliance with something of every plugin, and peers at the other ends. @module */

import { type Appliance, startAppliance } from "./appliance.ts";
import { startOvs } from "./ovs.ts";
import { makePair } from "./place.ts";
import { until } from "./process.ts";

/** What all of it needs. */
export const needs = ["root", "tun", "ip", "ethtool", "ovs-vsctl", "ovs-vswitchd"] as const;

const near = (users: string, database: string) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${adminSocket}" }
host-name: near
open-vswitch: { socket: "${database}" }
ppp:
  aaa: { authenticate: [local], users: ${users} }
  pools: { home: { ranges: [100.64.0.0/24] } }
  profiles: { gold: { rate-down: 1000000000 } }
pppoe:
  access: { street: { interface: street, terminate: lns } }
  clients: { uplink: { interface: street-far, circuit: dialed } }
switches:
  lan: { ports: { office0: { tap: office0, tag: 10 } } }
circuits:
  site: { switch: { switch: lan, tag: 10 } }
  lns: { ppp: { terminate: { tun: { name: subscribers }, address: 100.64.0.1, pools: [home] } } }
  br0: { ovs: { bridge: br0, tag: 10 } }
  dialed: { ppp: { client: { tun: { name: wan1 }, user: bob, secret-file: ${users}.secret } } }
  # Never there.
  gone: { interface: { name: no-such } }
peers:
  far: { proto-version: 3, address: 10.77.0.2, host-name: far, secret: correct-horse, accept: [{ circuit: site }] }
  lac: { proto-version: 2, address: 10.77.0.3, host-name: far, accept: [{ circuit: lns }] }
  nobody: { proto-version: 3, address: 10.77.0.9 }
tunnels:
  branch:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    local: 10.77.0.1
    remote: 10.77.0.2
    sessions:
      sink: { session-id: 1, peer-session-id: 2, circuit: { sink: {} } }
      site: { session-id: 11, peer-session-id: 12, circuit: site, rate-limit: { rx: 50000 } }
      tap: { session-id: 21, peer-session-id: 22, cookie: "00112233", circuit: { tap: { name: l2tp0 } }, source-check: { ipv4: 10.9.0.1 } }
      ovs: { session-id: 31, peer-session-id: 32, circuit: br0 }
      lost: { session-id: 41, peer-session-id: 42, circuit: gone }
  six: { static: { tunnel-id: 6, peer-tunnel-id: 6 }, encap: ip, local: "fd77::1", remote: "fd77::2" }
  away: { static: { tunnel-id: 7, peer-tunnel-id: 7 }, local: 10.9.9.9, remote: 10.77.0.2, sessions: { a: { session-id: 71, peer-session-id: 72 } } }
  to-nobody: { peer: nobody, remote: 10.77.0.9, sessions: { a: { circuit: { sink: {} } } } }
  quiet: { peer: far, mode: passive }
`;

const far = (secret: string) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.2:1701" }]
admin: { listen: "unix:${adminSocket}" }
host-name: far
circuits:
  wan: { ppp: { client: { tun: { name: wan0 }, user: bob, secret-file: ${secret} } } }
peers:
  near: { proto-version: 3, secret: correct-horse }
  lns: { proto-version: 2 }
tunnels:
  up: { peer: near, local: "10.77.0.2:0", remote: 10.77.0.1, sessions: { site: { circuit: { sink: {} } } } }
  link: { peer: lns, local: "10.77.0.3:0", remote: 10.77.0.1, sessions: { wan: { circuit: wan } } }
`;

/** Starts both; the near one has sessions of each kind when this returns. */
export async function startEverything(stack: AsyncDisposableStack): Promise<Appliance> {
  const pair = stack.use(await makePair());
  const ovs = stack.use(await startOvs(pair.here));
  await ovs.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev");
  await pair.there.here("ip", "addr", "add", "10.77.0.3/24", "dev", "wire");
  await pair.here.here(
    ...["ip", "link", "add", "street", "type", "veth", "peer", "name", "street-far"],
  );
  for (const end of ["street", "street-far"]) {
    await pair.here.here("ip", "link", "set", end, "up");
  }
  const [users, secret] = [
    `${pair.here.folder}/users.yaml`,
    `${pair.here.folder}/users.yaml.secret`,
  ];
  await Deno.writeTextFile(users, "bob: { password: a long secret }\n", { mode: 0o600 });
  await Deno.writeTextFile(secret, "a long secret\n", { mode: 0o600 });
  const appliance = stack.use(await startAppliance(pair.here, near(users, ovs.socket)));
  const other = stack.use(await startAppliance(pair.there, far(secret)));
  await until("sessions of every kind are up", async () => {
    const { sessions } = await appliance.get<{ sessions: { "pw-type": string; origin: string }[] }>(
      "/v1/sessions",
    );
    const called = sessions.filter(({ origin }) => origin === "control");
    return new Set(called.map((session) => session["pw-type"])).size === 2;
  }).catch(async (error) => {
    throw new Error(`${error}\n${await appliance.process.log()}\n${await other.process.log()}`);
  });
  return appliance;
}
