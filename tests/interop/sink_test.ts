/**
 * Correctness at speed, below saturation: flows of numbered datagrams cross a pseudowire by super-frames, groups and GRO,
 * and a sink looks at each: its flow, its number, its octets; the kernel at its checksum. None is lost, doubled,
 * overtaken or damaged. `deno task soak` does it for 10 minutes and looks for growth.
 */

import assert from "node:assert/strict";
import { type Appliance, startAppliance } from "./support/appliance.ts";
import { makePair, type Pair } from "./support/place.ts";
import { until } from "./support/process.ts";
import { say, suite } from "./support/suite.ts";
import { type Cell, config, inner } from "./support/two_ends.ts";

const seconds = Number(
  Deno.env.get("ISTHMUS_SINK_SECONDS") ?? (Deno.env.get("ISTHMUS_SOAK") ? 600 : 4),
);
/** Datagrams a second; a quarter of what crosses on a machine of two cores. */
const rate = Number(Deno.env.get("ISTHMUS_SINK_RATE") ?? 40_000);
const flows = 8;
const program = new URL("support/numbered_flows.py", import.meta.url).pathname;

const cells: readonly Cell[] = [
  { index: 1, title: "UDP over IPv4", encap: "udp", family: 4, seq: false },
  { index: 2, title: "UDP over IPv6, numbered", encap: "udp", family: 6, seq: true },
  { index: 3, title: "IP 115 over IPv4", encap: "ip", family: 4, seq: false },
];

interface Context {
  readonly pair: Pair;
  readonly ends: readonly [Appliance, Appliance];
}

const { test } = suite<Context>(
  import.meta.url,
  ["root", "tun", "ip", "ethtool", "python3"],
  async (stack) => {
    const pair = stack.use(await makePair());
    const ends = [
      stack.use(await startAppliance(pair.here, (socket) => config(cells, 1, socket))),
      stack.use(await startAppliance(pair.there, (socket) => config(cells, 2, socket))),
    ] as const;
    return { pair, ends };
  },
);

for (const [i, { index, title }] of cells.entries()) {
  test(`${title}: each datagram arrives once, in order, as it was sent`, async ({ pair, ends }) => {
    const address = inner(index, 2)[i === 1 ? 1 : 0].split("/")[0]!;
    await pair.here.here("ping", "-q", "-c", "3", "-i", "0.1", address);
    const before = await figures(pair, ends);
    await using sink = pair.there.background(
      "sink",
      "python3",
      program,
      "sink",
      address,
      `${flows}`,
    );
    await until("the sink listens", async () => (await sink.log()).includes("ready"));
    // The three share the soak's time.
    const time = seconds > 60 ? seconds / cells.length : seconds;
    const sending = pair.here.tryHere(
      ["python3", program, "send", address, `${flows}`, `${rate}`, `${time}`],
      { timeoutMs: 1000 * (time + 60) },
    );
    const memory = await memoryOf(ends, sending);
    const { stdout, stderr } = await sending;
    const { sent } = JSON.parse(stdout || stderr) as { sent: number };
    await sink.ended;
    const { together, ...seen } = JSON.parse((await sink.log()).split("\n").at(-2)!);
    const after = await figures(pair, ends);
    const moved = Object.fromEntries(
      Object.entries(after).map(([name, count]) => [name, count - before[name]!]),
    );
    say(`  ${sent} datagrams: ${JSON.stringify({ ...seen, together, ...moved, memory })}`);
    const expected = { came: sent, wrong_flow: 0, out_of_order: 0, damaged: 0 };
    assert.deepEqual([seen, moved["checksums"], moved["drops"]], [expected, 0, 0]);
    assert(moved["taken"]! > 100 && together > 100, "by super-frames");
    if (index < 3) assert(moved["segments"]! > 2 * moved["messages"]!, "in groups");
    assert(memory.last < 1.25 * memory.first + 16e6, JSON.stringify(memory));
  });
}

/** What both ends of the wire counted. */
async function figures(pair: Pair, ends: Context["ends"]): Promise<Record<string, number>> {
  const [near, far] = [await ends[0].datapath(), await ends[1].datapath()];
  const drops = [near, far].flatMap(({ drops }) => Object.values(drops));
  const text = await pair.there.here("nstat", "-asz", "UdpInCsumErrors", "Udp6InCsumErrors");
  return {
    checksums: [...text.matchAll(/InCsumErrors +(\d+)/g)].reduce(
      (sum, [, n]) => sum + Number(n),
      0,
    ),
    drops: drops.reduce((sum, count) => sum + count, 0),
    taken: near.io["rx-super-frames"]!,
    segments: near.io["tx-segments"]!,
    messages: near.io["tx-messages"]!,
  };
}

/** Resident octets of both appliances, after a tenth of the time and at its end. */
async function memoryOf(ends: Context["ends"], over: Promise<unknown>) {
  const resident = async () => {
    let sum = 0;
    for (const { process: { pid } } of ends) {
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      sum += 1024 * Number(/VmRSS:\s+(\d+)/.exec(status)![1]);
    }
    return sum;
  };
  const warm = Promise.withResolvers<void>();
  const timer = setTimeout(warm.resolve, 100 * seconds);
  await Promise.race([warm.promise, over]);
  clearTimeout(timer);
  const first = await resident();
  await over;
  return { first, last: await resident() };
}
