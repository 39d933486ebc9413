/**
 * What goes wrong on the way, while frames flow: forged ICMP, routes and addresses that come and go, links that fall, a
 * receiver that stands still. Nothing that others cause costs frames; what is lost is counted under its reason, and
 * datagrams leave in groups again soon after.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { device, makePair, type Pair, type Place } from "./support/place.ts";
import { sleep, until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";
import { iperfBetween, ping } from "./support/traffic.ts";

const [here, there, nobody] = ["10.77.0.1", "10.77.0.2", "10.77.0.9"];
const forger = new URL("support/icmp-flood.pl", import.meta.url).pathname;

/** Tunnels of one listener: to the other appliance over IPv4 and IPv6, and to a host where nobody listens. */
const text = (mine: 1 | 2) => (adminSocket: string) => {
  const other = 3 - mine;
  const tunnel = (name: string, id: number, local: string, remote: string, device: string) => `
  ${name}:
    static: { tunnel-id: ${10 * id + mine}, peer-tunnel-id: ${10 * id + other} }
    local: "${local}:1701"
    remote: "${remote}:1701"
    sessions:
      s:
        session-id: ${10 * id + mine}
        peer-session-id: ${10 * id + other}
        circuit: { tap: { name: ${device}, addresses: [192.168.${id}.${mine}/24] } }`;
  return `
listen: [{ udp: "10.77.0.${mine}:1701" }, { udp: "[fd77::${mine}]:1701" }]
admin: { listen: "unix:${adminSocket}" }
tunnels:
${tunnel("four", 4, `10.77.0.${mine}`, `10.77.0.${other}`, "four0")}
${tunnel("six", 6, `[fd77::${mine}]`, `[fd77::${other}]`, "six0")}
${mine === 1 ? tunnel("dead", 9, here, nobody, "dead0") : ""}
`;
};

interface Context {
  readonly pair: Pair;
  readonly near: Appliance;
  readonly far: Appliance;
}

interface TunnelView {
  readonly grouping: { readonly state: string; readonly error?: string };
  readonly "path-errors": Readonly<Record<string, number>>;
  readonly "path-mtu": number;
  readonly "socket-drops": number;
  readonly statistics: Readonly<Record<string, number>>;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "perl", "ping", "iperf3"],
  async (stack) => {
    const pair = stack.use(await makePair());
    await pair.there.here("ip", "addr", "add", `${nobody}/24`, "dev", device);
    return {
      pair,
      near: stack.use(await startAppliance(pair.here, text(1))),
      far: stack.use(await startAppliance(pair.there, text(2))),
    };
  },
);

const tunnelOf = (appliance: Appliance, name: string) =>
  appliance.get<TunnelView>(`/v1/tunnels/${name}`);

/** What was dropped since `before`, by reason, without what never happened. */
async function dropsSince(appliance: Appliance, before: Readonly<Record<string, number>>) {
  const { drops } = await appliance.datapath();
  return Object.fromEntries(
    Object.entries(drops).map(([reason, count]) => [reason, count - (before[reason] ?? 0)] as const)
      .filter(([reason, count]) => count > 0 && !busy.has(reason)),
  );
}

/** Sends through a tunnel for so long. `lost`: what no queue of iperf3's own or of a device at either end lost. */
async function flow({ pair, near, far }: Context, id: number, seconds: number) {
  const before = await queued(pair, near, far);
  const result = await iperfBetween(
    pair.here,
    pair.there,
    ...["-c", `192.168.${id}.2`, "-u", "-b", "40M", "-l", "1200", "-t", `${seconds}`],
  );
  return { ...result, lost: Math.max(0, result.lost - (await queued(pair, near, far)) + before) };
}

/** Losses of a busy machine: at the near end's TAPs, in sockets of the far end (iperf3's among them), at its devices. */
async function queued({ there }: Pair, near: Appliance, far: Appliance): Promise<number> {
  const snmp = await there.here("cat", "/proc/net/snmp");
  const [names, values] = [...snmp.matchAll(/^Udp: (.*)$/gm)].map(([, line]) => line!.split(" "));
  const [atNear, atFar] = await Promise.all([near.datapath(), far.datapath()]);
  return Number(values![names!.indexOf("RcvbufErrors")]) + atNear.drops["device-queue-full"]! +
    atFar.drops["device-full"]!;
}

/** Drops of a busy machine. */
const busy = new Set(["device-queue-full", "device-full", "receive-buffer-full"]);

