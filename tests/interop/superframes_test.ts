/**
 * Super-frames between two appliances: what a TAP hands over by 64 KiB crosses the wire frame by frame, and is joined
 * again for the other TAP. Over UDP on IPv4 and IPv6, over protocol 115, numbered too. The kernel's TCP and UDP at both ends
 * count wrong checksums, and tshark looks at every octet of what crossed.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { makePair, type Pair, type Place } from "./support/place.ts";
import { until } from "./support/process.ts";
import { assertSound } from "./support/sound.ts";
import { say, suite } from "./support/suite.ts";
import { type Cell, config, inner } from "./support/two_ends.ts";
import { iperfBetween } from "./support/traffic.ts";

const cells: readonly Cell[] = [
  { index: 1, title: "UDP over IPv4", encap: "udp", family: 4, seq: false },
  { index: 2, title: "UDP over IPv6", encap: "udp", family: 6, seq: false },
  { index: 3, title: "IP 115 over IPv4", encap: "ip", family: 4, seq: false },
  { index: 4, title: "UDP over IPv4, numbered", encap: "udp", family: 4, seq: true },
];

interface Context {
  readonly pair: Pair;
  readonly ends: readonly [Appliance, Appliance];
}

const both = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ethtool", "iperf3", "tshark", "tcpdump", "python3"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const ends = [
      stack.use(await startAppliance(pair.here, (socket) => config(cells, 1, socket))),
      stack.use(await startAppliance(pair.there, (socket) => config(cells, 2, socket))),
    ] as const;
    return { pair, ends };
  },
);

for (const cell of cells) {
  both.test(`${cell.title}: TCP and UDP by super-frames`, async ({ pair, ends }) => {
    const before = await figures(pair, ends);
    const file = `${pair.here.folder}/wire${cell.index}.pcap`;
    await using capture = pair.here.background(
      ...["tcpdump", "tcpdump", "-i", "wire", "-w", file, "-U", "-c", "3000"] as const,
    );
    const rates: number[] = [];
    for (const prefixed of inner(cell.index, 2)) {
      const address = prefixed.split("/")[0]!;
      const tcp = await iperfBetween(pair.here, pair.there, "-c", address, "-t", "1");
      assert(tcp.bitsPerSecond > 1e6, `TCP to ${address}`);
      rates.push(Math.round(tcp.bitsPerSecond / 1e6));
      const load = ["-c", address, "-u", "-b", "20M", "-t", "1"];
      const udp = await iperfBetween(pair.here, pair.there, ...load);
      // A busy machine may let the device's queue overflow.
      assert(udp.packets > 0 && udp.lost <= udp.packets / 2, `UDP to ${address}: ${udp.lost}`);
    }
    await capture[Symbol.asyncDispose]();
    const after = await figures(pair, ends);
    const moved = Object.fromEntries(
      Object.entries(after).map(([name, count]) => [name, count - before[name]!]),
    );
    say(`  ${cell.title}: TCP ${rates.join(" and ")} Mbit/s; ${JSON.stringify(moved)}`);
    assert.deepEqual([moved["wrong"], moved["refused"], moved["bad"]], [0, 0, 0]);
    assert(moved["taken"]! > 10, "super-frames came from the device");
    assert(moved["made"]! > 10, "super-frames were made for the device");
    const { encap, seq: sublayer } = cell;
    await assertSound(file, { encap, ports: [1700 + cell.index], sublayer, cookieBytes: 4 });
  });
}

both.test("what one send hands over to be cut (UDP_SEGMENT) arrives datagram by datagram", async ({ pair, ends }) => {
  const before = await figures(pair, ends);
  for (const prefixed of inner(1, 2)) {
    const address = prefixed.split("/")[0]!;
    await using receiver = pair.there.background("at", "python3", "-c", receiveDatagrams, address);
    await until("the receiver listens", async () => (await receiver.log()).includes("ready"));
    // The first ones may wait for the neighbour's address in vain.
    await until("all came", async () => {
      await pair.here.here("python3", "-c", sendAtOnce, address);
      return receiver.exitCode() !== undefined;
    });
    assert.match(await receiver.log(), /^30 whole$/m);
  }
  const after = await figures(pair, ends);
  assert.equal(after["wrong"], before["wrong"]);
  assert(after["taken"]! > before["taken"]!, "they came from the device as one");
});

both.test("a burst of small datagrams waits for an appliance that stands still", async ({ pair, ends }) => {
  const address = inner(1, 2)[0].split("/")[0]!;
  await pair.here.here("ping", "-q", "-c", "3", "-i", "0.1", address); // its neighbour is known
  const before = (await ends[0].datapath()).drops["device-queue-full"]!;
  await using receiver = pair.there.background("receive", "python3", "-c", countDatagrams, address);
  await until("the receiver listens", async () => (await receiver.log()).includes("ready"));
  ends[0].process.kill("SIGSTOP");
  try {
    await pair.here.here("python3", "-c", sendBurst, address, "200");
  } finally {
    ends[0].process.kill("SIGCONT");
  }
  await receiver.ended;
  assert.match(await receiver.log(), /^200 came$/m);
  assert.equal((await ends[0].datapath()).drops["device-queue-full"], before);
});

/** Counts datagrams, 200 and whatever comes within a second behind them. */
const countDatagrams = `import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 4322))
print("ready", flush=True)
s.settimeout(30)
count = 0
try:
    while True:
        s.recv(65535)
        count += 1
        if count == 200: s.settimeout(1)
except TimeoutError:
    print(count, "came")
`;

const sendBurst = `import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(int(sys.argv[2])):
    s.sendto(bytes(100), (sys.argv[1], 4322))
`;

/** Waits for 30 datagrams of 1,000 octets, each of its own content. */
const receiveDatagrams = `import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 4321))
print("ready", flush=True)
s.settimeout(30)
seen = set()
while len(seen) < 30:
    data = s.recv(65535)
    if data != bytes([data[0]]) * 1000:
        sys.exit("damaged: %d octets" % len(data))
    seen.add(data[0])
print(len(seen), "whole")
`;

/** Hands 30 datagrams over in one send. */
const sendAtOnce = `import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, 1000)
s.sendto(b"".join(bytes([i]) * 1000 for i in range(1, 31)), (sys.argv[1], 4321))
`;

/** What both kernels and both datapaths counted. */
async function figures(
  pair: Pair,
  ends: readonly [Appliance, Appliance],
): Promise<Record<string, number>> {
  const [near, far] = [await ends[0].datapath(), await ends[1].datapath()];
  return {
    wrong: await wrongChecksums(pair.here) + await wrongChecksums(pair.there),
    taken: near.io["rx-super-frames"]!,
    made: far.io["tx-super-frames"]!,
    refused: near.drops["device-refused"]! + far.drops["device-refused"]!,
    bad: near.drops["bad-offload"]! + far.drops["bad-offload"]!,
  };
}

async function wrongChecksums(place: Place): Promise<number> {
  const text = await place.here(
    ...["nstat", "-asz", "TcpInCsumErrors", "UdpInCsumErrors", "Udp6InCsumErrors"] as const,
  );
  return [...text.matchAll(/InCsumErrors +(\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
}
