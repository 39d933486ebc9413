/**
 * Loaded before the appliance (`--preload`): how late timers of 5 ms are in its main isolate. It says
 * "ready", then answers each line of standard input with one of JSON: the milliseconds of all timers since the line before.
 *
 * @module
 */

import { TextLineStream } from "./lines.ts";

const TIMER_MS = 5;
const schedstat = `/proc/${Deno.pid}/task/${Deno.pid}/schedstat`;

/** A timer: how late it was, how long its thread meanwhile waited for a processor, and how long it worked. */
export type Timer = readonly [lateMs: number, waitedMs: number, workedMs: number];

let late: Timer[] = [];
let due = performance.now() + TIMER_MS;
let [worked, waited] = spent();

function look(): void {
  const now = performance.now();
  const [allWorked, allWaited] = spent();
  late.push([Math.max(0, now - due), allWaited - waited, allWorked - worked]);
  [worked, waited] = [allWorked, allWaited];
  due = performance.now() + TIMER_MS;
  Deno.unrefTimer(setTimeout(look, TIMER_MS));
}

/** Milliseconds that this thread, the process's first, worked and waited for a processor (`/proc/PID/task/…/schedstat`). */
function spent(): [workedMs: number, waitedMs: number] {
  const [worked, waited] = Deno.readTextFileSync(schedstat).split(" ");
  return [Number(worked) / 1e6, Number(waited) / 1e6];
}

async function answer(): Promise<void> {
  say("ready");
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream())
    .pipeThrough(new TextLineStream());
  for await (const _ of lines) {
    const told = JSON.stringify(late);
    late = [];
    say(told);
  }
}

function say(line: string): void {
  const bytes = new TextEncoder().encode(`${line}\n`);
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
}

// What keeps the event loop busy would keep the appliance from being loaded: nothing is read before that.
Deno.unrefTimer(setTimeout(() => void answer(), 100));
look();
