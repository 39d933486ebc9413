/**
 * The outer header of tunnels, as tcpdump sees it on the wire: DSCP fixed and inherited, TTL, DF, and the kernel's mark,
 * which nftables' counters or a rule's route show. Needs what a real kernel does with all of it.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { device, makePair, type Pair } from "./support/place.ts";
import { quickTimers, untilDown, untilNew, untilUp } from "./support/managed.ts";
import { until } from "./support/process.ts";
import { suite } from "./support/suite.ts";
import { ping, reaches } from "./support/traffic.ts";

const [here, there] = ["10.77.0.1", "10.77.0.2"];

const tunnel = (id: number, mine: 1 | 2, v6: boolean, more = "") => {
  const at = (host: number) =>
    v6 ? `"[fd77::${host}]:${1700 + id}"` : `"10.77.0.${host}:${1700 + id}"`;
  return `
  t${id}:
    static: { tunnel-id: ${id}, peer-tunnel-id: ${id} }
    local: ${at(mine)}
    remote: ${at(3 - mine)}
    ${more}
    sessions:
      s:
        session-id: ${id}
        peer-session-id: ${id}
        circuit: { tap: { name: t${id}, addresses: [192.168.${id}.${mine}/24] } }`;
};

/** What the first one dials: with DF, and with a mark, which nftables puts on the answers. */
const dialed = `
  df:
    peer: other
    local: "10.77.0.1:1711"
    remote: "10.77.0.2:1710"
    df: true
    sessions: { d1: { circuit: { tap: { name: d1, addresses: [192.168.11.1/24] } } } }
  marked:
    peer: other
    local: "10.77.0.1:1712"
    remote: "10.77.0.2:1710"
    mark: 78
    sessions: { d2: { circuit: { tap: { name: d2, addresses: [192.168.12.1/24] } } } }
`;

const answering = `
    accept:
      - { name: d1, circuit: { tap: { name: d1, addresses: [192.168.11.2/24] } } }
      - { name: d2, circuit: { tap: { name: d2, addresses: [192.168.12.2/24] } } }`;

const text = (mine: 1 | 2) => (adminSocket: string) => `
admin: { listen: "unix:${adminSocket}" }
${mine === 2 ? `listen: [{ udp: "10.77.0.2:1710" }]` : ""}
peers:
  other:
    ${quickTimers.replaceAll(", ", "\n    ")}${mine === 2 ? answering : ""}
tunnels:
${tunnel(1, mine, false, "dscp: 46\n    ttl: 9")}
${tunnel(2, mine, true, "dscp: inherit\n    ttl: 7")}
${tunnel(3, mine, false, "df: true")}
${tunnel(4, mine, false, "df: false")}
${tunnel(5, mine, false, `device: ${device}`)}
${tunnel(6, mine, false, mine === 1 ? "mark: 77" : "")}
${mine === 1 ? dialed : ""}
`;

interface Context {
  readonly pair: Pair;
  readonly near: Appliance;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "ping", "tcpdump", "nft"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const rule = "udp dport 1712 meta mark set 78";
    const chain = "type filter hook prerouting priority mangle";
    await pair.here.here("nft", `table inet m { chain c { ${chain}; ${rule}; }; }`);
    const near = stack.use(await startAppliance(pair.here, text(1)));
    stack.use(await startAppliance(pair.there, text(2)));
    return { pair, near };
  },
);

/** What tcpdump says of packets that left for a port while `work` was done: of five at least. */
async function sent({ here: place }: Pair, port: number, work: () => Promise<unknown>) {
  const capture = place.background(
    "tcpdump",
    ...["tcpdump", "-v", "-n", "-l", "-i", device, "-Q", "out", "udp", "dst", "port", `${port}`],
  );
  await using _ = capture;
  await until("tcpdump listens", async () => (await capture.log()).includes("listening on"));
  await work();
  let lines: string[] = [];
  await until("five packets were captured", async () => {
    lines = (await capture.log()).split("\n").slice(0, -1)
      .filter((line) => /tos |class |hlim/.test(line));
    return lines.length >= 5;
  });
  return lines;
}

test("a fixed DSCP and TTL are those of every outer header", async ({ pair }) => {
  const lines = await sent(pair, 1701, () => ping(pair.here, "192.168.1.2", "-Q", "0x28"));
  assert(lines.length >= 5);
  for (const line of lines) assert.match(line, /tos 0xb8, ttl 9/);
});

