/**
 * Set-up of control connections and calls between two appliances, each as a user starts it, over loopback
 * (docs/performance.md): how many sessions a second, and what one costs each side in CPU and memory.
 *
 * @module
 */

import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import { cpuTime, sleep, spread } from "../measure.ts";

const root = new URL("../../../", import.meta.url).pathname;

/** What is set up. */
interface Scenario {
  readonly version: 2 | 3;
  readonly tunnels: number;
  /** Sessions in each of the tunnels. */
  readonly sessions: number;
}

/** What one set-up took. */
interface SetUp {
  /** From the first SCCRQ to where both sides told that the last call is established. */
  readonly sessionsPerSecond: number;
  readonly caller: Cost;
  readonly called: Cost;
}

/** What a session cost one side, all that follows on the last call being established included. */
interface Cost {
  readonly cpuMs: number;
  /** Growth of the resident memory. */
  readonly bytes: number;
}

/** 1,000 tunnels with a session each. */
export function setupTunnels(effort: Effort): Promise<Figure[]> {
  return setup("setup-tunnels", { tunnels: Math.ceil(1000 * effort.scale), sessions: 1 }, effort);
}

/** 10,000 sessions in one tunnel. */
export function setupSessions(effort: Effort): Promise<Figure[]> {
  return setup("setup-sessions", { tunnels: 1, sessions: 10_000 * effort.scale }, effort);
}

async function setup(
  row: string,
  { tunnels, sessions }: Omit<Scenario, "version">,
  { rounds }: Effort,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const version of [2, 3] as const) {
    const runs: SetUp[] = [];
    for (let round = 0; round < Math.ceil(rounds / 3); round++) {
      runs.push(await setUp({ version, tunnels, sessions }));
    }
    const of = `L2TPv${version}, ${tunnels} × ${sessions}`;
    const rate = spread(runs.map(({ sessionsPerSecond }) => sessionsPerSecond));
    figures.push({
      row,
      what: `${of}: sessions set up a second`,
      unit: "/s",
      value: rate,
      bar: { at: "least", limit: 5000 },
      detail: { runs },
    });
    for (const side of ["caller", "called"] as const) {
      figures.push({
        row,
        what: `${of}: CPU a session, ${side}`,
        unit: "ms",
        value: spread(runs.map((run) => run[side].cpuMs)),
        bar: { at: "most", limit: 0.2 },
      }, {
        row,
        what: `${of}: memory a session, ${side}`,
        unit: "bytes",
        value: spread(runs.map((run) => run[side].bytes)),
      });
    }
  }
  return figures;
}

async function setUp({ version, tunnels, sessions }: Scenario): Promise<SetUp> {
  const [caller, called] = loopbackPair();
  const total = tunnels * sessions;
  const peer = `proto-version: ${version}, session-limit: 65535, tunnel-limit: 65535`;
  await using callee = await startAppliance(`
listen: [{ udp: "${called}:1701" }]
admin: { listen: "${called}:8701", token: a-token-for-benches }
host-name: called
peers:
  caller: { ${peer}, accept: [{ circuit: { sink: {} } }] }
`);
  await until(() => isListening(called), callee);
  const calls = Array.from(
    { length: sessions },
    (_, i) => `      s${i}: { circuit: { sink: {} } }`,
  );
  const names = Array.from({ length: tunnels }, (_, i) => `t${i}`);
  await using dialer = await startAppliance(`
listen: [{ udp: "${caller}:1701" }]
admin: { listen: "${caller}:8701", token: a-token-for-benches }
host-name: caller
peers:
  called: { ${peer} }
tunnels:
${
    names.map((name) =>
      `  ${name}:
    peer: called
    local: ${caller}:1701
    remote: ${called}:1701
    sessions:
${calls.join("\n")}`
    ).join("\n")
  }
`);
  const both = [dialer, callee];
  await until(() => dialer.said("control connection wait-ctl-reply").count > 0, dialer, 1);
  const before = both.map(usage);
  const established = both.map((side) => () => side.said("call established"));
  await until(() => established.every((lines) => lines().count >= total), dialer);
  await until(quiet(both.map(({ pid }) => pid)), dialer);
  const after = both.map(usage);
  const first = dialer.said("control connection wait-ctl-reply").first;
  const last = Math.max(...established.map((lines) => lines().last));
  const [costOfCaller, costOfCalled] = after.map(({ cpu, rss }, i) => ({
    cpuMs: (cpu - before[i]!.cpu) / 1e6 / total,
    bytes: (rss - before[i]!.rss) / total,
  }));
  return {
    sessionsPerSecond: total / (last - first) * 1000,
    caller: costOfCaller!,
    called: costOfCalled!,
  };
}

