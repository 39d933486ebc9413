/**
 * A LAC whose LNSes FreeRADIUS names, each with a tag, a salted password and names of its own (RFC 2868); it is told of
 * the tunnel's link (RFC 2867). Subscriber, LAC and LNSes are appliances.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { type FreeRadius, SECRET, startFreeradius } from "./support/freeradius.ts";
import { quickTimers } from "./support/managed.ts";
import { makePair, type Place } from "./support/place.ts";
import { until } from "./support/process.ts";
import { makeStreet } from "./support/street.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, ping } from "./support/traffic.ts";

const [authPort, acctPort] = [1812, 1813];

/** The best one is of a kind that we have not, the last says no preference, and each password is another. */
const reply = `
Tunnel-Type:1 := L2TP
Tunnel-Medium-Type:1 := IPv4
Tunnel-Server-Endpoint:1 := "10.77.0.9"
Tunnel-Password:1 := "of the last"
Tunnel-Assignment-Id:1 := "last"
Tunnel-Type:2 := L2TP
Tunnel-Medium-Type:2 := IPv4
Tunnel-Server-Endpoint:2 := "10.77.0.2"
Tunnel-Password:2 := "a tunnel's password, longer than one block"
Tunnel-Assignment-Id:2 := "homes"
Tunnel-Client-Auth-Id:2 := "lac7"
Tunnel-Server-Auth-Id:2 := "lns7"
Tunnel-Preference:2 := 20
Tunnel-Type:3 := PPTP
Tunnel-Medium-Type:3 := IPv4
Tunnel-Server-Endpoint:3 := "10.77.0.8"
Tunnel-Password:3 := "of the first"
Tunnel-Preference:3 := 10
Class := 0x0102
`;

const subscriberText = (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
circuits:
  line:
    ppp:
      client: { tun: { name: wan0 }, user: everything, secret: pass, routes: [10.64.0.0/24], ipv6: false }
pppoe:
  clients:
    wan: { interface: eth0, circuit: line, retry: 0.2 }
`;

/** No peer, no tunnel: RADIUS says all. */
const lacText = ({ folder }: Place) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${adminSocket}" }
state-folder: ${folder}
ppp:
  aaa: { authenticate: [radius], account: [radius] }
  radius:
    nas-identifier: lac
    nas-ip-address: 127.0.0.1
    servers:
      one: { address: 127.0.0.1, auth-port: ${authPort}, acct-port: ${acctPort}, secret: "${SECRET}" }
pppoe:
  access:
    street: { interface: street, lac: { ask: true } }
`;

const lnsText = (users: string) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.2:1701" }]
admin: { listen: "unix:${adminSocket}" }
host-name: lns7
ppp:
  aaa: { users: "${users}" }
  pools: { homes: { ranges: [10.64.0.0/24] } }
circuits:
  homes:
    ppp:
      terminate: { tun: { name: subs0 }, address: 10.64.0.1, pools: [homes], ipv6: false }
peers:
  lac: { address: 10.77.0.1, host-name: lac7, proto-version: 2, secret: "a tunnel's password, longer than one block", ${quickTimers}, accept: [{ circuit: homes }] }
`;

interface Context {
  readonly home: Place;
  readonly server: FreeRadius;
  readonly lac: Appliance;
  readonly lns: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "ping", "freeradius"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const home = await makeStreet(stack, pair);
    const users = `${pair.here.folder}/users.yaml`;
    await Deno.writeTextFile(users, "everything: { password: pass }\n", { mode: 0o600 });
    const folder = `${pair.here.folder}/freeradius`;
    const server = stack.use(
      await startFreeradius(folder, { authPort, acctPort, reply, place: pair.here }),
    );
    const lns = stack.use(await startAppliance(pair.there, lnsText(users)));
    const lac = stack.use(await startAppliance(pair.here, lacText(pair.here)));
    return { home, server, lac, lns };
  },
);

test("FreeRADIUS names the LNS that a subscriber is carried to, and is told of the tunnel", async ({ home, lac, lns, server }) => {
  {
    await using subscriber = await startAppliance(home, subscriberText);
    try {
      await until("the line is up", async () => {
        const argv = ["ping", "-q", "-c", "1", "-W", "1", "10.64.0.1"];
        return (await home.tryHere(argv)).code === 0;
      }, 30_000);
    } catch (error) {
      const logs = await Promise.all([subscriber, lac, lns].map(({ process }) => process.log()));
      throw new Error(`${error}\n${logs.join("\n---\n")}`);
    }
    assertNoLoss(await ping(home, "10.64.0.1", "-s", "1400"), "to the LNS");
    const { rows: [row] } = await lac.get<{ rows: { user: string; to: string }[] }>(
      "/v1/views/pppoe",
    );
    assert.deepEqual([row?.user, row?.to], ["everything", "10.77.0.2"]);
    await until("the Start is told", async () => (await recordsOf(server)).length === 1);
  }
  await until("the Stop is told", async () => (await recordsOf(server)).length === 2, 20_000);
  const [start, stop] = await recordsOf(server);
  assert.deepEqual([start, stop].map((one) => one!["Acct-Status-Type"]), ["Start", "Stop"]);
  for (const record of [start!, stop!]) {
    assert.equal(record["Tunnel-Type:0"], "L2TP");
    assert.equal(record["Tunnel-Medium-Type:0"], "IPv4");
    assert.equal(record["Tunnel-Server-Endpoint:0"], "10.77.0.2");
    assert.equal(record["Tunnel-Server-Auth-Id:0"], "lns7");
    assert.equal(record["Tunnel-Assignment-Id:0"], "homes");
    assert.equal(record["Class"], "0x0102");
    assert(record["Acct-Tunnel-Connection"], JSON.stringify(record));
  }
  assert.equal(stop!["Acct-Tunnel-Connection"], start!["Acct-Tunnel-Connection"]);
  assert.equal(stop!["Acct-Session-Id"], start!["Acct-Session-Id"]);
  for (const counter of ["Acct-Input-Octets", "Acct-Output-Octets"]) {
    assert(Number(stop![counter]) > 5 * 1400, JSON.stringify(stop));
  }
  const secrets = /of the first|of the last|a tunnel's password/;
  assert.doesNotMatch(await lac.process.log(), secrets);
});

test("where the LNS ends a call, what it carried is told too", async ({ home, lns, server }) => {
  const before = (await recordsOf(server)).length;
  await using _ = await startAppliance(home, subscriberText);
  await until("the line is up", async () => {
    const argv = ["ping", "-q", "-c", "1", "-W", "1", "10.64.0.1"];
    return (await home.tryHere(argv)).code === 0;
  }, 30_000);
  assertNoLoss(await ping(home, "10.64.0.1", "-s", "1400"), "to the LNS");
  const { code, stderr } = await lns.cli("do", "disconnect", "user", "everything");
  assert.equal(code, 0, stderr);
  const stopOf = async () =>
    (await recordsOf(server)).slice(before).find((one) => one["Acct-Status-Type"] === "Stop");
  await until("the Stop is told", async () => await stopOf() !== undefined, 20_000);
  const stop = (await stopOf())!;
  for (const counter of ["Acct-Input-Octets", "Acct-Output-Octets"]) {
    assert(Number(stop[counter]) > 5 * 1400, JSON.stringify(stop));
  }
});

async function recordsOf(server: FreeRadius) {
  return (await server.records()).filter((one) => one["User-Name"] === "everything");
}
