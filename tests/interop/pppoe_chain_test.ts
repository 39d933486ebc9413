/**
 * Three appliances in a row, and no kernel that knows PPP: a PPPoE client, whose sessions a LAC carries to an LNS. PPP's
 * frames go from end to end; each hop counts them; what goes wrong on the wire changes nothing for anybody.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { quickTimers } from "./support/managed.ts";
import { killAll, makePair, type Pair, type Place, placeIn } from "./support/place.ts";
import { output, until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperfBetween, ping } from "./support/traffic.ts";

const subscriberText = (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
circuits:
  line:
    ppp:
      client: { tun: { name: wan0 }, user: bob@isp, secret: pass, routes: [10.64.0.0/24], ipv6: false }
pppoe:
  clients:
    wan: { interface: eth0, vlan: "100.7", circuit: line, retry: 0.2 }
`;

const lacText = (adminSocket: string) => `
listen: [{ udp: "10.77.0.1:1701" }]
admin: { listen: "unix:${adminSocket}" }
peers:
  lns: { address: 10.77.0.2, proto-version: 2, secret: chain, ${quickTimers} }
tunnels:
  lns: { peer: lns, mode: on-demand, remote: 10.77.0.2 }
pppoe:
  access:
    street:
      interface: street
      vlans: ["100.1-4094"]
      lac: { servers: [{ peer: lns }] }
`;

const lnsText = (users: string) => (adminSocket: string) => `
listen: [{ udp: "10.77.0.2:1701" }]
admin: { listen: "unix:${adminSocket}" }
ppp:
  aaa: { users: "${users}" }
  pools: { homes: { ranges: [10.64.0.0/24] } }
circuits:
  homes:
    ppp:
      terminate: { tun: { name: subs0 }, address: 10.64.0.1, pools: [homes] }
peers:
  lac: { address: 10.77.0.1, proto-version: 2, secret: chain, accept: [{ circuit: homes }] }
`;

interface Context {
  readonly pair: Pair;
  readonly home: Place;
  readonly subscriber: Appliance;
  readonly lac: Appliance;
  readonly lns: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "ping", "iperf3", "scapy"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const home = placeIn(`isthmus-${Deno.pid}-home`, pair.here.folder);
    await output(["ip", "netns", "add", home.namespace]);
    stack.defer(async () => {
      await killAll(home);
      await output(["ip", "netns", "del", home.namespace]);
    });
    const { here } = pair.here;
    const peer = ["peer", "name", "eth0", "netns", home.namespace];
    await here("ip", "link", "add", "street", "mtu", "1508", "type", "veth", ...peer);
    await here("ip", "link", "set", "street", "up");
    await home.here("ip", "link", "set", "eth0", "mtu", "1508", "up");
    const users = `${pair.here.folder}/users.yaml`;
    await Deno.writeTextFile(users, "bob@isp: { password: pass }\n", { mode: 0o600 });
    const lns = stack.use(await startAppliance(pair.there, lnsText(users)));
    const lac = stack.use(await startAppliance(pair.here, lacText));
    const subscriber = stack.use(await startAppliance(home, subscriberText));
    return { pair, home, subscriber, lac, lns };
  },
);

interface Row {
  readonly mac: string;
  readonly id: number;
  readonly user: string;
  readonly to: string;
}

const rows = async <T = Row>(appliance: Appliance, view: string) =>
  (await appliance.get<{ rows: readonly T[] }>(`/v1/views/${view}`)).rows;

/** Waits until the subscriber's device has an address, and the far end answers. */
async function untilUp({ home, subscriber, lac, lns }: Context): Promise<void> {
  try {
    await until("the line is up", async () => {
      const { stdout } = await home.tryHere(["ip", "-4", "-br", "addr", "show", "dev", "wan0"]);
      return stdout.includes("10.64.0.") &&
        (await home.tryHere(["ping", "-q", "-c", "1", "-W", "1", "10.64.0.1"])).code === 0;
    }, 30_000);
  } catch (error) {
    const logs = await Promise.all([subscriber, lac, lns].map(({ process }) => process.log()));
    const drops = await Promise.all([subscriber, lac, lns].map(async (each) => {
      const { drops, io } = await each.datapath();
      const moved = Object.entries({ ...drops, ...io }).filter(([, count]) => count > 0);
      return JSON.stringify(Object.fromEntries(moved));
    }));
    throw new Error(`${error}\n${drops.join("\n")}\n${logs[0]}`);
  }
}

