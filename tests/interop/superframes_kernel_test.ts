/**
 * Super-frames with a Linux kernel at the far end of the pseudowire: TCP and UDP both ways over UDP on IPv4 and IPv6 and
 * over protocol 115, plain and with a VLAN tag inside. That kernel counts wrong checksums, and tshark looks at every octet
 * of what crossed the wire. Tags need a VLAN device at our end too: there the appliance runs in a guest of its own.
 */

import assert from "node:assert/strict";
import type { EncapType } from "../../core/pseudowire.ts";
import { startAppliance } from "./support/appliance.ts";
import { guestMemory, startInGuest } from "./support/guest.ts";
import { addKernelEnds } from "./support/kernel.ts";
import { bootLab, type Lab } from "./support/lab.ts";
import { type Place, placeIn } from "./support/place.ts";
import { output } from "./support/process.ts";
import { config, derived, type Pseudowire } from "./support/pseudowire.ts";
import { assertSound } from "./support/sound.ts";
import { say, suite } from "./support/suite.ts";
import { iperf } from "./support/traffic.ts";

const us = { 4: "10.77.0.1", 6: "fd77::1" } as const;
const inGuest = { 4: "10.77.0.3", 6: "fd77::3" } as const;
const kernel = { 4: "10.77.0.2", 6: "fd77::2" } as const;

interface Cell extends Pseudowire {
  readonly title: string;
}

const ways = [["udp", 4], ["udp", 6], ["ip", 4], ["ip", 6]] as const;

/** One pseudowire of each kind; those from 11 on have their other end in the second guest. */
const cells = (first: number, ours: typeof us | typeof inGuest): Cell[] =>
  ways.map(([encap, family], i) => cell(first + i, encap, family, ours[family]));

function cell(index: number, encap: EncapType, family: 4 | 6, address: string): Cell {
  const port = encap === "udp" ? 1800 + index : 0;
  return {
    index,
    title: `${encap === "udp" ? "UDP" : "IP 115"} over IPv${family}`,
    encap,
    here: { address, port },
    there: { address: kernel[family], port },
    l2spec: "default",
    cookie: "00112233",
    peerCookie: "8899aabb",
    seq: false,
  };
}

const plain = cells(1, us);
const tagged = cells(11, inGuest);

interface Context {
  readonly lan: Place;
  /** The kernel at the far end. */
  readonly far: Lab;
  /** The guest with an appliance in it. */
  readonly near: Lab;
  readonly datapath: { readonly host: Datapath; readonly guest: Datapath };
}

type Datapath = () => Promise<{
  readonly io: Readonly<Record<string, number>>;
  readonly drops: Readonly<Record<string, number>>;
}>;

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "lab", "ip", "iperf3", "tshark", "tcpdump", "curl", "ethtool"],
  async (stack) => {
    const namespace = `isthmus-${Deno.pid}-lan`;
    await output(["ip", "netns", "add", namespace]);
    stack.defer(async () => void await output(["ip", "netns", "del", namespace]));
    const far = stack.use(await bootLab({ namespace }));
    const near = stack.use(await bootLab({ namespace, host: 3, memory: guestMemory }));
    // A capture of the wire shall see packets as they arrive; UML's driver leaves UDP's checksum to others all the same.
    for (const guest of [far, near]) await guest.guest("ethtool -K eth0 tx off tso off gso off");
    const lan = placeIn(namespace, far.folder);
    await lan.here("ethtool", "-K", "lan", "tx", "off");
    const listeners = ways.filter(([encap]) => encap === "ip");
    const listen = (ends: typeof us | typeof inGuest) =>
      listeners.map(([, family]) => `{ ip: "${ends[family]}" }`).join(", ");
    const host = stack.use(
      await startAppliance(lan, (socket) => config(plain, listen(us), socket)),
    );
    const text = config(tagged, listen(inGuest), "").replace(/^admin.*\n/m, "");
    const guest = await startInGuest(near, text);
    await addKernelEnds(far, [...plain, ...tagged]);
    for (const { index } of tagged) await addVlan(near, far, index);
    const datapath = { host: host.datapath, guest: () => guest.get("/v1/datapath") };
    return { lan, far, near, datapath: datapath as Context["datapath"] };
  },
);

