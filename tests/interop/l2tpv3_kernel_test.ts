/**
 * Static L2TPv3 Ethernet pseudowires to the Linux kernel: {UDP, protocol 115} × {IPv4, IPv6} × {cookie of 0, 4, 8 bytes}
 * × {L2-Specific Sublayer default, none} × {sequence numbers none, both}. All stand at once between one appliance and
 * one guest. Sequence numbers live in the default sublayer (RFC 3931 §4.6.1): those of "none" have nowhere to be.
 */

import assert from "node:assert/strict";
import type { EncapType, L2SpecType } from "../../core/pseudowire.ts";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { addKernelEnds, kernelCounters, kernelFigures } from "./support/kernel.ts";
import { bootLab, type Lab, wire, withoutIpv6 } from "./support/lab.ts";
import { socketOverruns, wireOverruns } from "./support/losses.ts";
import { until } from "./support/process.ts";
import { config, derived, type Pseudowire } from "./support/pseudowire.ts";
import { say, suite } from "./support/suite.ts";
import {
  assertNoLoss,
  iperf,
  type IperfResult,
  ping,
  pingFromGuest,
  type PingResult,
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
    await withoutIpv6(lab);
    const all = [...matrix, wrongAtUs, wrongAtKernel];
    const appliance = stack.use(
      await startAppliance(lab, (socket) => config(all, listeners, socket)),
    );
    await addKernelEnds(lab, all);
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
    const before = await losses(lab, appliance, cell);
    const to = await iperf(lab, "-c", there4, "-t", "1");
    const from = await iperf(lab, "-c", there4, "-t", "1", "-R");
    assert(to.bitsPerSecond > 1e6 && from.bitsPerSecond > 1e6);
    let after = before;
    await until("no frame is unaccounted for", async () => {
      after = await losses(lab, appliance, cell);
      return unaccounted(after, before).every((frames) => frames === 0);
    }).catch(() => assert.fail(`lost, or seen lost: ${JSON.stringify([before, after])}`));
    const seen = Object.values(after.seen).map((frames, i) =>
      frames - Object.values(before.seen)[i]!
    );
    const mbps = ({ bitsPerSecond }: IperfResult) => Math.round(bitsPerSecond / 1e6);
    say(
      `  ${tunnel}: ${mbps(to)} Mbit/s to the kernel, ${mbps(from)} Mbit/s from it` +
        (seen.some((frames) => frames > 0) ? `; lost to full queues: ${seen.join(", ")}` : ""),
    );
  });
}

/** Frames that one end sent and the other did not deliver, and those that were seen lost, by direction. */
interface Losses {
  readonly lost: { readonly to: number; readonly from: number };
  readonly seen: { readonly to: number; readonly from: number };
}

/**
 * TCP fills queues until they overflow: the wire's, and the socket's. Each such loss is counted where it happens, and
 * with sequence numbers the kernel drops a few frames behind each gap.
 */
async function losses(lab: Lab, appliance: Appliance, cell: Pseudowire): Promise<Losses> {
  const { tunnel, peerSessionId } = derived(cell);
  const { statistics: ours } = await appliance.session(tunnel);
  const theirs = (await kernelCounters(lab)).get(peerSessionId)!;
  return {
    lost: {
      to: ours["tx-packets"]! - theirs["rx-packets"]!,
      from: theirs["tx-packets"]! - ours["rx-packets"]!,
    },
    seen: {
      to: await wireOverruns(lab, "guest") + theirs["rx-seq-discards"]!,
      from: await wireOverruns(lab, "here") + await socketOverruns(lab, "here"),
    },
  };
}

function unaccounted(after: Losses, before: Losses): number[] {
  return (["to", "from"] as const).map((direction) =>
    after.lost[direction] - before.lost[direction] -
    (after.seen[direction] - before.seen[direction])
  );
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

kernel.test("sequence numbers without a sublayer: the kernel hears nothing", async ({ lab }) => {
  // Two of its own sessions, so that it is its own peer over loopback.
  const ends = [[301, 302, 1861, 1862], [302, 301, 1862, 1861]] as const;
  for (const [id, peer, sport, dport] of ends) {
    await lab.guest(`set -e
      ip l2tp add tunnel tunnel_id ${id} peer_tunnel_id ${peer} encap udp local 127.0.0.1 \
        remote 127.0.0.1 udp_sport ${sport} udp_dport ${dport}
      ip l2tp add session name self${id} tunnel_id ${id} session_id ${id} peer_session_id ${peer} \
        l2spec_type none seq both
      ip link set self${id} up`);
  }
  await lab.guest("ip addr add 10.102.0.1/24 dev self301; ping -c 2 -i 0.1 -W 0.1 10.102.0.2 || :");
  const theirs = (await kernelCounters(lab)).get(302)!;
  assert.equal(theirs["rx-packets"], 0);
  assert(theirs["rx-seq-discards"]! > 0, "for want of numbers");
});

kernel.test("… and isthmus refuses them, saying why", async ({ lab, appliance }) => {
  const impossible = matrix.filter(({ l2spec }) => l2spec === "none")
    .map((cell) => ({ ...cell, seq: true }));
  const file = `${lab.folder}/impossible.yaml`;
  await Deno.writeTextFile(file, config(impossible, listeners, "/nowhere"));
  const { code, stdout, stderr } = await appliance.cli("check", file);
  assert.equal(code, 2);
  const complaints = (stdout + stderr).match(/sequence numbers need l2spec-type default/g) ?? [];
  assert(complaints.length >= impossible.length, stdout + stderr);
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
  const { tunnel } = derived(cell);
  await assertArrived("both ends count the same", async () => {
    const { tx, rx } = await kernelFigures(lab, cell);
    const { statistics } = await appliance.session(tunnel);
    return [
      ["tx-packets", "tx-bytes", "rx-packets", "rx-bytes"].map((name) => statistics[name]).join(
        " ",
      ),
      [rx.packets, rx.bytes, tx.packets, tx.bytes].join(" "),
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