test("a line comes up from end to end: ping, iperf3, and who is whose", async (context) => {
  const { home, lac, lns, pair, subscriber } = context;
  await untilUp(context);
  assertNoLoss(await ping(home, "10.64.0.1", "-s", "1400"), "to the LNS");
  const to = await iperfBetween(home, pair.there, "-c", "10.64.0.1", "-t", "1");
  const from = await iperfBetween(home, pair.there, "-c", "10.64.0.1", "-t", "1", "-R");
  say(`  ${[to, from].map((run) => Math.round(run.bitsPerSecond / 1e6)).join(" and ")} Mbit/s`);
  assert(to.bitsPerSecond > 1e6 && from.bitsPerSecond > 1e6);
  const [client] = await rows<{ id: number; ac: string }>(subscriber, "pppoe-client");
  const [session] = await rows(lac, "pppoe");
  assert.deepEqual([session?.id, session?.user, session?.to], [client!.id, "bob@isp", "lns"]);
  const [one] = await rows<{ user: string }>(lns, "subscriber");
  assert.equal(one?.user, "bob@isp");
  const { drops } = await lac.datapath();
  const unexpected = Object.entries(drops).filter(([reason, count]) =>
    count > 0 && /unknown|mismatch|malformed|bad|foreign/.test(reason)
  );
  assert.deepEqual(unexpected, []);
});

/** Sends frames of one who is not the subscriber: its id from another MAC, another VLAN; wrong lengths. */
const forge = `import sys
from scapy.all import Ether, Dot1Q, Dot1AD, PPPoED, PPPoE, Raw, sendp, conf
conf.verb = 0
ac, mac, id = sys.argv[1], sys.argv[2], int(sys.argv[3])
def frame(src=mac, inner=7, sid=id, kind="padt", length=None):
    f = Ether(src=src, dst=ac) / Dot1AD(vlan=100) / Dot1Q(vlan=inner)
    if kind == "padt":
        return f / PPPoED(code=0xa7, sessionid=sid, len=0 if length is None else length)
    lcp = bytes.fromhex("c0210505000400")  # Terminate-Request
    return f / PPPoE(sessionid=sid, len=len(lcp) if length is None else length) / Raw(lcp)
frames = []
for kind in ("padt", "data"):
    frames += [frame(src="02:00:00:00:00:99", kind=kind), frame(inner=8, kind=kind), frame(sid=id ^ 1, kind=kind), frame(kind=kind, length=1400)]
sendp(frames * 5, iface="eth0")
`;

test("foreign PADTs and data, and wrong lengths, change nothing, and are counted", async (context) => {
  const { home, lac, pair } = context;
  await untilUp(context);
  const [session] = await rows(lac, "pppoe");
  const before = await counted(lac);
  const [{ address }] = JSON.parse(await pair.here.here("ip", "-j", "link", "show", "street"));
  const argv = ["/usr/bin/python3", "-c", forge, address, session!.mac, `${session!.id}`];
  await home.here(...argv);
  const after = await counted(lac);
  assert.deepEqual(await rows(lac, "pppoe"), [session]);
  assertNoLoss(await ping(home, "10.64.0.1"), "afterwards");
  const moved = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
  assert.equal(moved("foreign_padt"), 15);
  assert(moved("unknown_session") > 0 && moved("malformed") > 0, JSON.stringify(after));
});

/** What discovery counted. */
async function counted(appliance: Appliance): Promise<Record<string, number>> {
  const client = Deno.createHttpClient({
    proxy: { transport: "unix", path: appliance.adminSocket },
  });
  try {
    const text = await (await fetch("http://localhost/metrics", { client })).text();
    const found = text.matchAll(/^isthmus_pppoe_discovery_(\w+)_total (\d+)/gm);
    return Object.fromEntries([...found].map(([, name, count]) => [name!, Number(count)]));
  } finally {
    client.close();
  }
}

test("whoever of the three is restarted, the line comes back by itself", async (context) => {
  const { lac } = context;
  const [{ mac }] = await rows(lac, "pppoe") as [Row];
  const { code, stderr } = await lac.cli("do", "drop-pppoe", "mac", mac);
  assert.equal(code, 0, stderr);
  await untilUp(context);
  const [{ id }] = await rows(lac, "pppoe") as [Row];
  const { code: status, stderr: said } = await context.lns.cli(
    "do",
    "disconnect",
    "user",
    "bob@isp",
  );
  assert.equal(status, 0, said);
  await until(
    "it is another session",
    async () => (await rows(lac, "pppoe"))[0]?.id !== id,
    15_000,
  );
  await untilUp(context);
});
