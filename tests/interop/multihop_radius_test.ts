/**
 * Tunnel switching by RADIUS: a subscriber's call comes from a LAC, and FreeRADIUS says by the LAC's proxy authentication to
 * which LNS it is placed on (RFC 2868). Subscriber, LAC, switch and LNS are appliances.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { type FreeRadius, SECRET, startFreeradius } from "./support/freeradius.ts";
import { homesLnsText, homeText, untilOnline, writeUsers } from "./support/homes.ts";
import { quickTimers } from "./support/managed.ts";
import { device, makePair, type Place } from "./support/place.ts";
import { until } from "./support/process.ts";
import { makeStreet } from "./support/street.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, ping } from "./support/traffic.ts";

const [authPort, acctPort] = [1812, 1813];

const reply = `
Tunnel-Type:1 := L2TP
Tunnel-Medium-Type:1 := IPv4
Tunnel-Server-Endpoint:1 := "10.77.0.3"
Tunnel-Password:1 := "between switch and LNS"
Tunnel-Client-Auth-Id:1 := "switch3"
Tunnel-Server-Auth-Id:1 := "lns3"
`;

const lacText = (adminSocket: string) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${adminSocket}" }
peers: { switch: { address: 10.77.0.2, proto-version: 2, secret: street, ${quickTimers} } }
tunnels: { switch: { peer: switch, mode: on-demand, remote: 10.77.0.2 } }
pppoe:
  access:
    street: { interface: street, lac: { servers: [{ peer: switch }], authenticate: [chap-md5] } }
`;

/** No LNS is named in the file. */
const switchText = ({ folder }: Place) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.2:1701" }]
admin: { listen: "unix:${adminSocket}" }
state-folder: ${folder}
peers:
  lac: { address: 10.77.0.1, proto-version: 2, secret: street, ${quickTimers}, accept: [{ circuit: hop }] }
circuits:
  hop: { bridge: { rules: [{ ask: proxy-auth }] } }
ppp:
  aaa: { authenticate: [radius] }
  radius:
    servers:
      one: { address: 127.0.0.1, auth-port: ${authPort}, acct-port: ${acctPort}, secret: "${SECRET}" }
`;

const lnsText = (users: string) =>
  homesLnsText({
    at: "10.77.0.3",
    hostName: "lns3",
    users,
    lac:
      `address: 10.77.0.2, host-name: switch3, proto-version: 2, secret: "between switch and LNS", ${quickTimers}`,
  });

interface Context {
  readonly home: Place;
  readonly server: FreeRadius;
  readonly hop: Appliance;
  readonly lns: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "ping", "freeradius"],
  async (stack) => {
    const pair = stack.use(await makePair());
    await pair.there.here("ip", "addr", "add", "10.77.0.3/24", "dev", device);
    const home = await makeStreet(stack, pair);
    const users = await writeUsers(pair.here, "everything");
    const folder = `${pair.there.folder}/freeradius`;
    const server = stack.use(
      await startFreeradius(folder, { authPort, acctPort, reply, place: pair.there }),
    );
    const lns = stack.use(await startAppliance(pair.there, lnsText(users)));
    const hop = stack.use(await startAppliance(pair.there, switchText(pair.there)));
    stack.use(await startAppliance(pair.here, lacText));
    return { home, server, hop, lns };
  },
);

test("FreeRADIUS says by proxy authentication where a call is placed on", async ({ home, hop, lns }) => {
  await using subscriber = await startAppliance(home, homeText("everything"));
  await untilOnline(home, [subscriber, hop, lns]);
  assertNoLoss(await ping(home, "10.64.0.1", "-s", "1400"), "to the LNS");
  const { rows } = await hop.get<{ rows: object[] }>("/v1/views/bridge");
  assert.equal(rows.length, 1);
});

test("whom FreeRADIUS rejects is not placed on", async ({ home, hop }) => {
  await using _ = await startAppliance(home, homeText("reject"));
  await until(
    "it is refused",
    async () => (await hop.process.log()).includes("is not placed on"),
  );
  assert.match(await hop.process.log(), /a call is not placed on .*reason="?one rejected it/);
});
