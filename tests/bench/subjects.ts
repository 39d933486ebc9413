/** The two sides of a comparison: the datapath, and the C program that does the same. @module */

import type { Lab } from "./lab.ts";
import { cpuTime, sleep } from "./measure.ts";
import { peerAddress, subjectAddress } from "./plan.ts";
import { type Program, programPath, startProgram, versionPath } from "./programs.ts";

/** Which way packets go. */
export type Path = "switch" | "tap-udp" | "udp-tap" | "wire-udp" | "udp-wire";

/** What a path is to the program that sends: an interface's other end is to it what a TAP is. */
const kinds = {
  "switch": "switch",
  "tap-udp": "tap-udp",
  "udp-tap": "udp-tap",
  "wire-udp": "tap-udp",
  "udp-wire": "udp-tap",
} as const;
const isWire = (path: Path) => path.includes("wire");

/** How packets are received and sent: one by one, grouped when sent (UDP_SEGMENT), or in super-packets both ways (UDP_GRO too). */
export type Mode = "plain" | "segment" | "gro";

/** What is to be forwarded. */
export interface Traffic {
  readonly path: Path;
  /** Pairs of joined sessions; 1 where a TAP is one end, or an interface without PPPoE. */
  readonly pairs: number;
  /** Peers that packets go to. */
  readonly sinks: number;
  /** Bytes of the Ethernet frame inside. */
  readonly frame: number;
  /** Packets sent at once. */
  readonly burst: number;
  /** Packets on their way at most. */
  readonly window: number;
  /** Frames are UDP datagrams, each of a burst of another flow. */
  readonly flows?: boolean;
  /** The datapath's TAP takes super-frames. */
  readonly vnet?: boolean;
  /** Sessions are L2TPv2's and carry PPP frames; on an interface these are PPPoE sessions, one for each pair. */
  readonly ppp?: boolean;
  /** Sessions are ports of a switch that knows so many stations, in place of pairs. */
  readonly macs?: number;
  /** The first session and all that packets go to are ports of a switch, which floods each frame to `pairs` ports. */
  readonly flood?: boolean;
}

/** A program that forwards, ready for traffic. */
export interface Subject extends AsyncDisposable {
  readonly pid: number;
  /** What a traffic program is told: where to send. */
  readonly target: string;
  /** Ends it. Packets a receive batch, where it counted them. */
  stop(): Promise<number | undefined>;
}

/** Starts C baseline number `index` (each has a port, and a TAP, of its own). */
export async function startBaseline(
  lab: Lab,
  index: number,
  mode: Mode,
  traffic: Traffic,
): Promise<Subject> {
  const port = 1710 + index, tap = `bench-c${index}`;
  const where = [subjectAddress, String(port), peerAddress];
  const { path, pairs, sinks } = traffic;
  const version = traffic.ppp ? 2 : 3;
  let command;
  if (path === "switch") {
    const kind = traffic.flood ? ["flood"] : traffic.macs ? [String(traffic.macs)] : [];
    command = [
      versionPath("switch", version),
      ...where,
      String(pairs),
      String(sinks),
      mode,
      ...kind,
    ];
  } else if (isWire(path)) {
    await lab.addWire(tap);
    const sessions = traffic.ppp ? [String(pairs)] : [];
    command = [versionPath("packet", version), ...where, tap, ...sessions];
  } else {
    await lab.addTap(tap);
    command = [programPath("tap"), ...where, tap];
  }
  const program = await startProgram(lab.asSubject(command));
  return subject(lab, program, path, port, tap, async () => {
    const counted = /^batches (\d+) packets (\d+)/.exec(await program.stop() ?? "");
    return counted ? Number(counted[2]) / Number(counted[1]) : undefined;
  });
}

/** What `worker.ts` is told, as JSON in its first argument. */
export interface DatapathSetup {
  readonly port: number;
  readonly pairs: number;
  readonly sinks: number;
  readonly segment: boolean;
  /** The TAP that session 0 is joined to, in place of session `pairs`. */
  readonly tap?: string;
  /** Or the interface. */
  readonly wire?: string;
  /** The TAP takes super-frames. */
  readonly vnet: boolean;
  /** Sessions are L2TPv2's and carry PPP frames, and an interface as many PPPoE sessions. */
  readonly ppp: boolean;
  /** Stations that a switch of all sessions knows. */
  readonly macs?: number;
  /** A switch floods what comes in by the first session. */
  readonly flood: boolean;
}