/** VLAN 5 over the pseudowire `index`, with a device at both ends. */
async function addVlan(near: Lab, far: Lab, index: number): Promise<void> {
  const { tap, device } = derived({ index });
  for (const [guest, parent, host] of [[near, tap, 1], [far, device, 2]] as const) {
    await guest.guest(`set -e
      ip link add link ${parent} name v${index} type vlan id 5
      ip link set v${index} mtu 1400 # with its tag, no longer than the parent takes
      ip addr add 10.105.${index}.${host}/24 dev v${index}
      ip addr add fd05:${index}::${host}/64 dev v${index} nodad
      ip link set v${index} up`);
  }
}

for (const cell of plain) {
  test(`${cell.title}: TCP and UDP both ways with the kernel`, async (context) => {
    const { far, lan } = context;
    await assertRuns(context, cell, "host", [derived(cell).there4], {
      guest: far.guest,
      tryHere: lan.tryHere,
    });
  });
}

for (const cell of tagged) {
  test(`${cell.title}: the same with a VLAN tag inside`, async (context) => {
    const { far, near } = context;
    const tryHere: Lab["tryHere"] = (argv) => near.tryGuest(argv.join(" "));
    const addresses = [`10.105.${cell.index}.2`, `fd05:${cell.index}::2`];
    await assertRuns(context, cell, "guest", addresses, { guest: far.guest, tryHere });
  });
}

/** TCP and UDP both ways to each of `addresses`, with a capture of the wire. */
async function assertRuns(
  { far, lan, near, datapath }: Context,
  { encap, here, index }: Cell,
  side: "host" | "guest",
  addresses: readonly string[],
  ends: Pick<Lab, "guest" | "tryHere">,
): Promise<void> {
  const errors = async () => await wrongChecksums(far.guest) + await wrongChecksums(near.guest);
  const [wrong, before] = [await errors(), await datapath[side]()];
  const file = `${lan.folder}/wire${index}.pcap`;
  // Of the capture's 4,000 packets, TCP is the most; a burst of them is what a super-frame was.
  await using capture = lan.background(
    "tcpdump",
    ...["tcpdump", "-i", far.tap, "-w", file, "-U", "-c", "4000", "-B", "16384"],
    ...(encap === "udp" ? ["udp", "port", `${here.port}`] : ["proto", "115"]),
  );
  const said: string[] = [];
  for (const address of addresses) {
    for (const direction of [[], ["-R"]]) {
      const tcp = await iperf(ends, "-c", address, "-n", "16M", ...direction);
      assert(tcp.bitsPerSecond > 1e6, `TCP ${direction} to ${address}`);
      const udp = await iperf(ends, "-c", address, "-u", "-b", "10M", "-n", "500K", ...direction);
      assert(udp.packets > 0 && udp.lost <= udp.packets / 2, `UDP ${direction} to ${address}`);
      said.push(`${Math.round(tcp.bitsPerSecond / 1e6)} Mbit/s${direction}`);
    }
  }
  await capture[Symbol.asyncDispose]();
  const after = await datapath[side]();
  const taken = after.io["rx-super-frames"]! - before.io["rx-super-frames"]!;
  const made = after.io["tx-super-frames"]! - before.io["tx-super-frames"]!;
  say(`  TCP ${said.join(", ")}; ${taken} super-frames taken, ${made} made`);
  assert(taken > 10, "super-frames came from the device");
  assert.equal(await errors(), wrong, "checksums that a kernel found wrong");
  for (const reason of ["device-refused", "bad-offload", "malformed"]) {
    assert.equal(after.drops[reason] ?? 0, before.drops[reason] ?? 0, reason);
  }
  const layout = { encap, ports: [here.port], sublayer: true, cookieBytes: 4 } as const;
  await assertSound(file, { ...layout, unfinished: true });
}

/** Packets whose checksum a guest's kernel found wrong, of every protocol. */
async function wrongChecksums(guest: Lab["guest"]): Promise<number> {
  const names =
    "IpInHdrErrors TcpInCsumErrors UdpInCsumErrors Udp6InCsumErrors IcmpInCsumErrors IpExtInCsumErrors Ip6InCsumErrors";
  const text = await guest(`nstat -asz ${names}`);
  return [...text.matchAll(/In(?:Csum|Hdr)Errors +(\d+)/g)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );
}