/** Waits until datagrams of a tunnel leave in groups, as they did before, with frames to try it with. */
async function untilGrouped(context: Context, name: string, id: number) {
  await until(`${name} leaves in groups again`, async () => {
    await flow(context, id, 1);
    return (await tunnelOf(context.near, name)).grouping.state === "on";
  });
}

/** Waits until frames of a flow that was just begun come in at the far end. */
async function untilFlowing({ far }: Pick<Context, "far">, name: string): Promise<void> {
  const received = async () => (await tunnelOf(far, name)).statistics["rx-packets"]!;
  const before = await received();
  await until("frames flow", async () => await received() > before + 500);
}

const forge = (
  { there: place }: Pair,
  [type, code, mtu]: readonly number[],
  about: string,
  count: number,
) =>
  place.here(
    ...["perl", forger, here, `${type}`, `${code}`, `${mtu}`, `${count}`, "2000"],
    ...[here, "1701", about, "1701"],
  );

test("forged ICMP about one tunnel costs another nothing, nor the one that it is about", async (context) => {
  const { pair, near } = context;
  await flow(context, 4, 1);
  const before = (await near.datapath()).drops;
  const io = (await near.datapath()).io;
  for (const about of [nobody, there]) {
    const [{ lost, packets }] = await Promise.all([
      flow(context, 4, 4),
      untilFlowing(context, "four").then(() => forge(pair, [3, 13, 0], about, 4000)),
    ]);
    assert(packets > 5000, `${packets} sent`);
    assert.deepEqual([lost, await dropsSince(near, before)], [0, {}], `about ${about}`);
  }
  await until(
    "it is counted",
    async () => (await tunnelOf(near, "dead"))["path-errors"]["prohibited"]! > 1000,
  );
  const { grouping, statistics } = await tunnelOf(near, "four");
  assert.deepEqual([grouping, statistics["tx-errors"]], [{ state: "on" }, 0]);
  const after = (await near.datapath()).io;
  say(`  ${after["tx-excused"]! - (io["tx-excused"] ?? 0)} calls got another's error`);
  const [segments, messages] = ["tx-segments", "tx-messages"].map((name) =>
    after[name]! - io[name]!
  );
  assert(segments! > 1.2 * messages!, `${segments} datagrams in ${messages} messages`);
});

test("forged 'fragmentation needed' narrows the path, which is followed, and loses nothing", async (context) => {
  const { pair, near } = context;
  const before = (await near.datapath()).drops;
  const mtu = (await tunnelOf(near, "four"))["path-mtu"];
  const [{ lost }] = await Promise.all([
    flow(context, 4, 4),
    untilFlowing(context, "four").then(() => forge(pair, [3, 4, 1300], there, 2000)),
  ]);
  assert.deepEqual([lost, await dropsSince(near, before)], [0, {}]);
  await until("the path is followed", async () => {
    return (await tunnelOf(near, "four"))["path-mtu"] === 1300;
  });
  const { mtu: frames } = await near.session("four");
  assert(frames! <= 1300 - 20 - 8 - 8 - 14, `MTU ${frames}`);
  await untilGrouped(context, "four", 4);
  // What ICMP said is forgotten after 10 minutes; here at once.
  await pair.here.here("ip", "route", "flush", "cache");
  await until("the path is as wide as before", async () => {
    return (await tunnelOf(near, "four"))["path-mtu"] === mtu;
  });
});

test("a peer where nobody listens is seen: each tunnel shows what ICMP says of its path", async ({ pair, near }) => {
  const before = (await tunnelOf(near, "dead"))["path-errors"]["port-unreachable"] ?? 0;
  await pair.here.tryHere(["ping", "-q", "-n", "-c", "20", "-i", "0.05", "-W", "1", "192.168.9.2"]);
  await until("it is counted", async () => {
    return ((await tunnelOf(near, "dead"))["path-errors"]["port-unreachable"] ?? 0) > before;
  });
  const { code, stdout } = await near.cli("show", "tunnel", "name", "dead", "--details");
  assert.equal(code, 0);
  assert.match(stdout, /port-unreachable/);
  assert.match(stdout, /grouping/);
});

