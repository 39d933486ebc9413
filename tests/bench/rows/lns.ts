/**
 * An LNS under load (docs/performance.md): many subscribers by PAP and RADIUS, then their packets, isthmus as a user starts
 * it beside l2tpns with the same LAC and the same RADIUS responder, which cost less than either.
 *
 * @module
 */

import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import type { Lab } from "../lab.ts";
import { cpuTime, sleep, spread } from "../measure.ts";
import { peerAddress, subjectAddress } from "../plan.ts";
import { prepare, server, startLns, startRadius, type Way } from "../lns.ts";
import { type Program, programPath, startProgram } from "../programs.ts";

/** Sessions that are being set up at a time. */
const starting = 200;
/** Packets on their way, at most, and at once. */
const window = 256, burst = 32;
const sizes = [64, 512, 1400];

/** What one run with an LNS came to. */
interface Result {
  readonly perSecond: number;
  /** From LCP to accounting start, of the LNS's process. */
  readonly cpuMs: number;
  /** Growth of the resident memory a session. */
  readonly bytes: number;
  /** Nanoseconds of CPU a packet, by size: from subscribers, and to them. */
  readonly up: readonly number[];
  readonly down: readonly number[];
  readonly lost: number;
  /** Percent of a core while nothing happens but LCP echoes; undefined: it was not measured. */
  readonly idle: number | undefined;
}

/** As long as the longer of both LNSs' intervals between echoes: what came up together is heard together. */
const IDLE_MS = 30_000;
/** How long V8 goes on collecting what the set-up left behind. */
const SETTLE_MS = 45_000;

/** The figures of an LNS with 10,000 sessions. */
export async function lns(effort: Effort, lab: Lab): Promise<Figure[]> {
  return await measureLns(effort, lab, Math.round(10_000 * effort.scale));
}

/** The same with as many sessions as one process is to have. */
export async function lnsMany(effort: Effort, lab: Lab): Promise<Figure[]> {
  return await measureLns({ ...effort, rounds: 1 }, lab, Math.round(60_000 * effort.scale), 32);
}

async function measureLns(
  effort: Effort,
  lab: Lab,
  sessions: number,
  tunnels = 8,
): Promise<Figure[]> {
  const ways = await prepare(lab);
  const results: Record<Way, Result[]> = { ours: [], l2tpns: [] };
  for (let round = 0; round < Math.ceil(effort.rounds / 3); round++) {
    for (const way of ways) {
      const idle = round === 0;
      results[way].push(await measure(way, lab, { sessions, tunnels, idle }, effort.scale));
    }
  }
  return figures(results, sessions);
}

async function measure(
  way: Way,
  lab: Lab,
  { idle, sessions, tunnels }: {
    readonly sessions: number;
    readonly tunnels: number;
    readonly idle: boolean;
  },
  scale: number,
): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "isthmus-bench-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const radius = stack.use(await startRadius(lab));
  const lns = stack.use(await startLns(way, lab, folder));
  const where = [peerAddress, subjectAddress, lab.subjectNetns, server, String(tunnels)];
  const lac = stack.use(await startProgram(lab.asPeers([programPath("lac"), ...where])));

  // What the first sessions cost is code that is compiled and tables that are made.
  await setUp(lac, Math.min(500, sessions / 10));
  await accountedFor(radius, Math.min(500, sessions / 10));
  const before = { cpu: cpuTime(lns.pid), bytes: memory(lns.pid) };
  const seconds = await setUp(lac, sessions);
  await accountedFor(radius, sessions);
  const fresh = sessions - Math.min(500, sessions / 10);
  const cpuMs = (cpuTime(lns.pid) - before.cpu) / 1e6 / fresh;
  const bytes = (memory(lns.pid) - before.bytes) / fresh;
  const result = { up: [] as number[], down: [] as number[], lost: 0 };
  const count = Math.round(300_000 * scale);
  for (const size of sizes) {
    for (const [kind, into] of [["send", result.up], ["receive", result.down]] as const) {
      await packets(lac, kind, count / 5, size);
      const start = cpuTime(lns.pid);
      const { forwarded, lost } = await packets(lac, kind, count, size);
      await sleep(5);
      into.push((cpuTime(lns.pid) - start) / forwarded);
      result.lost += lost;
    }
  }
  const rest = idle ? await restingCpu(lns.pid) : undefined;
  return { perSecond: fresh / seconds, cpuMs, bytes, idle: rest, ...result };
}

