/**
 * A LAC whose LNSes FreeRADIUS names, each with a tag, a salted password and names of its own (RFC 2868); it is told of
 * the tunnel's link (RFC 2867). Subscriber, LAC and LNSes are appliances.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { type FreeRadius, SECRET, startFreeradius } from "./support/freeradius.ts";
import { homesLnsText, homeText, untilOnline, writeUsers } from "./support/homes.ts";
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
    tunnel-accounting: true
    servers:
      one: { address: 127.0.0.1, auth-port: ${authPort}, acct-port: ${acctPort}, secret: "${SECRET}" }
pppoe:
  access:
    street: { interface: street, lac: { ask: true, deny-time: 0 } }
`;

const lnsText = (users: string) =>
  homesLnsText({
    at: "10.77.0.2",
    hostName: "lns7",
    users,
    lac:
      `address: 10.77.0.1, host-name: lac7, proto-version: 2, secret: "a tunnel's password, longer than one block", ${quickTimers}`,
  });

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
    const users = await writeUsers(pair.here, "everything");
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
    await using subscriber = await startAppliance(home, homeText("everything"));
    await untilOnline(home, [subscriber, lac, lns]);
    assertNoLoss(await ping(home, "10.64.0.1", "-s", "1400"), "to the LNS");
    const { rows: [row] } = await lac.get<{ rows: { user: string; to: string }[] }>(
      "/v1/views/pppoe",
    );
    assert.deepEqual([row?.user, row?.to], ["everything", "10.77.0.2"]);
    const told = async () => (await recordsOf(server)).map((one) => one["Acct-Status-Type"]);
    await until("all Starts are told", async () => (await told()).length >= 3);
    assert.deepEqual((await told()).sort(), ["Start", "Tunnel-Link-Start", "Tunnel-Start"]);
  }
  await until("both Stops are told", async () => (await recordsOf(server)).length >= 5);
  const of = await byStatus(server);
  const [start, stop] = [of.get("Start"), of.get("Stop")];
  const [link, linkStop] = [of.get("Tunnel-Link-Start")!, of.get("Tunnel-Link-Stop")!];
  const tunnel = of.get("Tunnel-Start")!;
  assert.equal(linkStop["Acct-Session-Id"], start!["Acct-Session-Id"], "link and session are one");
  assert.equal(linkStop["Acct-Tunnel-Packets-Lost"], "0");
  assert.equal(linkStop["Acct-Input-Octets"], stop!["Acct-Input-Octets"]);
  for (const record of [link, linkStop, tunnel]) {
    assert.equal(record["Acct-Multi-Session-Id"], tunnel["Acct-Session-Id"]);
    assert.equal(record["Tunnel-Client-Endpoint:0"], "10.77.0.1");
    assert.equal(record["Tunnel-Client-Auth-Id:0"], "lac7");
  }
  // The Call Serial Number, by which the LNS's records are found, too.
  assert.match(start!["Acct-Tunnel-Connection"] ?? JSON.stringify(start), /^[1-9]\d*$/);
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
  await using subscriber = await startAppliance(home, homeText("everything"));
  await untilOnline(home, [subscriber, lns]);
  assertNoLoss(await ping(home, "10.64.0.1", "-s", "1400"), "to the LNS");
  const { code, stderr } = await lns.cli("do", "disconnect", "user", "everything");
  assert.equal(code, 0, stderr);
  const stopOf = async () =>
    (await recordsOf(server)).slice(before).find((one) => one["Acct-Status-Type"] === "Stop");
  await until("the Stop is told", async () => await stopOf() !== undefined);
  const stop = (await stopOf())!;
  for (const counter of ["Acct-Input-Octets", "Acct-Output-Octets"]) {
    assert(Number(stop[counter]) > 5 * 1400, JSON.stringify(stop));
  }
});

test("a tunnel that its LNS ends is told of, and a link that it rejects then", async ({ home, lac, lns, server }) => {
  await using subscriber = await startAppliance(home, homeText("everything"));
  await untilOnline(home, [subscriber, lns]);
  const before = (await recordsOf(server)).length;
  await lns.cli("do", "drain");
  const [tunnel] = await lns.get<{ tunnels: { name: string }[] }>("/v1/tunnels")
    .then(({ tunnels }) => tunnels);
  const { code, stderr } = await lns.cli("del", "tunnel", tunnel!.name);
  assert.equal(code, 0, stderr);
  try {
    await until("the end and a rejection are told", async () => {
      const statuses = (await recordsOf(server)).slice(before).map((one) =>
        one["Acct-Status-Type"]
      );
      return ["Tunnel-Link-Stop", "Tunnel-Stop", "Tunnel-Link-Reject"].every((
        one,
      ) => statuses.includes(one));
    }, 90_000);
  } catch (error) {
    const told = (await recordsOf(server)).slice(before).map((one) => one["Acct-Status-Type"]);
    throw new Error(`${error}\n${told}\n${await lac.process.log()}`);
  }
  const stop = (await recordsOf(server)).findLast((one) =>
    one["Acct-Status-Type"] === "Tunnel-Stop"
  )!;
  assert.equal(stop["Acct-Terminate-Cause"], "Lost-Carrier");
  assert(Number(stop["Acct-Input-Octets"]) > 3 * 1400, JSON.stringify(stop));
});

async function byStatus(server: FreeRadius) {
  return new Map((await recordsOf(server)).map((one) => [one["Acct-Status-Type"], one]));
}

async function recordsOf(server: FreeRadius) {
  return (await server.records()).filter((one) => one["User-Name"] === "everything");
}
