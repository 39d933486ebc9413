/**
 * Subscribers of an LNS that FreeRADIUS lets in, gives addresses and rates, and is told of: they are isthmuses as clients.
 * radclient changes a rate that iperf3 then sees, and ends a session.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { type FreeRadius, SECRET, startFreeradius } from "./support/freeradius.ts";
import { quickTimers } from "./support/managed.ts";
import { makePair, type Pair } from "./support/place.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, iperfBetween, ping } from "./support/traffic.ts";

const [here, there] = ["10.77.0.1", "10.77.0.2"];
const [authPort, acctPort, coaPort] = [1812, 1813, 3799];

/** What the user `everything` gets. */
const reply = `
Framed-IP-Address := 10.64.0.77
Framed-Route += "10.99.0.0/24 0.0.0.0 1"
Mikrotik-Rate-Limit := "4M/20M"
Filter-Id += "walled"
Filter-Id += "of-another-nas"
Class := 0x0102
Session-Timeout := 3600
`;

interface Context {
  readonly pair: Pair;
  readonly server: FreeRadius;
  readonly lns: Appliance;
}

const { test } = suite(
  import.meta.url,
  ["root", "tun", "ip", "iperf3", "freeradius", "nft", "radclient"],
  async (stack): Promise<Context> => {
    const pair = stack.use(await makePair());
    await pair.there.here("nft", "add", "table", "inet", "filter");
    for (const set of ["walled", "open"]) {
      await pair.there.here("nft", `add set inet filter ${set} { type ipv4_addr; }`);
    }
    const folder = `${pair.there.folder}/freeradius`;
    const server = stack.use(
      await startFreeradius(folder, { authPort, acctPort, reply, place: pair.there }),
    );
    return { pair, server, lns: stack.use(await startLns(pair)) };
  },
);

function startLns({ there: place }: Pair): Promise<Appliance> {
  return startAppliance(place, (socket) => `
listen: [{ udp: "${there}:1701" }]
admin: { listen: "unix:${socket}" }
state-folder: ${place.folder}
ppp:
  aaa: { authenticate: [radius], account: [radius] }
  radius:
    nas-identifier: lns
    nas-ip-address: 127.0.0.1
    interim-s: 0
    servers:
      one: { address: 127.0.0.1, auth-port: ${authPort}, acct-port: ${acctPort}, secret: "${SECRET}" }
    coa: { local: 127.0.0.1, port: ${coaPort}, clients: [{ address: 127.0.0.1, secret: "${SECRET}" }] }
  pools: { main: { ranges: [10.64.0.0/26] } }
  address-lists: { walled: { ipv4: inet filter walled }, open: { ipv4: inet filter open } }
circuits:
  lns:
    ppp:
      terminate: { tun: { name: lns0 }, address: 10.64.0.1, pools: [main], ipv6: false }
peers: { lac: { proto-version: 2, ${quickTimers}, accept: [{ circuit: lns }] } }
`);
}

/** A subscriber that dials in. */
function startClient({ here: place }: Pair, user: string, secret = "pass"): Promise<Appliance> {
  return startAppliance(place, (socket) => `
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${socket}" }
circuits:
  wan: { ppp: { client: { tun: { name: wan0 }, user: ${user}, secret: ${secret}, routes: [10.64.0.0/24], ipv6: false } } }
peers: { lns: { proto-version: 2, ${quickTimers} } }
tunnels:
  t: { peer: lns, local: "${here}:1701", remote: "${there}:1701", sessions: { c: { circuit: wan } } }
`);
}

async function untilLinkUp(client: Appliance, lns: Appliance): Promise<string> {
  let state: Readonly<Record<string, unknown>> | undefined;
  const isUp = async () => {
    state = (await client.session("t", "c").catch(() => undefined))?.["circuit-state"];
    return state?.["stage"] === "up";
  };
  await until("the link is up", isUp).catch(async (error) => {
    throw new Error(`${error}\n${await client.process.log()}\n${await lns.process.log()}`);
  });
  return String(state!["address"]);
}

/** Has radclient ask the LNS for something; what it printed. */
async function radclient({ pair }: Context, kind: string, attributes: string): Promise<string> {
  const argv = ["radclient", "-x", "-r", "1", "-t", "20", `127.0.0.1:${coaPort}`, kind, SECRET];
  const { stdout, stderr } = await pair.there.tryHere(argv, { stdin: attributes });
  return stdout + stderr;
}