/** Starts the real datapath in a small process of its own. */
export async function startDatapathProcess(
  lab: Lab,
  segment: boolean,
  traffic: Traffic,
): Promise<Subject & { readonly program: Program }> {
  const port = traffic.vnet ? 1702 : 1701, tap = `bench-wasm${traffic.vnet ? 2 : ""}`;
  const { path, pairs, sinks, vnet = false, ppp = false, flood = false } = traffic;
  if (isWire(path)) await lab.addWire(tap);
  else if (path !== "switch") await lab.addTap(tap);
  const setup: DatapathSetup = {
    port,
    pairs,
    sinks,
    segment,
    vnet,
    ppp,
    flood,
    ...(traffic.macs !== undefined && { macs: traffic.macs }),
    ...(path === "switch" ? {} : isWire(path) ? { wire: tap } : { tap }),
  };
  const script = new URL("./datapath_process.ts", import.meta.url).pathname;
  const program = await startProgram(
    lab.asSubject([Deno.execPath(), "run", "-A", script, JSON.stringify(setup)]),
  );
  const stop = async () => {
    const { io } = JSON.parse(await program.ask("stats")) as { io: Record<string, number> };
    await program.stop();
    const batches = io["rx-batches"], packets = io["rx-datagrams"];
    return batches && packets ? packets / batches : undefined;
  };
  return { ...subject(lab, program, path, port, tap, stop), program };
}

function subject(
  lab: Lab,
  program: Program,
  path: Path,
  port: number,
  tap: string,
  stop: Subject["stop"],
): Subject {
  return {
    pid: program.pid,
    target: path === "switch"
      ? `${port} COUNT`
      : `${port} COUNT ${tap}${isWire(path) ? "-host" : ""} ${lab.subjectNetns}`,
    stop,
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** Starts the program that sends and counts. */
export function startTraffic(lab: Lab, traffic: Traffic): Promise<Program> {
  const { path, pairs, frame, burst, window } = traffic;
  // From a TAP, frames come back at the port that the traffic of the others leaves from: no sinks.
  const sinks = path === "switch" ? traffic.sinks : 0;
  const numbers = [pairs, sinks, frame, burst, window].map(String);
  const { flows, flood, ppp, macs } = traffic;
  const word = flows ? "flows" : ppp ? "ppp" : flood ? "flood" : macs?.toString();
  const what = word === undefined ? [] : [word];
  const command = [
    versionPath("traffic", ppp ? 2 : 3),
    peerAddress,
    subjectAddress,
    ...numbers,
    ...what,
  ];
  return startProgram(lab.asPeers(command));
}

/** What a run of traffic saw. */
export interface Run {
  readonly sent: number;
  readonly forwarded: number;
  readonly lost: number;
  readonly wrong: number;
  readonly seconds: number;
  /** Nanoseconds of CPU of the subject for each packet that came out of it. */
  readonly cpuPerPacket: number;
}

/** Sends `count` packets through a subject; with `check`, looks at every byte of what comes out. */
export async function runTraffic(
  program: Program,
  traffic: Traffic,
  subject: Subject,
  count: number,
  check = false,
): Promise<Run> {
  const kind = `${check ? "check-" : ""}${kinds[traffic.path]}`;
  const before = cpuTime(subject.pid);
  const answer = await program.ask(`${kind} ${subject.target.replace("COUNT", String(count))}`);
  await sleep(5); // until the subject sleeps again: only then is its time known to the end
  const cpu = cpuTime(subject.pid) - before;
  const match = /^sent (\d+) forwarded (\d+) lost (\d+) wrong (\d+) ns (\d+)$/.exec(answer);
  if (!match) throw new Error(`traffic: said ${answer}`);
  const [sent, forwarded, lost, wrong, ns] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return { sent, forwarded, lost, wrong, seconds: ns / 1e9, cpuPerPacket: cpu / forwarded };
}