/** Losing what makes a path for a while, and what the frames of that time are counted as. */
const outages: readonly {
  readonly title: string;
  readonly tunnel: "four" | "six";
  readonly reasons: readonly string[];
  readonly begin: (place: Place) => Promise<unknown>;
  readonly end: (place: Place) => Promise<unknown>;
  /** Until a link that came up is at work, its kernel takes datagrams and drops them: who sent them is told nothing. */
  readonly silent?: boolean;
}[] = [
  {
    title: "a blackhole route",
    tunnel: "four",
    reasons: ["route-blackhole"],
    begin: ({ here }) => here("ip", "route", "add", "blackhole", `${there}/32`),
    end: ({ here }) => here("ip", "route", "del", "blackhole", `${there}/32`),
  },
  {
    title: "a prohibiting route",
    tunnel: "four",
    reasons: ["route-prohibited"],
    begin: ({ here }) => here("ip", "route", "add", "prohibit", `${there}/32`),
    end: ({ here }) => here("ip", "route", "del", "prohibit", `${there}/32`),
  },
  {
    title: "a link that is down",
    tunnel: "four",
    reasons: ["no-route", "link-down", "no-source-address"],
    silent: true,
    begin: ({ here }) => here("ip", "link", "set", device, "down"),
    end: async ({ here }) => {
      await here("ip", "link", "set", device, "up");
      await here("ip", "-6", "addr", "add", "fd77::1/64", "dev", device, "nodad");
    },
  },
  {
    title: "an IPv6 address that is gone",
    tunnel: "six",
    reasons: ["no-source-address", "no-route"],
    begin: ({ here }) => here("ip", "-6", "addr", "del", "fd77::1/64", "dev", device),
    end: ({ here }) => here("ip", "-6", "addr", "add", "fd77::1/64", "dev", device, "nodad"),
  },
];

for (const { title, tunnel, reasons, begin, end, silent = false } of outages) {
  test(`${title} for half a second: every loss is counted, and groups are back`, async (context) => {
    const { pair, near, far } = context;
    const id = tunnel === "four" ? 4 : 6;
    await flow(context, id, 1);
    /** Datagrams that were sent without an error, and never came in. */
    const between = async () =>
      (await tunnelOf(near, tunnel)).statistics["tx-packets"]! -
      (await tunnelOf(far, tunnel)).statistics["rx-packets"]!;
    const betweenBefore = await between();
    const before = (await near.datapath()).drops;
    const errors = (await tunnelOf(near, tunnel)).statistics["tx-errors"]!;
    const lostBy = (drops: Readonly<Record<string, number>>) =>
      reasons.reduce((sum, reason) => sum + (drops[reason] ?? 0), 0);
    const outage = async () => {
      await untilFlowing(context, tunnel);
      await begin(pair.here);
      await sleep(500);
      await until("frames are lost", async () => lostBy(await dropsSince(near, before)) > 300);
      await end(pair.here);
    };
    const [{ lost, packets }] = await Promise.all([flow(context, id, 5), outage()]);
    const drops = await dropsSince(near, before);
    say(`  ${lost} of ${packets} lost; dropped: ${JSON.stringify(drops)}`);
    const counted = lostBy(drops);
    assert.deepEqual(Object.keys(drops).filter((reason) => !reasons.includes(reason)), []);
    assert((await tunnelOf(near, tunnel)).statistics["tx-errors"]! - errors >= counted);
    // iperf's own control connection and the neighbour's resolution lose some too.
    const swallowed = await between() - betweenBefore;
    const all = `${lost} lost, ${counted} counted, ${swallowed} between the ends`;
    assert(silent || swallowed <= 64, all);
    assert(lost <= counted + swallowed + 64, all);
    await untilGrouped(context, tunnel, id);
    const { received } = await ping(pair.here, `192.168.${id}.2`);
    assert.equal(received, 5);
  });
}

test("a receiver that stands still for 1.5 s loses datagrams, each counted", async ({ pair, near, far }) => {
  const before = (await far.datapath()).drops["receive-buffer-full"]!;
  const stop = async () => {
    await untilFlowing({ far }, "four");
    far.process.kill("SIGSTOP");
    await sleep(1500);
    far.process.kill("SIGCONT");
  };
  const [{ lost, packets }] = await Promise.all([
    iperfBetween(
      pair.here,
      pair.there,
      ...["-c", "192.168.4.2", "-u", "-b", "300M", "-l", "1200", "-t", "4"],
    ),
    stop(),
  ]);
  await until("they are counted", async () => {
    const { drops } = await far.datapath();
    return drops["receive-buffer-full"]! > before &&
      (await tunnelOf(far, "four"))["socket-drops"] === drops["receive-buffer-full"];
  });
  const counted = (await far.datapath()).drops["receive-buffer-full"]! - before;
  say(`  ${lost} of ${packets} lost, ${counted} counted`);
  assert(near.process.exitCode() === undefined);
});
