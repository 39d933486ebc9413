/** Large and tagged frames: an MTU of 1500 end to end, 802.1Q on top, jumbo frames, and what the MTU is when nobody says. */

import assert from "node:assert/strict";
import type { EncapType, L2SpecType } from "../../core/pseudowire.ts";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { captureHere } from "./support/capture.ts";
import { addKernelEnds } from "./support/kernel.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { config, derived, type Pseudowire } from "./support/pseudowire.ts";
import { suite } from "./support/suite.ts";
import { assertNoLoss, iperf, ping, pingFromGuest, startIperfServer } from "./support/traffic.ts";
import { addUnderlay } from "./support/underlay.ts";

/** IPv4 and ICMP headers: what a ping of `-s N` adds. */
const echoHeaders = 28;
const ethernet = 14;
const vlanTag = 4;

/** The MTUs of the underlays; a 1500-byte frame with 802.1Q tag and the largest of all headers needs 1586. */
const room = 1600;
const jumboRoom = 9300;

interface Wide extends Pseudowire {
  readonly title: string;
  /** Bytes of headers around an Ethernet frame. */
  readonly overhead: number;
}

function wide(
  index: number,
  encap: EncapType,
  family: 4 | 6,
  l2spec: L2SpecType,
  cookie: string,
  underlay: number,
  mtu?: number,
): Wide {
  const address = (end: 1 | 2) =>
    family === 4 ? `10.78.${underlay}.${end}` : `fd78:${underlay}::${end}`;
  return {
    title: `${encap === "udp" ? "UDP" : "IP 115"} over IPv${family}`,
    index,
    encap,
    here: { address: address(1), port: encap === "udp" ? 1701 : 0 },
    there: { address: address(2), port: encap === "udp" ? 1800 + index : 0 },
    l2spec,
    cookie,
    peerCookie: cookie,
    seq: false,
    // RFC 3931 §4.1.2.1: UDP, flags and version, session id; §4.1.1.1: session id alone.
    overhead: (family === 4 ? 20 : 40) + (encap === "udp" ? 8 + 8 : 4) + cookie.length / 2 +
      (l2spec === "default" ? 4 : 0),
    ...(mtu !== undefined && { mtu }),
  };
}

const full = [
  wide(1, "udp", 4, "default", "0011223344556677", 1, 1500),
  wide(2, "udp", 6, "default", "0011223344556677", 1, 1500),
  wide(3, "ip", 4, "none", "", 1, 1500),
  wide(4, "ip", 6, "default", "00112233", 1, 1500),
];
const jumbo = [
  wide(11, "udp", 4, "default", "", 2, 9000),
  wide(12, "ip", 6, "none", "00112233", 2, 9000),
];
/** Nobody says an MTU: it is worked out from the path. */
const computed = [
  wide(21, "udp", 4, "default", "0011223344556677", 1),
  wide(22, "udp", 6, "none", "", 1),
  wide(23, "ip", 4, "default", "00112233", 2),
  wide(24, "ip", 6, "none", "", 2),
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
    const [first, second] = [await addUnderlay(lab, 1, room), await addUnderlay(lab, 2, jumboRoom)];
    const listeners = [first, second].flatMap(({ here: { ip4, ip6 } }) => [
      `{ udp: "${ip4}:1701" }, { udp: "[${ip6}]:1701" }, { ip: "${ip4}" }, { ip: "${ip6}" }`,
    ]).join(", ");
    const all = [...full, ...jumbo, ...computed];
    const appliance = stack.use(
      await startAppliance(lab, (socket) => config(all, listeners, socket)),
    );
    await addKernelEnds(lab, all);
    await startIperfServer(lab);
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
  const capture = await captureHere(lab, `wide1`, "ip[6:2] & 0x3fff != 0");
  const { bitsPerSecond } = await iperf(lab, "-c", derived(one!).there4, "-t", "1");
  assert(bitsPerSecond > 1e6);
  assert.equal((await capture.stop()).length, 0, "no fragments on the underlay");
});

for (const [i, one] of full.entries()) {
  mtu.test(`${one.title}: 802.1Q frames with 1500 bytes inside`, async ({ lab }) => {
    const { tap, device } = derived(one);
    const [tag, here, there] = [100 + i, `10.101.${i}.1`, `10.101.${i}.2`];
    const lines = (link: string, address: string) =>
      `ip link add link ${link} name v${tag} type vlan id ${tag} && ip link set v${tag} up && ` +
      `ip addr add ${address}/24 dev v${tag}`;
    await lab.here("sh", "-c", lines(tap, here));
    await lab.guest(lines(device, there));
    const capture = await captureHere(lab, tap, "icmp or vlan");
    const size = ["-M", "do", "-s", `${1500 - echoHeaders}`];
    assertNoLoss(await ping(lab, there, ...size), "from us");
    assertNoLoss((await pingFromGuest(lab, [here], ...size))[0]!, "from the kernel");
    const tagged = (await capture.stop()).filter((frame) =>
      frame[12] === 0x81 && frame[13] === 0 && (frame[14]! << 8 | frame[15]!) === tag &&
      frame.length === ethernet + vlanTag + 1500
    );
    assert(tagged.length >= 20, `${tagged.length} tagged frames of 1518 bytes`);
  });
}

for (const one of computed) {
  const underlay = one.here.address.startsWith("10.78.1.") || one.here.address === "fd78:1::1"
    ? room
    : jumboRoom;
  const expected = underlay - one.overhead - ethernet;
  mtu.test(
    `${one.title}: on a path of ${underlay}, the MTU is ${expected}`,
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

mtu.test("the lab's own wire allows less, and says so", async ({ lab }) => {
  const { sent, received } = await ping(lab, wire.guest.ip4, "-M", "do", "-s", "1473");
  assert(sent > 0 && received === 0);
});

/** Asserts that packets of `mtu` bytes cross unfragmented, both ways. */
async function assertCarries(lab: Lab, one: Pseudowire, mtu: number): Promise<void> {
  const { here4, there4 } = derived(one);
  const size = ["-M", "do", "-s", `${mtu - echoHeaders}`];
  assertNoLoss(await ping(lab, there4, ...size), "from us");
  assertNoLoss((await pingFromGuest(lab, [here4], ...size))[0]!, "from the kernel");
}
