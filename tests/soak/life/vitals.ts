/** What a process holds, minute by minute, and whether it grows. @module */

import { checkedFetch } from "../../../edge/admin/promised.ts";
import type { Appliance } from "../../interop/support/appliance.ts";

/** What a process held at one moment; sizes in MiB. */
export interface Sample {
  /** Seconds since the soak began. */
  readonly at: number;
  readonly rss: number;
  readonly "control-heap": number;
  readonly "datapath-heap": number;
  readonly wasm: number;
  readonly fds: number;
  readonly threads: number;
  readonly tunnels: number;
  readonly sessions: number;
  /** By how much control work was late at worst since the sample before, in milliseconds. */
  readonly lag: number;
  readonly "log-drops": number;
}

/** The figures of a sample, but for its time. */
export type Figure = Exclude<keyof Sample, "at">;

const MIB = 1024 * 1024;

/** Reads `/metrics` of an appliance over its socket. */
export async function scrape({ adminSocket }: Appliance): Promise<string> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path: adminSocket } });
  const response = await checkedFetch("http://localhost/metrics", { client });
  return await response.text();
}

/** The value of a metric's first sample; 0 where there is none. */
export function metric(text: string, name: string): number {
  const line = text.split("\n").find((line) => line.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length));
}

/** The sum of a metric's samples whose labels hold `part`. */
export function sumOf(text: string, name: string, part = ""): number {
  return text.split("\n").filter((line) => line.startsWith(`${name}{`) && line.includes(part))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** Looks at an appliance. */
export async function sampleOf(appliance: Appliance, at: number): Promise<Sample> {
  const { pid } = appliance.process;
  const [status, text] = await Promise.all([
    Deno.readTextFile(`/proc/${pid}/status`),
    scrape(appliance),
  ]);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
  const memory = (part: string) => metric(text, `isthmus_memory_bytes{part="${part}"}`) / MIB;
  return {
    at,
    rss: field("VmRSS") / 1024,
    "control-heap": memory("control-heap"),
    "datapath-heap": memory("datapath-heap"),
    wasm: memory("datapath-wasm"),
    fds: Object.values(descriptorsOf(appliance)).reduce((sum, count) => sum + count, 0),
    threads: field("Threads"),
    tunnels: metric(text, "isthmus_tunnels"),
    sessions: sumOf(text, "isthmus_sessions"),
    lag: 1000 * metric(text, "isthmus_event_loop_lag_seconds"),
    "log-drops": metric(text, "isthmus_log_dropped_lines_total"),
  };
}

/** A process's descriptors by what they are: `socket`, `/dev/net/tun`, `anon_inode:[eventpoll]`. */
export function descriptorsOf({ process }: Appliance): Record<string, number> {
  const kinds: Record<string, number> = {};
  const folder = `/proc/${process.pid}/fd`;
  for (const { name } of Deno.readDirSync(folder)) {
    let kind: string;
    try {
      kind = Deno.readLinkSync(`${folder}/${name}`).replace(/:\[\d+\]$/, "");
    } catch {
      continue; // closed meanwhile
    }
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(kinds).sort());
}

const figures: readonly Figure[] = [
  "rss",
  "control-heap",
  "datapath-heap",
  "wasm",
  "fds",
  "threads",
  "tunnels",
  "sessions",
  "lag",
  "log-drops",
];

/** A line a minute: the least of what was seen in it, and of lag the most. */
export function table(samples: readonly Sample[]): string {
  const minutes = Map.groupBy(samples, ({ at }) => Math.floor(at / 60));
  const rows = [...minutes].map(([minute, some]) => [
    String(minute),
    ...figures.map((figure) => {
      const value = (figure === "lag" ? Math.max : Math.min)(...some.map((each) => each[figure]));
      return value.toFixed(figure.endsWith("heap") || figure === "wasm" ? 1 : 0);
    }),
  ]);
  const head = ["min", ...figures];
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => cell.padStart(head[i]!.length)).join(" ");
  return [head, ...rows].map(line).join("\n");
}

/** The floor of a figure in the first and in the last quarter of the samples. */
export function floors(samples: readonly Sample[], figure: Figure): readonly [number, number] {
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const floor = (some: readonly Sample[]) => Math.min(...some.map((each) => each[figure]));
  return [floor(samples.slice(0, quarter)), floor(samples.slice(-quarter))];
}

/** By how much a floor may rise: as a factor, and beside it. Wide: a leak is steady, and passes any limit. */
const allowed: Readonly<Partial<Record<Figure, readonly [factor: number, more: number]>>> = {
  rss: [1.25, 24],
  "control-heap": [1.3, 8],
  "datapath-heap": [1.3, 4],
  wasm: [1.3, 4],
  fds: [1, 12],
  threads: [1, 2],
};

/** What rose by more than it may, in words. */
export function risen(who: string, samples: readonly Sample[]): string[] {
  return Object.entries(allowed).flatMap(([name, [factor, more]]) => {
    const [first, last] = floors(samples, name as Figure);
    return last <= first * factor + more
      ? []
      : [`${who}: the floor of ${name} rose from ${first.toFixed(1)} to ${last.toFixed(1)}`];
  });
}

/** The floors of all that is judged, in a line. */
export function floorsLine(who: string, samples: readonly Sample[]): string {
  const parts = (Object.keys(allowed) as Figure[]).map((name) => {
    const [first, last] = floors(samples, name);
    return `${name} ${first.toFixed(1)} -> ${last.toFixed(1)}`;
  });
  return `${who}: ${parts.join(", ")}`;
}