/** Log lines with one message: how many, and the Unix milliseconds of the first and the last. */
interface Lines {
  count: number;
  first: number;
  last: number;
}

interface Appliance extends AsyncDisposable {
  readonly pid: number;
  /** The lines so far with a message at level info. It logs into a file, so that nobody has to keep up. */
  said(message: string): Lines;
  /** All that it said, once it has ended. */
  readonly ended: string | undefined;
}

async function startAppliance(config: string): Promise<Appliance> {
  const dir = await Deno.makeTempDir({ prefix: "isthmus-bench-" });
  await Deno.writeTextFile(`${dir}/isthmus.yaml`, config);
  const command = [Deno.execPath(), "run", "-P=appliance", "edge/main.ts", "run", "--config"];
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", 'log="$1"; shift; exec "$@" 2>"$log"', "sh", `${dir}/log`, ...command].concat(
      `${dir}/isthmus.yaml`,
    ),
    cwd: root,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
  }).spawn();
  let ended: string | undefined;
  const end = child.status.then(() => ended = readText(`${dir}/log`));
  const lines = new Map<string, Lines>();
  let read = 0, rest = "";
  const catchUp = () => {
    const text = rest + readText(`${dir}/log`, read, (bytes) => read += bytes);
    const cut = text.lastIndexOf("\n") + 1;
    rest = text.slice(cut);
    for (
      const [, time, message] of text.slice(0, cut).matchAll(/^(\S+) info +(.*?)(?: \S+=.*)?$/gm)
    ) {
      const at = Date.parse(time!);
      const known = lines.get(message!);
      if (!known) lines.set(message!, { count: 1, first: at, last: at });
      else Object.assign(known, { count: known.count + 1, last: at });
    }
  };
  return {
    pid: child.pid,
    said(message) {
      catchUp();
      return lines.get(message) ?? { count: 0, first: NaN, last: NaN };
    },
    get ended() {
      return ended;
    },
    async [Symbol.asyncDispose]() {
      if (ended === undefined) child.kill("SIGTERM");
      await end;
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** The text of a file from an offset on; nothing where there is none. What is logged here is ASCII. */
function readText(file: string, from = 0, advance: (bytes: number) => void = () => {}): string {
  try {
    using open = Deno.openSync(file);
    open.seekSync(from, Deno.SeekMode.Start);
    const bytes = new Uint8Array(open.statSync().size - from);
    const length = open.readSync(bytes) ?? 0;
    advance(length);
    return new TextDecoder().decode(bytes.subarray(0, length));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** Nanoseconds of CPU, and bytes of resident memory. */
function usage({ pid }: Appliance): { readonly cpu: number; readonly rss: number } {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))!;
  return { cpu: cpuTime(pid), rss: Number(kilobytes) * 1024 };
}

/** Whether processes did next to nothing in the last 200 ms: what was asked of them is done. */
function quiet(pids: readonly number[]): () => boolean {
  let since = performance.now();
  let before = pids.map(cpuTime);
  return () => {
    if (performance.now() - since < 200) return false;
    const now = pids.map(cpuTime);
    const idle = now.every((cpu, i) => cpu - before[i]! < 2e6);
    [before, since] = [now, performance.now()];
    return idle;
  };
}

/** Looks every few milliseconds; a minute at most. */
async function until(condition: () => boolean, appliance: Appliance, everyMs = 20): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!condition()) {
    if (appliance.ended !== undefined) throw new Error(`an appliance ended: ${appliance.ended}`);
    if (performance.now() > deadline) throw new Error("sessions were not up within a minute");
    await sleep(everyMs);
  }
}

/** Two loopback addresses of this process alone. */
function loopbackPair(): [string, string] {
  const net = `127.${(Deno.pid >> 8 & 0x7f) + 64}.${Deno.pid & 0xff}`;
  return [`${net}.201`, `${net}.202`];
}

/** Whether somebody has bound UDP port 1701 of an address (`/proc/net/udp`). */
function isListening(address: string): boolean {
  const hex = address.split(".").reverse()
    .map((octet) => Number(octet).toString(16).toUpperCase().padStart(2, "0")).join("");
  return Deno.readTextFileSync("/proc/net/udp").includes(`${hex}:06A5 `);
}
