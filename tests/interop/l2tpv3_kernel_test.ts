/**
 * Static L2TPv3 Ethernet pseudowires to the Linux kernel: {UDP, protocol 115} × {IPv4, IPv6} × {cookie of 0, 4, 8 bytes}
 * × {L2-Specific Sublayer default, none} × {sequence numbers none, both}. All stand at once between one appliance and
 * one guest. Sequence numbers live in the default sublayer (RFC 3931 §4.6.1): those of "none" have nowhere to be.
 */

import assert from "node:assert/strict";
import type { EncapType, L2SpecType } from "../../core/pseudowire.ts";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import {
  addKernelEnds,
  type KernelCounters,
  kernelCounters,
  kernelDevice,
} from "./support/kernel.ts";
import { bootLab, type Lab, wire } from "./support/lab.ts";
import { until } from "./support/process.ts";
import { config, derived, type Pseudowire } from "./support/pseudowire.ts";
import { say, suite } from "./support/suite.ts";
import {
  assertNoLoss,
  iperf,
  ping,
  pingFromGuest,
  type PingResult,
  startIperfServer,
} from "./support/traffic.ts";

/** One cell of the matrix that can carry frames. */
interface Cell extends Pseudowire {
  readonly title: string;
  readonly family: 4 | 6;
}

const cookies = {
  0: { cookie: "", peerCookie: "" },
  4: { cookie: "00112233", peerCookie: "8899aabb" },
  8: { cookie: "0011223344556677", peerCookie: "8899aabbccddeeff" },
} as const;

const matrix: readonly Cell[] = cells();

function cells(): Cell[] {
  const all: Cell[] = [];
  for (const encap of ["udp", "ip"] as const) {
    for (const family of [4, 6] as const) {
      for (const bytes of [0, 4, 8] as const) {
        for (
          const [l2spec, seq] of [["default", false], ["default", true], ["none", false]] as const
        ) {
          const title = `${encap === "udp" ? "UDP" : "IP 115"} over IPv${family}, ` +
            `cookie ${bytes}, l2spec ${l2spec}, seq ${seq ? "both" : "none"}`;
          all.push(cell(all.length + 1, title, encap, family, bytes, l2spec, seq));
        }
      }
    }
  }
  return all;
}

function cell(
  index: number,
  title: string,
  encap: EncapType,
  family: 4 | 6,
  cookieBytes: 0 | 4 | 8,
  l2spec: L2SpecType,
  seq: boolean,
): Cell {
  const key = family === 4 ? "ip4" : "ip6";
  // One listener of ours carries every tunnel; the kernel binds a socket for each and so needs a port for each.
  const here = { address: wire.here[key], port: encap === "udp" ? 1701 : 0 };
  const there = { address: wire.guest[key], port: encap === "udp" ? 1800 + index : 0 };
  return { index, title, encap, family, here, there, l2spec, seq, ...cookies[cookieBytes] };
}

/** Pseudowires whose cookie is wrong in one direction. */
const wrongAtUs: Pseudowire = {
  ...cell(201, "", "udp", 4, 8, "default", false),
  ours: { peerCookie: "8899aabbccddeefe" },
};
const wrongAtKernel: Pseudowire = {
  ...cell(202, "", "ip", 4, 4, "default", false),
  ours: { cookie: "00112232" },
};

const listeners = `{ udp: "${wire.here.ip4}:1701" }, { udp: "[${wire.here.ip6}]:1701" }, ` +
  `{ ip: "${wire.here.ip4}" }, { ip: "${wire.here.ip6}" }`;

interface Context {
  readonly lab: Lab;
  readonly appliance: Appliance;
}

const kernel = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "ping", "iperf3", "perl"],
  async (stack) => {
    const lab = stack.use(await bootLab());
    const all = [...matrix, wrongAtUs, wrongAtKernel];
    const appliance = stack.use(
      await startAppliance(lab, (socket) => config(all, listeners, socket)),
    );
    await addKernelEnds(lab, all);
    await startIperfServer(lab);
    return { lab, appliance };
  },
);

for (const cell of matrix) {
  const { tunnel, there4, here4, device } = derived(cell);
  kernel.test(`${cell.title}: ping loses nothing either way`, async ({ lab, appliance }) => {
    assertNoLoss(await ping(lab, there4), "from us");
    const [back] = await pingFromGuest(lab, [here4]);
    assertNoLoss(back!, `from the kernel by ${device}`);
    await assertCountersAgree(lab, appliance, cell);
    const { statistics } = await appliance.session(tunnel);
    for (const name of failureCounters) assert.equal(statistics[name], 0, name);
  });
}

