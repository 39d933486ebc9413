/**
 * go-l2tp in the lab's guest, whose kernel carries what it sets up: kl2tpd dials as a LAC with pppd on its call, kpppoed
 * is a LAC for our PPPoE client, ql2tpd has a static L2TPv3 tunnel.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { startGoL2tp } from "./support/go_l2tp.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { isthmus, quickTimers } from "./support/managed.ts";
import { placeIn } from "./support/place.ts";
import { pppdLog, untilPppd } from "./support/pppd.ts";
import { output, until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, iperf, iperfBetween, ping, pingFromGuest } from "./support/traffic.ts";

const [here, there] = [wire.here.ip4, wire.guest.ip4];

const { test } = suite<Lab>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "iperf3", "pppd", "kl2tpd", "kpppoed", "ql2tpd"],
  async (stack) => stack.use(await bootLab()),
);

/** An LNS for the user bob, who is also our own PPPoE client where `more` says so. */
async function startLns(lab: Lab, more = ""): Promise<Appliance> {
  const users = `${lab.folder}/users.yaml`;
  await Deno.writeTextFile(users, "bob: { password: pass }\n", { mode: 0o600 });
  return await startAppliance(lab, (socket) => `
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${socket}" }
ppp:
  aaa: { users: "${users}" }
  pools: { main: { ranges: [10.64.0.0/24] } }
circuits:
  lns:
    ppp: { terminate: { tun: { name: subs0 }, address: 10.64.0.1, pools: [main], ipv6: false } }
${more}
peers: { guest: { proto-version: 2, ${quickTimers}, accept: [{ circuit: lns }] } }
`);
}

const dialing = `
[tunnel.t1]
peer = "${here}:1701"
version = "l2tpv2"
encap = "udp"
[tunnel.t1.session.s1]
pseudowire = "ppp"
pppd_args = "/lab/pppd.args"
`;

const sessionsOf = async (appliance: Appliance) =>
  (await appliance.get<{ sessions: Record<string, unknown>[] }>("/v1/sessions")).sessions;

test("kl2tpd dials with pppd: packets, TCP, and either end hangs up", async (lab) => {
  await using appliance = await startLns(lab);
  await Deno.writeTextFile(
    `${lab.shared}/pppd.args`,
    "noauth user bob password pass debug logfile /lab/pppd.log nodefaultroute lcp-restart 1 lcp-max-terminate 1\n",
  );
  for (const hangUp of ["here", "there"]) {
    await using daemon = await startGoL2tp(lab, "kl2tpd", dialing);
    await untilPppd(lab, /remote IP address 10\.64\.0\.1/);
    const [, address] = /local {2}IP address (\S+)/.exec(await pppdLog(lab))!;
    assertNoLoss(await ping(lab, address!), "to the guest");
    assertNoLoss((await pingFromGuest(lab, ["10.64.0.1"]))[0]!, "from the guest");
    const { bitsPerSecond } = await iperf(lab, "-c", address!, "-t", "1");
    assert(bitsPerSecond > 1e5, `${bitsPerSecond} bit/s`);
    if (hangUp === "here") await isthmus(appliance, "do", "disconnect", "user", "bob");
    else await lab.guest("kill -TERM $(pidof pppd)");
    await until("the call is gone", async () => (await sessionsOf(appliance)).length === 0);
    assert.doesNotMatch(await daemon.log(), /message=retransmit/);
  }
});

test("kpppoed carries our PPPoE client's PPP to our LNS: packets, TCP, and a new call once the LNS hangs up", async (lab) => {
  // Its kernel passes frames from channel to channel with the checksum that the wire left for later, and sends no more.
  await lab.here("ethtool", "-K", lab.tap, "tx", "off");
  const site = `isthmus-${Deno.pid}-site`;
  await output(["ip", "netns", "add", site]);
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => void await output(["ip", "netns", "del", site]));
  await using _daemon = await startGoL2tp(
    lab,
    "kpppoed",
    `ac_name = "go"\ninterface_name = "eth0"\nservices = ["gold"]\nlns_ipaddr = "${here}:1701"\n`,
  );
  await using appliance = await startLns(
    lab,
    `
  line: { ppp: { client: { tun: { name: wan0, netns: "${site}" }, user: bob, secret: pass, ipv6: false, routes: [10.64.0.1/32] } } }
pppoe:
  clients:
    wan: { interface: ${lab.tap}, ac-name: go, service-name: gold, circuit: line, retry: 0.5 }
`,
  );
  const client = placeIn(site, lab.folder);
  const untilLinked = () =>
    until(
      "a ping passes",
      async () => (await client.tryHere(["ping", "-c", "1", "-W", "1", "10.64.0.1"])).code === 0,
    );
  await untilLinked();
  assertNoLoss(await ping(client, "10.64.0.1", "-s", "1400"), "from the client");
  const { bitsPerSecond } = await iperfBetween(client, lab, "-c", "10.64.0.1", "-t", "1");
  assert(bitsPerSecond > 1e5, `${bitsPerSecond} bit/s`);
  const call = async () => (await sessionsOf(appliance))[0]?.["session-id"];
  const first = await call();
  await isthmus(appliance, "do", "disconnect", "user", "bob");
  await until(
    "another call is there",
    async () => ![first, undefined].includes(await call()),
  );
  await untilLinked();
});

test("ql2tpd's static tunnel: a cookie, packets each way", async (lab) => {
  // Of two cookies it gives one to its kernel, twice; the other direction has none.
  await using appliance = await startAppliance(lab, (socket) => `
listen: [{ udp: "${here}:1701" }]
admin: { listen: "unix:${socket}" }
tunnels:
  site:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    encap: udp
    local: "${here}:1701"
    remote: "${there}:1702"
    sessions:
      lan:
        session-id: 11
        peer-session-id: 12
        peer-cookie: "8899aabb"
        l2spec-type: none
        circuit: { tap: { name: go0, addresses: [10.65.0.1/24] } }
`);
  await using _daemon = await startGoL2tp(
    lab,
    "ql2tpd",
    `
[tunnel.t1]
version = "l2tpv3"
encap = "udp"
local = "${there}:1702"
tid = 2
peer = "${here}:1701"
ptid = 1
[tunnel.t1.session.s1]
pseudowire = "eth"
sid = 12
psid = 11
cookie = [ 0x88, 0x99, 0xaa, 0xbb ]
interface_name = "go0"
`,
  );
  await lab.guest("ip addr add 10.65.0.2/24 dev go0; ip link set go0 up");
  assertNoLoss(await ping(lab, "10.65.0.2"), "to the guest");
  assertNoLoss((await pingFromGuest(lab, ["10.65.0.1"]))[0]!, "from the guest");
  const { drops } = await appliance.datapath();
  assert.equal(drops["cookie-mismatch"] ?? 0, 0);
});
