/**
 * Two appliances, with a wire between their namespaces: L2TPv3 with digests over UDP and IP 115, IPv4 and IPv6, all at
 * once, and the Ethernet pseudowires that come of it. tshark computes every digest anew.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { captureHere } from "./support/capture.ts";
import { assertClean, controlMessages } from "./support/control_capture.ts";
import {
  assertSame,
  isthmus,
  quickTimers,
  untilDown,
  untilGreeted,
  untilNew,
  untilUp,
} from "./support/managed.ts";
import { device, makePair, type Pair } from "./support/place.ts";
import { until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";
import { assertNoLoss, iperfBetween, ping } from "./support/traffic.ts";

/** The one that tshark is told, too. */
const secret = "interop";

interface Way {
  /** The name of its tunnel, and of its call. */
  readonly name: string;
  readonly title: string;
  readonly encap: "udp" | "ip";
  readonly family: 4 | 6;
  readonly cookieSize: 0 | 4 | 8;
  readonly seq: "none" | "both";
}

/** Cookies and sequence numbers differ from way to way. */
const ways: readonly Way[] = [
  { name: "udp4", encap: "udp", family: 4, cookieSize: 8, seq: "both" },
  { name: "udp6", encap: "udp", family: 6, cookieSize: 4, seq: "none" },
  { name: "ip4", encap: "ip", family: 4, cookieSize: 0, seq: "both" },
  { name: "ip6", encap: "ip", family: 6, cookieSize: 8, seq: "none" },
].map((way) => ({
  ...way as Omit<Way, "title">,
  title: `${way.encap === "udp" ? "UDP" : "IP 115"} over IPv${way.family}`,
}));

const sides = ["10.77.0.1", "10.77.0.2"].map((ip4, i) => ({ 4: ip4, 6: `fd77::${i + 1}` }));
const [dialer, answerer] = sides as [typeof sides[0], typeof sides[0]];

/** The address in a pseudowire's subnet: of the dialing side 1, of the answering side 2. */
const inside = ({ name }: Way, side: 1 | 2) =>
  `192.168.${10 + ways.findIndex((way) => way.name === name)}.${side}`;

const head = (side: typeof dialer, adminSocket: string) => `
listen: [{ udp: "${side[4]}:1701" }, { udp: "[${side[6]}]:1701" }, { ip: "${side[4]}" }, { ip: "${
  side[6]
}" }]
admin: { listen: "unix:${adminSocket}" }
peers:`;

/** Over IPv4 messages are signed with HMAC-MD5, over IPv6 with HMAC-SHA1 and with hidden AVPs. */
const policy = (family: 4 | 6) =>
  `${quickTimers}, secret: ${secret}` +
  (family === 4 ? ", digest: md5" : ", digest: sha1, hide-avps: true");

const dialing = (adminSocket: string) =>
  `${head(dialer, adminSocket)}
  hq4: { ${policy(4)} }
  hq6: { ${policy(6)} }
tunnels:
${
    ways.map(({ name, encap, family, cookieSize, seq }, i) => `
  ${name}:
    peer: hq${family}
    encap: ${encap}
    local: "${encap === "udp" ? ephemeral(dialer[family]) : dialer[family]}"
    remote: "${answerer[family]}"
    sessions:
      ${name}: { cookie-size: ${cookieSize}, seq: ${seq}, circuit: ${tap(i, 1)} }`).join("")
  }
`;

const answering = (adminSocket: string) =>
  `${head(answerer, adminSocket)}
${
    ([4, 6] as const).map((family) => `
  office${family}:
    address: "${dialer[family]}"
    ${policy(family).replaceAll(", ", "\n    ")}
    accept:
${
      ways.map((way, i) => ({ ...way, i })).filter((way) => way.family === family).map((
        { name, cookieSize, seq, i },
      ) =>
        `      - { name: ${name}, cookie-size: ${cookieSize}, seq: ${seq}, circuit: ${tap(i, 2)} }`
      )
        .join("\n")
    }`).join("")
  }
`;

/** Any port: tshark takes all connections between the same two ports for one, and what it checks digests with is the first one's. */
function ephemeral(address: string): string {
  return address.includes(":") ? `[${address}]:0` : `${address}:0`;
}

function tap(i: number, side: 1 | 2): string {
  return `{ tap: { name: pw${i}, addresses: ["${inside(ways[i]!, side)}/24"] } }`;
}