for (const cell of matrix.filter(({ encap, family }) => encap === "udp" && family === 4)) {
  const { there4, tunnel } = derived(cell);
  kernel.test(`${cell.title}: iperf3 TCP runs both ways`, async ({ lab, appliance }) => {
    const to = await iperf(lab, "-c", there4, "-t", "1");
    const from = await iperf(lab, "-c", there4, "-t", "1", "-R");
    const mbps = ({ bitsPerSecond }: { bitsPerSecond: number }) => Math.round(bitsPerSecond / 1e6);
    say(`  ${tunnel}: ${mbps(to)} Mbit/s to the kernel, ${mbps(from)} Mbit/s from it`);
    assert(to.bitsPerSecond > 1e6 && from.bitsPerSecond > 1e6);
    await assertCountersAgree(lab, appliance, cell);
  });
}

kernel.test("a frame with a wrong cookie passes neither to us …", async ({ lab, appliance }) => {
  const { here4, there4, tunnel, peerSessionId } = derived(wrongAtUs);
  assertAllLost(await ping(lab, there4, "-W", "0.3"));
  assertAllLost((await pingFromGuest(lab, [here4], "-W", "0.3"))[0]!);
  const { statistics } = await appliance.session(tunnel);
  assert(statistics["rx-cookie-discards"]! > 0, "we count rx-cookie-discards");
  assert.equal(statistics["rx-packets"], 0);
  const theirs = (await kernelCounters(lab)).get(peerSessionId)!;
  assert.equal(theirs["rx-cookie-discards"], 0);
  assert(theirs["rx-packets"]! > 0, "our cookie is right");
  await assertArrived("the kernel's frames are all discarded", async () => {
    const sent = (await kernelCounters(lab)).get(peerSessionId)!["tx-packets"];
    const { statistics } = await appliance.session(tunnel);
    return [statistics["rx-cookie-discards"], sent];
  });
});

kernel.test("… nor to the kernel", async ({ lab, appliance }) => {
  const { here4, there4, tunnel, peerSessionId } = derived(wrongAtKernel);
  assertAllLost(await ping(lab, there4, "-W", "0.3"));
  assertAllLost((await pingFromGuest(lab, [here4], "-W", "0.3"))[0]!);
  const theirs = (await kernelCounters(lab)).get(peerSessionId)!;
  assert(theirs["rx-cookie-discards"]! > 0, "the kernel counts rx_cookie_discards");
  assert.equal(theirs["rx-packets"], 0);
  const { statistics } = await appliance.session(tunnel);
  assert.equal(statistics["rx-cookie-discards"], 0);
  assert(statistics["rx-packets"]! > 0, "the kernel's cookie is right");
});

/** What a pseudowire without trouble counts nothing of. */
const failureCounters = [
  "tx-errors",
  "rx-errors",
  "rx-seq-discards",
  "rx-oos-packets",
  "rx-cookie-discards",
  "rx-invalid",
] as const;

function assertAllLost({ sent, received }: PingResult): void {
  assert(sent > 0 && received === 0, `${received} of ${sent} passed`);
}

/** Asserts that both ends counted the same frames and bytes, once what is under way has arrived. */
async function assertCountersAgree(lab: Lab, appliance: Appliance, cell: Pseudowire) {
  const { tunnel, peerSessionId } = derived(cell);
  await assertArrived("both ends count the same", async () => {
    const theirs: KernelCounters = (await kernelCounters(lab)).get(peerSessionId)!;
    const device = await kernelDevice(lab, cell);
    const { statistics: ours } = await appliance.session(tunnel);
    return [
      [ours["tx-packets"], ours["tx-bytes"], ours["rx-packets"], ours["rx-bytes"]].join(" "),
      [theirs["rx-packets"], theirs["rx-bytes"], theirs["tx-packets"], device.tx.bytes].join(" "),
    ];
  });
}

/** Waits until two readings are equal. */
async function assertArrived<T>(what: string, read: () => Promise<readonly [T, T]>) {
  let last: readonly [T, T] | undefined;
  await until(what, async () => {
    last = await read();
    return last[0] === last[1];
  }).catch((error) => assert.fail(`${error.message}; last seen ${last?.join(" and ")}`));
}
