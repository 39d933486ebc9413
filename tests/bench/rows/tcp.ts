/**
 * The rows of super-frames: one TCP connection, or UDP datagrams of one flow, from a TAP through L2TPv3 over UDP to a TAP (docs/performance.md), by the datapath,
 * by C that does the same, by the datapath frame by frame, and through Linux VXLAN.
 */

import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import { cpuTime, sleep, spread } from "../measure.ts";
import { type Program, programPath, run, startProgram } from "../programs.ts";

/** What carries the connection. */
type Way = "ours" | "switched" | "c" | "plain" | "vxlan" | "vxlan-plain";

/** What one run of a way came to. */
interface Result {
  readonly bitsPerSecond: number;
  /** Nanoseconds of CPU of both programs for each kilobyte; undefined where the kernel does it. */
  readonly cpuPerKilobyte: number | undefined;
}

const port = 1790;
/** One end of the wire each. */
const ends = [
  { netns: `isthmus-bench-${Deno.pid}-a`, wire: "10.98.0.1", inside: "10.97.0.1", core: 0 },
  { netns: `isthmus-bench-${Deno.pid}-b`, wire: "10.98.0.2", inside: "10.97.0.2", core: 1 },
] as const;
type End = typeof ends[number];

/** The figures of a TCP connection by super-frames; super-packets cross the wire whole, as veth has them. */
export async function tcp(effort: Effort): Promise<Figure[]> {
  const against = await results(effort, "tcp", ["ours", "c", "plain", "vxlan", "vxlan-plain"]);
  return [
    against("c", "C by super-frames, CPU", byCpu, 0.95),
    against("plain", "the same frame by frame, CPU", byCpu, 6),
    against("vxlan", "Linux VXLAN with offloads, throughput", byRate),
    against("vxlan-plain", "Linux VXLAN without offloads, throughput", byRate, 2.5),
  ];
}

/** The same of UDP datagrams, which the sender hands over in groups (UDP_SEGMENT) and the receiver takes so (UDP_GRO). */
export async function udp(effort: Effort): Promise<Figure[]> {
  const against = await results(effort, "udp", ["ours", "plain", "vxlan", "vxlan-plain"]);
  return [
    against("plain", "the same frame by frame, CPU", byCpu, 6),
    against("vxlan", "Linux VXLAN with offloads, throughput", byRate),
    against("vxlan-plain", "Linux VXLAN without offloads, throughput", byRate),
  ];
}

/** TCP by a switch at each end, beside the same ends cross-connected. */
export async function tcpSwitched(effort: Effort): Promise<Figure[]> {
  const against = await results(effort, "tcp", ["switched", "ours"]);
  const what = "the same cross-connected, CPU";
  return [{ ...against("ours", what, byCpu, 0.9), row: "tcp-switched" }];
}

type Ratio = (ours: Result, other: Result) => number;
const byCpu: Ratio = (ours, other) => other.cpuPerKilobyte! / ours.cpuPerKilobyte!;
const byRate: Ratio = (ours, other) => ours.bitsPerSecond / other.bitsPerSecond;

/** Measures all ways in turn. Gives what sets the first beside one of them. */
async function results({ rounds, scale }: Effort, row: "tcp" | "udp", ways: readonly Way[]) {
  const all = new Map<Way, Result[]>(ways.map((way) => [way, []]));
  const seconds = Math.max(1, Math.round(3 * scale));
  await using _ = await openWire();
  for (let round = 0; round < Math.min(rounds, 5); round++) {
    for (const way of ways) all.get(way)!.push(await measure(row, way, seconds));
  }
  const first = ways[0]!;
  const median = (way: Way, of: (result: Result) => number) => spread(all.get(way)!.map(of)).median;
  const mbps = (way: Way) => median(way, ({ bitsPerSecond }) => bitsPerSecond / 1e6);
  const cpu = (way: Way) => median(way, ({ cpuPerKilobyte }) => cpuPerKilobyte ?? 0);
  return (other: Way, what: string, ratio: Ratio, bar?: number): Figure => ({
    row,
    what: `${row.toUpperCase()} through TAP, L2TPv3 and TAP by super-frames, against ${what}`,
    unit: "×",
    value: spread(all.get(first)!.map((ours, i) => ratio(ours, all.get(other)![i]!))),
    ...(bar === undefined ? {} : { bar: { at: "least", limit: bar } }),
    note: `${mbps(first).toFixed(0)} against ${mbps(other).toFixed(0)} Mbit/s` +
      (cpu(other) > 0
        ? `; ${cpu(first).toFixed(0)} against ${cpu(other).toFixed(0)} ns CPU a kilobyte`
        : ""),
    detail: { ours: all.get(first), other: all.get(other) },
  });
}