interface Context {
  readonly pair: Pair;
  readonly dialing: Appliance;
  readonly answering: Appliance;
  readonly capture: string;
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ss", "ethtool", "ping", "iperf3", "tcpdump", "tshark"],
  async (stack) => {
    const pair = stack.use(await makePair());
    // Control messages only: over UDP those with the T bit, over IP those of session 0.
    const capture = await captureHere(
      pair.here,
      device,
      "(udp port 1701 and ((ip and udp[8] & 0x80 != 0) or (ip6 and ip6[48] & 0x80 != 0))) or (ip proto 115 and ip[20:4] = 0) or (ip6 proto 115 and ip6[40:4] = 0)",
    );
    stack.defer(async () => void await capture.stop());
    const answerer = stack.use(await startAppliance(pair.there, answering));
    const dialer = stack.use(await startAppliance(pair.here, dialing));
    return { pair, dialing: dialer, answering: answerer, capture: capture.file };
  },
);

for (const way of ways) {
  test(`${way.title}: a managed session carries ping and iperf3 from TAP to TAP`, async (context) => {
    const { pair, dialing } = context;
    await untilUp(dialing, way.name, 1);
    assertNoLoss(await ping(pair.here, inside(way, 2)), "to the answerer");
    assertNoLoss(await ping(pair.there, inside(way, 1)), "to the dialer");
    for (const [direction, extra] of [["to", []], ["from", ["-R"]]] as const) {
      const options = ["-c", inside(way, 2), "-t", "1", ...extra];
      const { bitsPerSecond } = await iperfBetween(pair.here, pair.there, ...options);
      say(`  ${way.title}, ${direction} the answerer: ${Math.round(bitsPerSecond / 1e6)} Mbit/s`);
      assert(bitsPerSecond > 10e6);
    }
    const { statistics } = await dialing.session(way.name, way.name);
    assert.equal(statistics["rx-cookie-discards"], 0);
    assert(statistics["rx-packets"]! > 1000);
  });
}

test("HELLOs keep all of them up", async ({ dialing }) => {
  const before = await Promise.all(ways.map(({ name }) => untilUp(dialing, name, 1)));
  await Promise.all(ways.map(({ name }, i) => untilGreeted(dialing, name, before[i]!)));
  const after = await Promise.all(ways.map(({ name }) => untilUp(dialing, name, 1)));
  for (const [i, tunnel] of after.entries()) assertSame(tunnel, before[i]!);
});

test("a CDN and a StopCCN of either side are heeded", async ({ answering, dialing }) => {
  const [first, second] = ways;
  const peers = async () => {
    const { tunnels } = await answering.get<{ tunnels: { name: string; "tunnel-id": number }[] }>(
      "/v1/tunnels",
    );
    const { "peer-tunnel-id": id } = await untilUp(dialing, first!.name, 1);
    return tunnels.find((tunnel) => tunnel["tunnel-id"] === id)!.name;
  };
  await isthmus(answering, "del", "session", "tunnel", await peers(), "name", first!.name);
  await until("the dialer heard of it, and called again", async () => {
    const log = await dialing.process.log();
    return /call closed path=(tunnels\/udp4\S*) .*ended by the peer[^]*call established path=\1 /
      .test(log);
  });
  const before = await untilUp(dialing, first!.name, 1);
  await isthmus(answering, "del", "tunnel", await peers(), "result", "6");
  assert.match(await untilDown(dialing, first!.name, before), /ended by the peer: result 6/);
  await untilNew(dialing, first!.name, 1, before);
  const other = await untilUp(dialing, second!.name, 1);
  await isthmus(dialing, "del", "tunnel", second!.name);
  await untilDown(dialing, second!.name, other);
  await isthmus(dialing, "reload");
  await untilUp(dialing, second!.name, 1);
});

test("tshark finds every digest correct, no malformed packet and nothing to warn of", async ({ capture }) => {
  const messages = await controlMessages(capture, { secret });
  assertClean(messages);
  for (const { type, signed } of messages) assert(signed, `${type} without a digest`);
  const seen = new Set(messages.map(({ type }) => type));
  for (
    const type of [
      "SCCRQ",
      "SCCRP",
      "SCCCN",
      "ICRQ",
      "ICRP",
      "ICCN",
      "HELLO",
      "ACK",
      "CDN",
      "StopCCN",
    ]
  ) {
    assert(seen.has(type), `no ${type} among ${[...seen].join(", ")}`);
  }
  for (const from of [...Object.values(dialer), ...Object.values(answerer)]) {
    assert(messages.some((message) => message.from === from), `nothing from ${from}`);
  }
  const doubted = await controlMessages(capture, { secret: "another" });
  assert(doubted.every(({ expert }) => /digest/i.test(expert)), "tshark takes any secret");
});
