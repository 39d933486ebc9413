/**
 * The PPP termination with kernels on both sides: a subscriber's kernel behind a TUN of its own, whose packets cross an
 * L2TPv2 session to the termination and leave by its TUN to the network's kernel. Nothing is negotiated here.
 */

import assert from "node:assert/strict";
import type { Datapath } from "../../edge/datapath/datapath.ts";
import { type Lcce, sessionSpec, startLcce } from "../../edge/datapath/testing.ts";
import { type Libc, openLibc } from "../../edge/io/libc.ts";
import { openTaps, type Taps } from "../../edge/io/tap_device.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import type { Offload, PppPortOptions } from "../../plugins/plugin.ts";
import { output, sleep } from "./support/process.ts";
import { type Place, placeIn } from "./support/place.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperfBetween, ping } from "./support/traffic.ts";

const mru = 1492;
/** Addresses of the network's end, and of the subscriber's. */
const network = { v4: "10.91.1.1", v6: "fd91:1::1" };
const subscriber = { v4: "10.91.2.1", v6: "fd91:2::1" };

interface Context {
  /** The kernel behind the termination, and the subscriber's. */
  readonly places: readonly [Place, Place];
  readonly taps: Taps;
  readonly libc: Libc;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ping", "iperf3"],
  async (stack) => {
    const folder = await Deno.makeTempDir({ prefix: "isthmus-interop-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const places: Place[] = [];
    for (const end of ["net", "home"]) {
      const place = placeIn(`isthmus-${Deno.pid}-${end}`, folder);
      await output(["ip", "netns", "add", place.namespace]);
      stack.defer(async () => void await output(["ip", "netns", "del", place.namespace]));
      await place.here("ip", "link", "set", "lo", "up");
      places.push(place);
    }
    const libc = stack.use(openLibc());
    const taps = stack.use(openTaps(libc));
    return { places: [places[0]!, places[1]!], taps, libc };
  },
);

/** An end of the session: a datapath, the session in it, and the termination that it is in. */
interface End {
  readonly datapath: Datapath;
  readonly session: PortId;
  change(options: PppPortOptions): Promise<void>;
}

/** Both ends, joined; what they count and say. */
interface Link extends AsyncDisposable {
  readonly lns: End;
  readonly client: End;
  /** What the termination told, in order. */
  readonly told: string[];
}

const member: PppPortOptions = {
  addresses: [subscriber.v4],
  prefixes: ["fd91:2::/64"],
  mru,
};

async function connect(
  { places, taps }: Context,
  offload: Offload = {},
  options: Partial<PppPortOptions> = {},
): Promise<Link> {
  await using parts = new AsyncDisposableStack();
  const [lns, client] = [parts.use(await startLcce()), parts.use(await startLcce())];
  const told: string[] = [];
  const end = async (
    [from, to]: readonly [Lcce, Lcce],
    place: Place,
    addresses: readonly string[],
    routes: readonly string[],
    member: PppPortOptions,
  ): Promise<End> => {
    const { datapath } = from;
    const { fd, vnet, release } = taps.open(
      { name: "tun0", netns: place.namespace, mtu: 1500, addresses, routes, offload },
      "tun",
    );
    parts.defer(() => release(false));
    const tun = await datapath.addDevice(fd, { frames: "ip", ...(vnet && { vnet }) }, () => {});
    parts.defer(() => datapath.removePort(tun));
    const tunnel = await datapath.addTunnel({
      version: 2,
      encap: "udp",
      tunnelId: 1,
      peerTunnelId: 1,
      socket: from.socket,
      remote: to.local,
      sourceCheck: "endpoint",
      segment: true,
    });
    const spec = sessionSpec(1, { frameType: "ppp", l2spec: "none" });
    const session = await datapath.addSession(tunnel, spec);
    const { forwarders } = datapath;
    const termination = await forwarders.add("ppp", [tun], {}, ({ detail }) => {
      told.push((detail as { what: string }).what);
    });
    await forwarders.join(termination, session, member);
    return {
      datapath,
      session,
      change: (options) => forwarders.changeMember(termination, session, options),
    };
  };
  const ends = [
    await end(
      [lns, client],
      places[0],
      [`${network.v4}/32`, `${network.v6}/128`],
      ["10.91.2.0/24", "fd91:2::/64"],
      { ...member, ...options },
    ),
    await end(
      [client, lns],
      places[1],
      [`${subscriber.v4}/32`, `${subscriber.v6}/128`],
      ["10.91.1.0/24", "fd91:1::/64"],
      { addresses: [], prefixes: ["0.0.0.0/0", "::/0"], mru, compressProtocol: true },
    ),
  ] as const;
  const stack = parts.move();
  return {
    lns: ends[0],
    client: ends[1],
    told,
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** The families' counters of an end. */
async function families({ datapath, session }: End): Promise<Record<string, number>> {
  return (await datapath.sessionStatistics(session))!;
}

type Counters = Readonly<Record<string, number>>;

/** Whether each end received what the other one sent. */
function agree(one: Counters, other: Counters): boolean {
  return ["ipv4-packets", "ipv6-packets"].every((what) =>
    one[`rx-${what}`] === other[`tx-${what}`] && one[`tx-${what}`] === other[`rx-${what}`]
  );
}

const modes: readonly (readonly [string, Offload])[] = [
  ["super-frames", {}],
  ["unfinished checksums", { gso: false, gro: false }],
  ["plain frames", { vnet: false }],
];

for (const [title, offload] of modes) {
  test(`a subscriber's packets cross, and each end counts what the other does: ${title}`, async (context) => {
    const { places: [net, home] } = context;
    await using link = await connect(context, offload, { clampMss: true });
    for (const family of ["v4", "v6"] as const) {
      assertNoLoss(await ping(home, network[family]), "from the subscriber");
      assertNoLoss(await ping(net, subscriber[family]), "to the subscriber");
      const up = await iperfBetween(home, net, "-c", network[family], "-n", "48M");
      const down = await iperfBetween(home, net, "-c", network[family], "-n", "48M", "-R");
      const speeds = [up, down].map((run) => Math.round(run.bitsPerSecond / 1e6));
      say(`  IP${family}: ${speeds.join(", ")} Mbit/s up and down`);
    }
    // A packet of a kernel's own may be on its way while the two are asked.
    let [lns, client] = [await families(link.lns), await families(link.client)];
    for (let i = 0; i < 20 && !agree(lns, client); i++) {
      await sleep(100);
      [lns, client] = [await families(link.lns), await families(link.client)];
    }
    for (const family of ["ipv4", "ipv6"]) {
      for (const unit of ["packets", "bytes"]) {
        const [rx, tx] = [`rx-${family}-${unit}`, `tx-${family}-${unit}`];
        assert.equal(lns[rx], client[tx], `up, ${family} ${unit}`);
        assert.equal(lns[tx], client[rx], `down, ${family} ${unit}`);
        assert.ok(lns[rx]! > 10 && lns[tx]! > 10);
      }
    }
    for (const place of [net, home]) {
      const text = await place.here("nstat", "-asz", "TcpInCsumErrors", "IpInHdrErrors");
      assert.doesNotMatch(text, /Errors +[1-9]/);
    }
  });
}

test("what is larger than the MRU is answered by ICMP with the right MTU", async (context) => {
  const { places: [net, home] } = context;
  await using link = await connect(context);
  const answer = async (address: string, size: number) => {
    const argv = ["ping", "-n", "-c", "2", "-i", "0.3", "-W", "1", "-M", "do", "-s", `${size}`];
    const { stdout, stderr } = await net.tryHere([...argv, address]);
    return stdout + stderr;
  };
  assert.match(await answer(subscriber.v4, 1464), / 0% packet loss/);
  assert.match(await answer(subscriber.v6, 1444), / 0% packet loss/);
  assert.match(await answer(subscriber.v4, 1465), /From 10\.91\.2\.1 .*\(mtu = 1492\)/);
  assert.match(await answer(subscriber.v6, 1445), /From fd91:2::1 .*mtu=1492/);
  const { drops, io } = await link.lns.datapath.stats();
  assert.deepEqual([drops["packet-too-big"], io["icmp-errors"]], [2, 2]);
  // TCP finds its way by that, without being told of a segment size.
  for (const family of ["v4", "v6"] as const) {
    await net.here("ip", "-6", "route", "flush", "cache");
    const run = await iperfBetween(home, net, "-c", network[family], "-n", "16M", "-R");
    assert.ok(run.bitsPerSecond > 1e6, `${run.bitsPerSecond} bit/s`);
  }
});

test("what may be fragmented is, and comes together again", async (context) => {
  const { places: [net, home] } = context;
  await using link = await connect(context);
  for (const size of ["1465", "3000", "20000"]) {
    assertNoLoss(await ping(net, subscriber.v4, "-M", "dont", "-s", size), `${size} down`);
    assertNoLoss(await ping(home, network.v4, "-M", "dont", "-s", size), `${size} up`);
  }
  const { io, drops } = await link.lns.datapath.stats();
  assert.ok(io["fragments"]! >= 10, `${io["fragments"]} fragments`);
  assert.equal(drops["packet-too-big"], 0);
});

test("a packet from an address that is not the subscriber's goes no further", async (context) => {
  const { places: [, home] } = context;
  await using link = await connect(context);
  await home.here("ip", "addr", "add", "10.91.66.1/32", "dev", "lo");
  const forged = await ping(home, network.v4, "-I", "10.91.66.1", "-W", "1");
  await home.here("ip", "addr", "del", "10.91.66.1/32", "dev", "lo");
  assert.deepEqual(forged, { sent: 5, received: 0 });
  const { drops } = await link.lns.datapath.stats();
  assert.equal(drops["source-mismatch"], 5);
  assertNoLoss(await ping(home, network.v4), "its own");
});

test("a rate changes while packets pass", async (context) => {
  const { places: [net, home] } = context;
  await using link = await connect(context, {}, { clampMss: true });
  const { datapath, session } = link.lns;
  const speed = async (...options: string[]) => {
    const offered = ["-u", "-b", "60M", "-l", "1200", "-t", "2", ...options];
    const run = await iperfBetween(home, net, "-c", network.v4, ...offered);
    return run.bitsPerSecond / 1e6;
  };
  for (const limit of [8, 40]) {
    await datapath.limit(session, { rx: limit * 1000, tx: limit * 1000, burst: 64_000 });
    const speeds = [await speed(), await speed("-R")];
    say(`  ${limit} Mbit/s: ${speeds.map((each) => each.toFixed(1)).join(" up, ")} down`);
    for (const each of speeds) assert.ok(each < limit * 1.1 && each > limit / 2, `${each} Mbit/s`);
  }
});

test("idle time and octets are told of", async (context) => {
  const { places: [, home] } = context;
  await using link = await connect(context, {}, { quotaBytes: 20_000n });
  await ping(home, network.v4, "-s", "1400");
  await ping(home, network.v4, "-s", "1400");
  assert.deepEqual(link.told, ["quota"]);
  await link.lns.change({ ...member, idleTimeoutMs: 1500 });
  await ping(home, network.v4);
  assert.deepEqual(link.told, ["quota"]);
  for (let i = 0; i < 50 && link.told.length < 2; i++) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.deepEqual(link.told, ["quota", "idle"]);
});