test("an inherited DSCP is the inner packet's, and nothing where there is none", async ({ pair }) => {
  const lines = await sent(pair, 1702, async () => {
    assert.equal((await ping(pair.here, "192.168.2.2", "-Q", "0x28")).received, 5);
  });
  const inherited = lines.filter((line) => /class 0x28/.test(line));
  assert(inherited.length >= 4, lines.join("\n")); // the neighbour's resolution may be one of the five
  for (const line of lines) assert.match(line, /hlim 7,/);
  // The neighbour's resolution is no IP.
  await pair.here.here("ip", "neigh", "flush", "dev", "t2");
  const others = await sent(pair, 1702, () => ping(pair.here, "192.168.2.2"));
  assert(others.every((line) => !/class/.test(line)));
});

test("DF is set, or never", async ({ pair }) => {
  const flags = async (id: number) => {
    const lines = await sent(pair, 1700 + id, () => ping(pair.here, `192.168.${id}.2`));
    return new Set(lines.map((line) => /flags \[(.*?)\]/.exec(line)?.[1]));
  };
  assert.deepEqual(await flags(3), new Set(["DF"]));
  assert.deepEqual(await flags(4), new Set(["none"]));
});

test("what exceeds the path with DF is dropped as too-long, and its MTU followed", async ({ pair, near }) => {
  await pair.here.here("ip", "route", "add", `${there}/32`, "dev", device, "mtu", "lock", "1200");
  try {
    await until("the path is followed", async () => {
      const { "path-mtu": mtu } = await near.get<{ "path-mtu": number }>("/v1/tunnels/t3");
      return mtu === 1200;
    });
    // The device has that MTU: only what looks at none is longer.
    await pair.here.here("ip", "link", "set", "t3", "mtu", "1500");
    const before = await near.datapath();
    await ping(pair.here, "192.168.3.2", "-s", "1400", "-M", "do", "-W", "1");
    await until("each is counted", async () => {
      const after = await near.datapath();
      return after.drops["too-long"]! - before.drops["too-long"]! >= 5 &&
        after.io["tx-oversize"]! - before.io["tx-oversize"]! >= 5;
    });
  } finally {
    await pair.here.here("ip", "route", "del", `${there}/32`);
  }
});

test("a tunnel bound to a device carries frames by it", async ({ pair }) => {
  assert.equal((await ping(pair.here, "192.168.5.2")).received, 5);
  assert.match(
    await pair.here.here("ss", "-Huan", "sport", "=", ":1705"),
    new RegExp(`%${device}`),
  );
});

test("a mark routes what leaves, and is asked of what comes", async ({ pair, near }) => {
  // What comes has no mark: nothing is believed.
  assert.equal((await ping(pair.here, "192.168.6.2", "-W", "1")).received, 0);
  await until("it is counted", async () => (await near.datapath()).drops["wrong-source"]! > 0);
  // A route for the mark alone loses what leaves with it.
  await pair.here.here("ip", "rule", "add", "fwmark", "77", "blackhole");
  try {
    const before = (await near.datapath()).drops["route-blackhole"]!;
    await ping(pair.here, "192.168.6.2", "-W", "1");
    await until(
      "what leaves is lost",
      async () => (await near.datapath()).drops["route-blackhole"]! > before,
    );
    assert.equal((await ping(pair.here, "192.168.1.2")).received, 5);
  } finally {
    await pair.here.here("ip", "rule", "del", "fwmark", "77", "blackhole");
  }
  const { grouping } = await near.get<{ grouping: { state: string } }>("/v1/tunnels/t6");
  assert.equal(grouping.state, "never");
  assert.equal(here, "10.77.0.1");
});

test("a dialed tunnel has DF set on its messages and its frames", async ({ pair, near }) => {
  await untilUp(near, "df", 1);
  const lines = await sent(pair, 1710, () => ping(pair.here, "192.168.11.2"));
  assert(lines.length >= 5);
  for (const line of lines) assert.match(line, /flags \[DF\]/);
});

test("a dialed tunnel has its mark on what leaves, and asks it of the answers", async ({ pair, near }) => {
  let before = await untilUp(near, "marked", 1);
  await until("frames pass", () => reaches(pair.here, "192.168.12.2"));
  const { mark, grouping } = await near.get<{ mark: number; grouping: { state: string } }>(
    "/v1/tunnels/marked",
  );
  assert.deepEqual([mark, grouping.state], [78, "never"]);
  await pair.here.here("ip", "rule", "add", "fwmark", "78", "blackhole");
  try {
    await untilDown(near, "marked", before);
    await untilUp(near, "df", 1);
  } finally {
    await pair.here.here("ip", "rule", "del", "fwmark", "78", "blackhole");
  }
  before = await untilNew(near, "marked", 1, before);
  await pair.here.here("nft", "flush table inet m"); // answers without the mark are nobody's
  await untilDown(near, "marked", before);
});
