/** l2tpns as the LNS of our LAC, and another appliance as the subscriber behind it. */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { homeText, untilOnline } from "./support/homes.ts";
import { startL2tpns } from "./support/l2tpns.ts";
import { quickTimers } from "./support/managed.ts";
import type { Peer } from "./support/peer.ts";
import { makePair, type Place } from "./support/place.ts";
import { startRadiusd } from "./support/radiusd.ts";
import { makeStreet } from "./support/street.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperfBetween, ping } from "./support/traffic.ts";

const lacText = (method: string) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${adminSocket}" }
peers:
  lns: { address: 10.77.0.2, proto-version: 2, secret: secret, ${quickTimers} }
tunnels:
  lns: { peer: lns, mode: on-demand, remote: 10.77.0.2 }
pppoe:
  access:
    street:
      interface: street
      lac: { servers: [{ peer: lns }], authenticate: [${method}] }
`;

interface Context {
  readonly home: Place;
  readonly there: Place;
  readonly here: Place;
  readonly lns: Peer;
  readonly subscriber: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "ping", "iperf3", "l2tpns", "perl", "freeradius"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const home = await makeStreet(stack, pair);
    await startRadiusd(pair.there);
    const lns = await startL2tpns(pair.there, "secret");
    const subscriber = stack.use(
      await startAppliance(home, homeText("bob@isp", "10.255.255.0/24")),
    );
    return { home, here: pair.here, there: pair.there, lns, subscriber };
  },
);

for (const method of ["pap", "chap-md5"]) {
  test(`a subscriber that proves itself by ${method} reaches l2tpns through the LAC`, async (context) => {
    const { here, home, lns, subscriber, there } = context;
    await using lac = await startAppliance(here, lacText(method));
    try {
      await untilOnline(home, [lac, subscriber], "10.255.255.1");
    } catch (error) {
      throw new Error(`${error}\n${(await lns.log()).slice(-3000)}`);
    }
    assertNoLoss(await ping(home, "10.255.255.1", "-s", "1400"), "to the LNS");
    const { bitsPerSecond } = await iperfBetween(home, there, "-c", "10.255.255.1", "-t", "1");
    say(`  ${Math.round(bitsPerSecond / 1e6)} Mbit/s`);
    const { rows: [row] } = await lac.get<{ rows: { user: string; to: string }[] }>(
      "/v1/views/pppoe",
    );
    assert.deepEqual([row?.user, row?.to], ["bob@isp", "lns"]);
  });
}
