/** Programs that end and come back, and how long their peers go without them. @module */

import { killAll, type Place } from "./place.ts";
import { until } from "./process.ts";
import { say } from "./suite.ts";

/** How a program ends: as it is told to (SIGTERM), or at once and without a word to anybody. */
export type End = "clean" | "killed";

/** Something that can be started in a place, again and again. */
export interface Restartable {
  /** Who it is, in a sentence. */
  readonly title: string;
  readonly place: Place;
  start(): Promise<void>;
  /** Ends in order; absent: SIGKILL only. */
  stop?(): Promise<void>;
  /** It was killed. */
  killed?(): Promise<void>;
}

/** Longer than any bar, ten times and more: a test of behaviour, not of time. */
const LIMIT_MS = 40_000;

/** How long it took until frames flowed again, in seconds. */
export interface Outage {
  /** Since the program was started again. */
  readonly sinceStart: number;
  /** Since it answered: how long its peers took longer than the program itself. */
  readonly sinceReady: number;
}

/** Ends `who` and starts it again, and waits until `carrying` is true. */
export async function restart(
  who: Restartable,
  end: End,
  carrying: () => Promise<boolean>,
): Promise<Outage> {
  if (end === "clean") {
    await who.stop!();
  } else {
    await killAll(who.place);
    await who.killed?.();
  }
  const began = performance.now();
  let ready = began;
  const starting = who.start().then(() => void (ready = performance.now()));
  await until(`frames flow after ${who.title} restarted`, carrying, LIMIT_MS);
  const flowing = performance.now();
  await starting;
  return {
    sinceStart: (flowing - began) / 1000,
    sinceReady: Math.max(0, flowing - ready) / 1000,
  };
}

/** Prints a figure past the test runner. */
export function report(what: string, { sinceReady, sinceStart }: Outage): void {
  const [total, own] = [sinceStart, sinceReady].map((seconds) => seconds.toFixed(2));
  say(`restart: ${what}: ${total} s, ${own} s of them since it answers`);
}
