/**
 * Subscribers of a LAC: pppd over a real kernel's PPPoE in one guest of the lab, xl2tpd with pppd as LNS in another, and
 * l2tpns beside them. PPP passes through from end to end.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { bootLab, type Lab } from "./support/lab.ts";
import { type Place, placeIn } from "./support/place.ts";
import { output, until } from "./support/process.ts";
import { startLns, startSubscriber } from "./support/subscriber.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperf, pingFromGuest } from "./support/traffic.ts";

const secret = "tunnel secret";

const text = (device: string) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${adminSocket}" }
peers:
  lns: { address: 10.77.0.2, proto-version: 2, secret: ${secret}, call-timeout: 3 }
  dead: { address: 10.77.0.9, proto-version: 2, secret: ${secret}, call-timeout: 3, establish-timeout: 3, retransmit: 0.3, attempts: 3 }
tunnels:
  lns: { peer: lns, mode: on-demand, remote: 10.77.0.2 }
  dead: { peer: dead, mode: on-demand, remote: 10.77.0.9 }
pppoe:
  access:
    street:
      interface: ${device}
      ac-name: isthmus-lac
      lac:
        servers: [{ peer: lns }]
        realms: { failover: [{ peer: dead, preference: 1 }, { peer: lns, preference: 2 }] }
        authenticate: [chap-md5, pap]
`;

interface Context {
  readonly lan: Place;
  readonly client: Lab;
  readonly lns: Lab;
  readonly appliance: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "iperf3", "xl2tpd", "pppd", "ethtool"],
  async (stack) => {
    const namespace = `isthmus-${Deno.pid}-lac`;
    await output(["ip", "netns", "add", namespace]);
    stack.defer(async () => void await output(["ip", "netns", "del", namespace]));
    const lns = stack.use(await bootLab({ namespace }));
    const client = stack.use(await bootLab({ namespace, host: 3 }));
    await startLns(lns, secret);
    const lan = placeIn(namespace, lns.folder);
    const appliance = stack.use(await startAppliance(lan, text(client.tap)));
    return { lan, client, lns, appliance };
  },
);

interface Sessions {
  readonly rows: readonly { readonly mac: string; readonly user: string; readonly to: string }[];
}

const sessionsOf = async (appliance: Appliance) =>
  (await appliance.get<Sessions>("/v1/views/pppoe")).rows;

test("a subscriber reaches its LNS: CHAP, ping, iperf3, LCP echo; its PADT ends the call", async ({ appliance, client, lns }) => {
  const subscriber = await startSubscriber(client, { user: "bob@isp" });
  const address = await subscriber.up().catch(async (error) => {
    throw new Error(
      `${error}\n${await appliance.process.log()}\n${await Deno.readTextFile(
        `${lns.shared}/xl2tpd.log`,
      )}`,
    );
  });
  assert.match(address, /^10\.6\.0\./);
  assertNoLoss((await pingFromGuest(client, ["10.6.0.1"]))[0]!, "to the LNS");
  assertNoLoss((await pingFromGuest(lns, [address]))[0]!, "from the LNS");
  const tryHere: Lab["tryHere"] = (argv) => client.tryGuest(argv.join(" "));
  const { bitsPerSecond } = await iperf(
    { guest: lns.guest, tryHere },
    "-c",
    "10.6.0.1",
    "-n",
    "8M",
  );
  say(`  through the LAC: ${Math.round(bitsPerSecond / 1e6)} Mbit/s`);
  const [session] = await sessionsOf(appliance);
  assert.deepEqual([session?.user, session?.to], ["bob@isp", "lns"]);
  await until(
    "echoes come back",
    async () => /rcvd \[LCP EchoRep/.test(await subscriber.log()),
  );
  await subscriber.hangUp();
  await until("the call has ended", async () => (await sessionsOf(appliance)).length === 0);
  await until("the LNS knows", async () => {
    return /Call closed|control_finish: .*CDN|call_close/i.test(
      await Deno.readTextFile(`${lns.shared}/xl2tpd.log`),
    );
  });
});

test("where the first LNS is dead, a subscriber is on the next one in seconds", async ({ appliance, client }) => {
  const subscriber = await startSubscriber(client, { user: "bob@failover" });
  const started = performance.now();
  await subscriber.up();
  say(`  up after ${((performance.now() - started) / 1000).toFixed(1)} s`);
  const [session] = await sessionsOf(appliance);
  assert.deepEqual([session?.user, session?.to], ["bob@failover", "lns"]);
  await subscriber.hangUp();
  await until("it is gone", async () => (await sessionsOf(appliance)).length === 0);
});

test("an LNS that ends a call has the subscriber told by PADT", async ({ appliance, client, lns }) => {
  const subscriber = await startSubscriber(client);
  await subscriber.up();
  await lns.guest("kill $(pidof pppd)");
  await until("the subscriber is told", async () => !await subscriber.runs());
  await until("and forgotten", async () => (await sessionsOf(appliance)).length === 0);
});