/** Percent of a core that a process takes which nobody asks anything. */
async function restingCpu(pid: number): Promise<number> {
  await sleep(SETTLE_MS);
  const [began, before] = [performance.now(), cpuTime(pid)];
  await sleep(IDLE_MS);
  return (cpuTime(pid) - before) / 1e4 / (performance.now() - began);
}

/** Sets sessions up, and gives in how many seconds. @throws {Error} where one failed */
async function setUp(lac: Program, sessions: number): Promise<number> {
  const said = await lac.ask(`up ${sessions} ${starting}`);
  const [, up, failed, ns] = /^up (\d+) failed (\d+) ns (\d+)$/.exec(said)!.map(Number);
  if (up !== sessions) throw new Error(`${up} of ${sessions} sessions are up, ${failed} failed`);
  return ns! / 1e9;
}

/** Waits until the responder knows of so many sessions that they started. */
async function accountedFor(radius: Program, sessions: number): Promise<void> {
  let said = "";
  for (let tries = 0; tries < 600; tries++) {
    said = await radius.ask("?");
    if (Number(/ started (\d+)/.exec(said)![1]) >= sessions) return;
    await sleep(50);
  }
  throw new Error(`of ${sessions} sessions RADIUS says: ${said}`);
}

async function packets(lac: Program, kind: string, count: number, size: number) {
  const said = await lac.ask(`${kind} ${count} ${size} ${burst} ${window}`);
  const match = /^sent \d+ forwarded (\d+) lost (\d+) ns \d+$/.exec(said);
  if (!match || match[1] === "0") throw new Error(`lac: ${said}`);
  return { forwarded: Number(match[1]), lost: Number(match[2]) };
}

/** Octets of a process's memory that are in use (VmRSS). */
function memory(pid: number): number {
  const text = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)![1]) * 1024;
}

function figures(results: Record<Way, Result[]>, sessions: number): Figure[] {
  const { ours, l2tpns } = results;
  const both = l2tpns.length > 0;
  const median = (of: readonly Result[], what: (result: Result) => number) =>
    spread(of.map(what)).median;
  const beside = (what: (result: Result) => number, digits: number) =>
    both ? `l2tpns ${median(l2tpns, what).toFixed(digits)}` : "no l2tpns here";
  const many = `${sessions} sessions by PAP and RADIUS`;
  const lost = [...ours, ...l2tpns].reduce((sum, result) => sum + result.lost, 0);
  const ratio = (what: (result: Result) => number) =>
    spread(both ? ours.map((each, i) => what(l2tpns[i]!) / what(each)) : [NaN]);
  const row = sessions > 20_000 ? "lns-many" : "lns";
  return [
    {
      row,
      what: `${many}: CPU of the LNS a session, l2tpns's divided by ours`,
      unit: "×",
      value: ratio(({ cpuMs }) => cpuMs),
      bar: { at: "least", limit: 1 },
      note: `${median(ours, (r) => r.cpuMs).toFixed(3)} ms, ${beside((r) => r.cpuMs, 3)}`,
      detail: { results },
    },
    {
      row,
      what: `${many}: set up a second`,
      unit: "/s",
      value: spread(ours.map((r) => r.perSecond)),
      note: beside((r) => r.perSecond, 0),
    },
    {
      row,
      what: `${many}: memory a session`,
      unit: "bytes",
      value: spread(ours.map((r) => r.bytes)),
      note: beside((r) => r.bytes, 0),
    },
    {
      row,
      what: `${sessions} sessions at rest, LCP echoes at the LNS's own interval: CPU`,
      unit: "%",
      value: spread(ours.flatMap(({ idle }) => idle ?? [])),
      note: both
        ? `l2tpns ${spread(l2tpns.flatMap(({ idle }) => idle ?? [])).median.toFixed(1)} %`
        : "no l2tpns here",
    },
    ...(["up", "down"] as const).flatMap((way) =>
      sizes.map((size, i): Figure => ({
        row,
        what: `IP packets of ${size} octets ${way}, one by one: l2tpns's CPU divided by ours`,
        unit: "×",
        value: ratio((r) => r[way][i]!),
        bar: { at: "least", limit: way === "up" ? 0.9 : 1.2 },
        note: `${median(ours, (r) => r[way][i]!).toFixed(0)} ns, ${beside((r) => r[way][i]!, 0)}${
          lost > 0 ? `; ${lost} lost in all` : ""
        }`,
      }))
    ),
  ];
}
