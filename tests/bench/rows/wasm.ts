/** The rows of the WASM module by itself (docs/performance.md): time a packet, memory a session. @module */

import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import { spread } from "../measure.ts";
import { programPath, run } from "../programs.ts";

const sessions = 100_000;
const script = new URL("../wasm_process.ts", import.meta.url).pathname;
const deno = (...args: string[]) => run(Deno.execPath(), "run", "-A", script, ...args);

/** Nanoseconds a packet to take a header off, look its session up among 100,000 and put the other header on. */
export async function lookup({ rounds, scale }: Effort): Promise<Figure[]> {
  const args = [sessions / 2, Math.round(2_000_000 * scale), rounds].map(String);
  const values = (text: string) => spread(text.trim().split("\n").map(Number));
  const ours = values(await deno("lookup", ...args));
  const baseline = values(await run(programPath("lookup"), ...args));
  return [{
    row: "lookup",
    what: "header work in WASM a packet, 100,000 sessions at random",
    unit: "ns",
    value: ours,
    bar: { at: "most", limit: 30 },
    note: `C without laying out what to send: ${baseline.median.toFixed(1)} ns`,
    detail: { baseline },
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