test("FreeRADIUS gives a subscriber its address, route and rate, and is told of every octet", async (context) => {
  const { lns, pair, server } = context;
  await using client = await startClient(pair, "everything");
  assert.equal(await untilLinkUp(client, lns), "10.64.0.77");
  assertNoLoss(await ping(pair.here, "10.64.0.1"), "to the LNS");
  assert.match(await pair.there.here("ip", "route"), /10\.99\.0\.0\/24 dev lns0/);
  const records = async () =>
    (await server.records()).filter((one) => one["User-Name"] === "everything");
  await until("the Start is told", async () => (await records()).length === 1);
  const [start] = await records();
  assert.equal(start!["Framed-IP-Address"], "10.64.0.77");
  assert.equal(start!["Class"], "0x0102");
  assert.equal(start!["Tunnel-Client-Endpoint:0"], here);

  const set = (name: string) => pair.there.here("nft", "list", "set", "inet", "filter", name);
  const listed = (name: string, is: boolean) =>
    until(`${name} ${is ? "has" : "has not"} it`, async () => {
      return (await set(name)).includes("10.64.0.77") === is;
    });
  await listed("walled", true);
  const opened = await radclient(
    context,
    "coa",
    `Acct-Session-Id="${start!["Acct-Session-Id"]}",Filter-Id="open"`,
  );
  assert.match(opened, /CoA-ACK/);
  await listed("walled", false);
  await listed("open", true);

  const down = ["-c", "10.64.0.77", "-t", "2", "-O", "1"];
  const before = await iperfBetween(pair.there, pair.here, ...down);
  assert.ok(before.bitsPerSecond < 30e6, `${before.bitsPerSecond} bit/s of 20M`);
  const session = start!["Acct-Session-Id"];
  const said = await radclient(
    context,
    "coa",
    `Acct-Session-Id="${session}",Mikrotik-Rate-Limit="4M/2M"`,
  );
  assert.match(said, /CoA-ACK/);
  const after = await iperfBetween(pair.there, pair.here, ...down);
  assert.ok(after.bitsPerSecond < 4e6, `${after.bitsPerSecond} bit/s of 2M`);
  assert.ok(before.bitsPerSecond > 2 * after.bitsPerSecond, `${before.bitsPerSecond} bit/s before`);

  assert.match(
    await radclient(context, "disconnect", `Acct-Session-Id="${session}"`),
    /Disconnect-ACK/,
  );
  await until("the Stop is told", async () => (await records()).length >= 2);
  const stop = (await records()).find((one) => one["Acct-Status-Type"] === "Stop");
  assert.equal(stop!["Acct-Session-Id"], session);
  assert.equal(stop!["Acct-Terminate-Cause"], "Admin-Reset");
  await listed("open", false);
  const octets = Number(stop!["Acct-Output-Octets"]);
  const sent = (before.bitsPerSecond * 2 + after.bitsPerSecond * 2) / 8;
  assert.ok(octets > sent, `${octets} octets, ${Math.round(sent)} at iperf3's receiver`);
});

test("a wrong password is rejected by FreeRADIUS, and the subscriber is told", async ({ lns, pair }) => {
  await using client = await startClient(pair, "bob", "wrong");
  const refused = async () => /refuses our name or secret/.test(await client.process.log());
  await until("it was refused", refused);
  await until("the LNS tells of it", async () => {
    return /bob.*one rejected it/.test(JSON.stringify(await lns.get("/v1/views/failed-login")));
  });
  const shown = await lns.cli("show", "view", "radius");
  assert.match(shown.stdout, /^one +authentication +127\.0\.0\.1:1812 +alive/m, shown.stderr);
});

test(
  "the LNS ends: Stops come before Accounting-Off, each session's once",
  async ({ lns, pair, server }) => {
    await using client = await startClient(pair, "bob");
    await untilLinkUp(client, lns);
    const own = async () => (await server.records()).filter((one) => one["User-Name"] === "bob");
    await until("the Start is told", async () => (await own()).length >= 1);
    lns.process.kill("SIGTERM");
    await lns.process.ended;
    const last = async () => (await server.records()).at(-1)?.["Acct-Status-Type"];
    await until("its end is told", async () => await last() === "Accounting-Off");
    const all = await server.records();
    const stops = all.filter((one) =>
      one["User-Name"] === "bob" && one["Acct-Status-Type"] === "Stop"
    );
    assert.equal(stops.length, 1);
    assert.equal(all[0]!["Acct-Status-Type"], "Accounting-On");
  },
  false,
);
