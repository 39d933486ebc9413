/** The rows of the WASM module by itself (docs/performance.md): time a packet, memory a session. @module */

import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import { spread } from "../measure.ts";
import { programPath, run } from "../programs.ts";

const sessions = 100_000;
const script = new URL("../wasm_process.ts", import.meta.url).pathname;
const deno = (...args: string[]) => run(Deno.execPath(), "run", "-A", script, ...args);

/** To take a header off, look its session up among 100,000, put the other header on, and lay out what is to be sent. */
export async function lookup({ rounds, scale }: Effort): Promise<Figure[]> {
  const args = [sessions / 2, Math.round(2_000_000 * scale), rounds].map(String);
  const values = (text: string) => spread(text.trim().split("\n").map(Number));
  // C between two of ours: what else the machine does falls on both.
  const before = values(await deno("lookup", ...args));
  const baseline = values(await run(programPath("lookup"), ...args));
  const after = values(await deno("lookup", ...args));
  const ours = [before, after].map(({ median }) => median);
  return [{
    row: "lookup",
    what: "C in WASM's time: 100,000 sessions at random, sends grouped and laid out",
    unit: "×",
    value: spread(ours.map((ns) => baseline.median / ns)),
    bar: { at: "least", limit: 0.5 },
    note: `${ours.map((ns) => ns.toFixed(0)).join(" and ")} ns a packet, C ${
      baseline.median.toFixed(1)
    }`,
    detail: { before, after, baseline },
  }];
}

/** The same where every tunnel has a session of its own, all of one id, beside sessions whose ids differ. */
export async function twins({ rounds, scale }: Effort): Promise<Figure[]> {
  const lines = await deno("twins", "5000", String(Math.round(2_000_000 * scale)), String(rounds));
  const each = lines.trim().split("\n").map((line) => line.split(" ").map(Number));
  const [same, distinct] = [0, 1].map((at) => spread(each.map((pair) => pair[at]!)));
  return [{
    row: "twins",
    what: "5,000 tunnels whose sessions have one id, beside ids that differ",
    unit: "×",
    value: spread(each.map(([same, distinct]) => distinct! / same!)),
    bar: { at: "least", limit: 0.83 },
    note: `${same!.median.toFixed(0)} ns a packet, ${
      distinct!.median.toFixed(0)
    } with ids that differ`,
    detail: { same, distinct },
  }];
}

/** Bytes of WASM memory that 100,000 sessions take, a session. */
export async function memory(): Promise<Figure[]> {
  const bytes = async (count: number) =>
    Number((await deno("memory", String(count))).split(" ")[1]);
  const empty = await bytes(0), full = await bytes(sessions);
  const each = (full - empty) / sessions;
  return [{
    row: "memory",
    what: "WASM memory a session, 100,000 v2 PPP sessions cross-connected",
    unit: "bytes",
    value: { median: each, min: each, max: each },
    bar: { at: "most", limit: 512 },
    note: `${mebibytes(full)} MiB in all, ${mebibytes(empty)} MiB without sessions`,
    detail: { empty, full },
  }];
}

function mebibytes(bytes: number): string {
  return (bytes / (1 << 20)).toFixed(1);
}
