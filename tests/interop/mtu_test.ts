/** Large and tagged frames: an MTU of 1500 end to end, 802.1Q on top, jumbo frames, and what the MTU is when nobody says. */

import assert from "node:assert/strict";
import type { EncapType, L2SpecType } from "../../core/pseudowire.ts";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { captureHere } from "./support/capture.ts";
import { addKernelEnds } from "./support/kernel.ts";
import { bootLab, type Lab } from "./support/lab.ts";
import { config, derived, headerBytes, type Pseudowire } from "./support/pseudowire.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, iperf, ping, pingFromGuest } from "./support/traffic.ts";
import { addUnderlay, type Underlay, underlay } from "./support/underlay.ts";

/** IPv4 and ICMP headers: what a ping of `-s N` adds. */
const echoHeaders = 28;
const ethernet = 14;
const vlanTag = 4;

/** A packet of 1500 bytes with 802.1Q tag and the longest of all headers needs 1586. */
const room = underlay(1, 1600);
const jumboRoom = underlay(2, 9300);

interface Wide extends Pseudowire {
  readonly title: string;
  /** The MTU of the path. */
  readonly path: number;
}

function wide(
  index: number,
  encap: EncapType,
  family: 4 | 6,
  l2spec: L2SpecType,
  cookie: string,
  { mtu: path, here, guest }: Underlay,
  mtu?: number,
): Wide {
  const key = family === 4 ? "ip4" : "ip6";
  return {
    title: `${encap === "udp" ? "UDP" : "IP 115"} over IPv${family}`,
    path,
    index,
    encap,
    here: { address: here[key], port: encap === "udp" ? 1701 : 0 },
    there: { address: guest[key], port: encap === "udp" ? 1800 + index : 0 },
    l2spec,
    cookie,
    peerCookie: cookie,
    seq: false,
    ...(mtu !== undefined && { mtu }),
  };
}

const full = [
  wide(1, "udp", 4, "default", "0011223344556677", room, 1500),
  wide(2, "udp", 6, "default", "0011223344556677", room, 1500),
  wide(3, "ip", 4, "none", "", room, 1500),
  wide(4, "ip", 6, "default", "00112233", room, 1500),
];
const jumbo = [
  wide(11, "udp", 4, "default", "", jumboRoom, 9000),
  wide(12, "ip", 6, "none", "00112233", jumboRoom, 9000),
];
/** Nobody says an MTU: it is worked out from the path. */
const computed = [
  wide(21, "udp", 4, "default", "0011223344556677", room),
  wide(22, "udp", 6, "none", "", room),
  wide(23, "ip", 4, "default", "00112233", jumboRoom),
  wide(24, "ip", 6, "none", "", jumboRoom),
];

interface Context {
  readonly lab: Lab;
  readonly appliance: Appliance;
}

const mtu = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "iperf3", "tcpdump"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    for (const one of [room, jumboRoom]) await addUnderlay(lab, one);
    const listeners = [room, jumboRoom].flatMap(({ here: { ip4, ip6 } }) => [
      `{ udp: "${ip4}:1701" }, { udp: "[${ip6}]:1701" }, { ip: "${ip4}" }, { ip: "${ip6}" }`,
    ]).join(", ");
    const all = [...full, ...jumbo, ...computed];
    const appliance = stack.use(
      await startAppliance(lab, (socket) => config(all, listeners, socket)),
    );
    await addKernelEnds(lab, all);
    return { lab, appliance };
  },
);

for (const one of full) {
  mtu.test(`${one.title}: MTU 1500 end to end`, ({ lab }) => assertCarries(lab, one, 1500));
}

for (const one of jumbo) {
  mtu.test(`${one.title}: jumbo frames, MTU 9000`, ({ lab }) => assertCarries(lab, one, 9000));
}

mtu.test("a TCP run over MTU 1500 leaves whole packets", async ({ lab }) => {
  const [one] = full;
  const capture = await captureHere(lab, lab.tap, "ip[6:2] & 0x3fff != 0");
  const { bitsPerSecond } = await iperf(lab, "-c", derived(one!).there4, "-t", "1");
  assert(bitsPerSecond > 1e6);
  assert.equal((await capture.stop()).length, 0, "no fragments on the underlay");
});

for (const [i, [one, other]] of [[full[0]!, full[1]!], [full[2]!, full[3]!]].entries()) {
  mtu.test(
    `${one!.title} and ${other!.title}: 802.1Q frames with 1500 bytes inside`,
    async ({ lab }) => {
      const tag = 100 + i;
      const [near, far] = [`10.101.${i}.1`, `10.101.${i}.2`];
      await bridge(lab, `br${i}`, [derived(one!).tap, derived(other!).tap]);
      await lab.guest(`set -e
        ip link add link ${derived(one!).device} name near${i} type vlan id ${tag}
        ip link add link ${derived(other!).device} name far${i} type vlan id ${tag}
        ip netns add far${i}; ip link set far${i} netns far${i}
        ip link set near${i} up; ip -n far${i} link set far${i} up
        ip addr add ${near}/24 dev near${i}; ip -n far${i} addr add ${far}/24 dev far${i}`);
      const captures = [
        await captureHere(lab, derived(one!).tap),
        await captureHere(lab, derived(other!).tap),
      ];
      const size = ["-M", "do", "-s", `${1500 - echoHeaders}`];
      assertNoLoss((await pingFromGuest(lab, [far], ...size))[0]!, "through both");
      for (const capture of captures) {
        const tagged = (await capture.stop()).filter((frame) =>
          frame[12] === 0x81 && frame[13] === 0 && (frame[14]! << 8 | frame[15]!) === tag &&
          frame.length === ethernet + vlanTag + 1500
        );
        assert.equal(tagged.length, 10, "five there, five back");
      }
    },
  );
}

for (const one of computed) {
  const outer = (one.here.address.includes(":") ? 40 : 20) + (one.encap === "udp" ? 8 : 0);
  const expected = one.path - outer - headerBytes(one) - ethernet;
  mtu.test(
    `${one.title}: on a path of ${one.path}, the MTU is ${expected}`,
    async ({ lab, appliance }) => {
      const { tunnel, tap, device } = derived(one);
      assert.equal((await appliance.session(tunnel)).mtu, expected);
      const [link] = JSON.parse(await lab.here("ip", "-j", "link", "show", tap));
      assert.equal(link.mtu, expected);
      await lab.guest(`ip link set ${device} mtu ${expected}`);
      await assertCarries(lab, one, expected);
    },
  );
}

/** Asserts that packets of `mtu` bytes cross unfragmented, both ways. */
async function assertCarries(lab: Lab, one: Pseudowire, mtu: number): Promise<void> {
  const { here4, there4 } = derived(one);
  // One after the other: UML's long packets fill a ping's receive buffer when they come in a row.
  const size = ["-M", "do", "-s", `${mtu - echoHeaders}`, "-l", "1", "-i", "0.3"];
  assertNoLoss(await ping(lab, there4, ...size), "from us");
  assertNoLoss((await pingFromGuest(lab, [here4], ...size))[0]!, "from the kernel");
}

/** Joins TAPs of ours, so that the kernel can be both ends of what crosses two pseudowires. */
async function bridge(lab: Lab, name: string, taps: readonly string[]): Promise<void> {
  const join = taps.map((tap) => `ip link set ${tap} master ${name}`).join(" && ");
  await lab.here(
    "sh",
    "-c",
    `ip link add ${name} type bridge && ip link set ${name} up && ${join}`,
  );
}