async function measure(row: "tcp" | "udp", way: Way, seconds: number): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const programs: Program[] = [];
  for (const end of ends) {
    if (way.startsWith("vxlan")) await addVxlan(end, way === "vxlan", stack);
    else programs.push(stack.use(await startEnd(end, way, stack)));
  }
  const before = programs.map(({ pid }) => cpuTime(pid));
  const { bytes, bitsPerSecond } = await (row === "tcp" ? sendTcp(seconds) : sendUdp(seconds));
  await sleep(20);
  const used = programs.reduce((sum, { pid }, i) => sum + cpuTime(pid) - before[i]!, 0);
  return {
    bitsPerSecond,
    cpuPerKilobyte: programs.length > 0 ? used / (bytes / 1000) : undefined,
  };
}

/** What has come at the other end. */
type Came = Pick<Result, "bitsPerSecond"> & { readonly bytes: number };

async function sendTcp(seconds: number): Promise<Came> {
  const [here, there] = ends;
  const server = new Deno.Command("ip", {
    args: inside(there, ["iperf3", "-s", "-1", "--forceflush"]),
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    for (let tries = 0; !(await listens(there)) && tries < 100; tries++) await sleep(20);
    const client = ["iperf3", "-J", "-c", there.inside, "-t", String(seconds)];
    const { end } = JSON.parse(await run("ip", ...inside(here, client))) as {
      end: { sum_received: { bytes: number; bits_per_second: number } };
    };
    const { bytes, bits_per_second: bitsPerSecond } = end.sum_received;
    return { bytes, bitsPerSecond };
  } finally {
    try {
      server.kill("SIGKILL");
    } catch {
      // It has served its one client.
    }
    await server.status;
  }
}

async function sendUdp(seconds: number): Promise<Came> {
  const [here, there] = ends;
  const sink = inside(there, [programPath("udp"), "sink", there.inside]);
  await using _ = await startProgram(["ip", ...sink]);
  const sender = [programPath("udp"), "send", here.inside, there.inside, String(seconds)];
  const said = await run("ip", ...inside(here, sender));
  const match = /^bytes (\d+) seconds ([\d.]+)$/m.exec(said);
  if (!match || match[1] === "0") throw new Error(`udp: said ${said}`);
  return { bytes: Number(match[1]), bitsPerSecond: Number(match[1]) * 8 / Number(match[2]) };
}

const tap = "bench0";

async function startEnd(end: End, way: Way, stack: AsyncDisposableStack): Promise<Program> {
  await run("ip", "-n", end.netns, "tuntap", "add", "dev", tap, "mode", "tap");
  stack.defer(async () => void await run("ip", "-n", end.netns, "link", "del", tap));
  await run("ip", "-n", end.netns, "addr", "add", `${end.inside}/24`, "dev", tap);
  await run("ip", "-n", end.netns, "link", "set", tap, "up", "mtu", "1436", "txqueuelen", "64");
  const peer = ends.find((other) => other !== end)!;
  const script = new URL("../pair_process.ts", import.meta.url).pathname;
  const switched = way === "switched", vnet = switched || way === "ours";
  const setup = { local: end.wire, port, remote: peer.wire, tap, vnet, switched };
  const command = way === "c"
    ? [programPath("super"), end.wire, String(port), peer.wire, tap]
    : [Deno.execPath(), "run", "-A", script, JSON.stringify(setup)];
  return startProgram(["ip", ...inside(end, command)]);
}

async function addVxlan(end: End, offloads: boolean, stack: AsyncDisposableStack): Promise<void> {
  const peer = ends.find((other) => other !== end)!;
  const at = ["-n", end.netns];
  const link = `id 7 local ${end.wire} remote ${peer.wire} dstport 4789 dev wire`.split(" ");
  await run("ip", ...at, "link", "add", "vx0", "type", "vxlan", ...link);
  stack.defer(async () => void await run("ip", ...at, "link", "del", "vx0"));
  await run("ip", ...at, "addr", "add", `${end.inside}/24`, "dev", "vx0");
  await run("ip", ...at, "link", "set", "vx0", "up", "mtu", "1436");
  if (!offloads) {
    const off = ["tso", "off", "gso", "off", "gro", "off"];
    await run("ip", ...inside(end, ["ethtool", "-K", "vx0", ...off]));
  }
}

function inside({ netns, core }: End, command: readonly string[]): string[] {
  return ["netns", "exec", netns, "taskset", "-c", String(core), ...command];
}

async function listens(end: End): Promise<boolean> {
  return (await run("ip", ...inside(end, ["ss", "-Hltn", "sport", "=", ":5201"]))) !== "";
}

async function openWire(): Promise<AsyncDisposable> {
  const remove = async () => {
    for (const { netns } of ends) await run("ip", "netns", "del", netns).catch(() => {});
  };
  try {
    for (const { netns } of ends) await run("ip", "netns", "add", netns);
    const [a, b] = ends;
    await run(
      "ip",
      ...`link add wire netns ${a.netns} type veth peer name wire netns ${b.netns}`.split(" "),
    );
    for (const { netns, wire } of ends) {
      await run("ip", "-n", netns, "link", "set", "lo", "up");
      await run("ip", "-n", netns, "addr", "add", `${wire}/24`, "dev", "wire");
      await run("ip", "-n", netns, "link", "set", "wire", "up");
    }
  } catch (error) {
    await remove();
    throw error;
  }
  return { [Symbol.asyncDispose]: remove };
}
