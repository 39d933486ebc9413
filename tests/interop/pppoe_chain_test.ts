/**
 * Three appliances in a row, and no kernel that knows PPP: a PPPoE client, whose sessions a LAC carries to an LNS. PPP's
 * frames go from end to end; each hop counts them; what goes wrong on the wire changes nothing for anybody.
 */

import { checkedFetch } from "../../edge/admin/promised.ts";
import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { quickTimers } from "./support/managed.ts";
import { makePair, type Pair, type Place } from "./support/place.ts";
import { until } from "./support/process.ts";
import { makeStreet } from "./support/street.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperfBetween, parsePing, ping } from "./support/traffic.ts";

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
    const home = await makeStreet(stack, pair);
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
    });
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
  let after = before;
  const moved = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
  await until("all are counted", async () => {
    after = await counted(lac);
    return moved("foreign_padt") >= 15 && moved("unknown_session") > 0 && moved("malformed") > 0;
  });
  assert.equal(moved("foreign_padt"), 15);
  assert.deepEqual(await rows(lac, "pppoe"), [session]);
  assertNoLoss(await ping(home, "10.64.0.1"), "afterwards");
});

/** What discovery counted. */
async function counted(appliance: Appliance): Promise<Record<string, number>> {
  const client = Deno.createHttpClient({
    proxy: { transport: "unix", path: appliance.adminSocket },
  });
  try {
    const text = await (await checkedFetch("http://localhost/metrics", { client })).text();
    const found = text.matchAll(/^isthmus_pppoe_discovery_(\w+)_total (\d+)/gm);
    return Object.fromEntries([...found].map(([, name, count]) => [name!, Number(count)]));
  } finally {
    client.close();
  }
}

/** PADIs of so many MACs in so many VLANs, as fast as one program can. */
const flood = `import os, socket, struct, sys, time
count, seconds = int(sys.argv[1]), float(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
tail = bytes.fromhex("8863110900000004" + "01010000") + bytes(32)
start = time.monotonic()
for i in range(count):
    head = b"\\xff" * 6 + b"\\x02" + os.urandom(5) + struct.pack("!HHHH", 0x88A8, 100, 0x8100, 1 + i % 4094)
    try:
        s.send(head + tail)
    except OSError:
        pass
    if i % 64 == 0:
        ahead = i / count * seconds - (time.monotonic() - start)
        if ahead > 0:
            time.sleep(ahead)
print(count)
`;

/** 100,000 in 3 seconds; in the soak a million in 30. */
const floodSeconds = Deno.env.get("ISTHMUS_SOAK") ? 30 : 3;

test("a flood of PADIs leaves nothing, and a line that is up does not notice", async (context) => {
  const { home, lac } = context;
  await untilUp(context);
  const before = await rows(lac, "pppoe");
  const [counts, memory] = [await counted(lac), await resident(lac)];
  const argv = ["/usr/bin/python3", "-c", flood, `${floodSeconds * 33_333}`, `${floodSeconds}`];
  const flooding = home.tryHere(argv, { timeoutMs: 120_000 });
  const pings = await home.here(
    ...["ping", "-q", "-n", "-c", `${floodSeconds * 20}`, "-i", "0.05", "-W", "2", "10.64.0.1"],
  );
  const { stderr, stdout } = await flooding;
  assert.equal(Number(stdout), floodSeconds * 33_333, stderr);
  const after = await counted(lac);
  const grown = await resident(lac) - memory;
  const moved = (name: string) => after[name]! - counts[name]!;
  say(
    `  ${stdout.trim()} sent, ${moved("padi")} came to discovery, ${moved("pado")} were answered; ${
      pings.match(/\d+ received.*|rtt.*/g)?.join("; ")
    }; ${(grown / 2 ** 20).toFixed(1)} MiB more`,
  );
  assertNoLoss(parsePing(pings), "beside the flood");
  assert.deepEqual(await rows(lac, "pppoe"), before);
  assert(moved("padi") > 1000 && moved("pado") <= (floodSeconds + 2) * 1000);
  assert(grown < 96 * 2 ** 20, `${grown} octets more`);
});

/** Octets of memory that an appliance has. */
async function resident({ process }: Appliance): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${process.pid}/status`);
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
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
  );
  await untilUp(context);
});
