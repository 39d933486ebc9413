/**
 * Many subscribers of a LAC at once: each in a VLAN of its own behind five S-VLANs, carried over one tunnel to an LNS.
 * `deno task soak`: 5,000 of them.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { makePair } from "./support/place.ts";
import { until } from "./support/process.ts";
import { makeStreet } from "./support/street.ts";
import { say, suite } from "./support/suite.ts";

const outer = 5;
const inner = Number(
  Deno.env.get("ISTHMUS_CROWD_INNER") ?? (Deno.env.get("ISTHMUS_SOAK") ? 1000 : 120),
);
const crowd = outer * inner;

const plugin = new URL("support/crowd.ts", import.meta.url).pathname;

const crowdText = (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
plugins: ["${plugin}"]
crowd: { interface: eth0, outer: ${outer}, inner: ${inner}, rate: 300 }
`;

const limits = "session-limit: 65535, call-timeout: 20";

const lacText = (adminSocket: string) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${adminSocket}" }
log: { level: warn }
peers:
  lns: { address: 10.77.0.2, proto-version: 2, secret: crowd, ${limits} }
tunnels:
  lns: { peer: lns, mode: on-demand, remote: 10.77.0.2 }
pppoe:
  access:
    street:
      interface: street
      vlans: ["100-104.1-4094"]
      asks-per-second: 10000
      lac: { servers: [{ peer: lns }], authenticate: [chap-md5] }
`;

const lnsText = (users: string) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.2:1701" }]
admin: { listen: "unix:${adminSocket}" }
log: { level: warn }
ppp:
  aaa: { users: "${users}" }
  pools: { homes: { ranges: [10.64.0.0/16] } }
circuits:
  homes:
    ppp:
      terminate: { tun: { name: subs0 }, address: 10.64.0.1, pools: [homes], ipv6: false }
peers:
  lac: { address: 10.77.0.1, proto-version: 2, secret: crowd, ${limits}, accept: [{ circuit: homes }] }
`;

interface Context {
  readonly subscribers: Appliance;
  readonly lac: Appliance;
  readonly lns: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const home = await makeStreet(stack, pair);
    const users = `${pair.here.folder}/users.yaml`;
    await Deno.writeTextFile(users, "crowd: { password: pass }\n", { mode: 0o600 });
    const lns = stack.use(await startAppliance(pair.there, lnsText(users)));
    const lac = stack.use(await startAppliance(pair.here, lacText));
    return { lac, lns, subscribers: stack.use(await startAppliance(home, crowdText)) };
  },
);

interface Row {
  readonly up: number;
  readonly addresses: number;
  readonly sessions: number;
  readonly failed: number;
  readonly ended: number;
  readonly ms: number;
}

test(`${crowd} subscribers in VLANs of their own, S equal to C among them, are carried to one LNS`, async ({ lac, lns, subscribers }) => {
  const memory = await Promise.all([lac, lns].map(resident));
  const look = async () => (await subscribers.get<{ rows: [Row] }>("/v1/views/crowd")).rows[0];
  await until("all are up", async () => (await look()).up === crowd, 150_000).catch(
    async (error) => {
      throw new Error(`${error}: ${JSON.stringify(await look())}\n${await lac.process.log()}`);
    },
  );
  const { addresses, ended, failed, ms } = await look();
  const grown = (await Promise.all([lac, lns].map(resident))).map((now, i) => now - memory[i]!);
  say(
    `  ${crowd} up in ${(ms / 1000).toFixed(1)} s, ${Math.round(1000 * crowd / ms)} a second; ${
      grown.map((octets) => `${Math.round(octets / crowd / 1024)} KiB`).join(" and ")
    } each at the LAC and at the LNS; ${failed} attempts failed, ${ended} ended`,
  );
  const drops = await Promise.all([subscribers, lac, lns].map(async (each) => {
    const all = Object.entries((await each.datapath()).drops).filter(([, count]) => count > 0);
    return Object.fromEntries(all);
  }));
  say(`  dropped: ${JSON.stringify(drops)}`);
  assert.equal(addresses, crowd);
  assert.equal(ended, 0);
  const { rows } = await lac.get<{ rows: readonly { vlans: string; to: string }[] }>(
    "/v1/views/pppoe",
  );
  assert.equal(rows.length, crowd);
  assert(rows.every(({ to }) => to === "lns"));
  assert(rows.some(({ vlans }) => vlans === "88a8:100.8100:100"));
});

/** Octets of memory that an appliance has. */
async function resident({ process }: Appliance): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${process.pid}/status`);
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
}
