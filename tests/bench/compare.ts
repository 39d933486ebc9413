/** Rows that set the datapath beside C: the same packets, one after the other, again and again. @module */

import type { Figure } from "./figure.ts";
import type { Lab, Underlay } from "./lab.ts";
import { spread } from "./measure.ts";
import type { Program } from "./programs.ts";
import {
  type Mode,
  type Run,
  runTraffic,
  startBaseline,
  startDatapathProcess,
  startTraffic,
  type Subject,
  type Traffic,
} from "./subjects.ts";

/** A comparison. */
export interface Comparison {
  readonly row: string;
  /** What the datapath does. */
  readonly what: string;
  readonly traffic: Traffic;
  /** Whether what the peers send reaches the subject as super-packets. */
  readonly input: "single" | "super";
  /** How the datapath sends: `plain` one by one, the others grouped. */
  readonly mode: Mode;
  readonly against: readonly Baseline[];
  /** What becomes of super-packets that the subject sends; none where it sends none. */
  readonly underlays: readonly Underlay[];
  /** Packets a run. */
  readonly packets: number;
}

/** The C program that the datapath is set beside. */
export interface Baseline {
  readonly mode: Mode;
  /** Packets a run. */
  readonly packets: number;
  /** The least ratio that docs/performance.md asks for, and the underlay that it is asked for on; absent: on any. */
  readonly bar?: { readonly atLeast: number; readonly underlay?: Underlay };
}

/** How long to measure, and what. */
export interface Effort {
  readonly rounds: number;
  /** Multiplies the packets of a run. */
  readonly scale: number;
  /** The C program in the datapath's place: what the ratio then differs from 1 by is the bench's own error. */
  readonly selfCheck: boolean;
}

/** So many packets until V8 has compiled all as well as it can: a second or two of a loaded datapath's life. */
const warmUpPackets = 1_500_000;

/** Runs a comparison: a figure for each baseline and underlay. */
export async function compare(lab: Lab, row: Comparison, effort: Effort): Promise<Figure[]> {
  const { traffic, against } = row;
  await lab.setPeersUnderlay(row.input === "super" ? "whole" : "split");
  await using source = await startTraffic(lab, traffic);
  await using stack = new AsyncDisposableStack();
  const ours: Subject = stack.use(
    effort.selfCheck
      ? await startBaseline(lab, 0, row.mode, traffic)
      : await startDatapathProcess(lab, row.mode !== "plain", traffic),
  );
  const baselines: Subject[] = [];
  for (const [i, { mode }] of against.entries()) {
    baselines.push(stack.use(await startBaseline(lab, 1 + i, mode, traffic)));
  }

  const scaled = (packets: number) => Math.round(packets * effort.scale);
  const sides = [ours, ...baselines].map((subject, i) =>
    [subject, scaled((i === 0 ? row : against[i - 1]!).packets)] as const
  );
  for (const [i, [subject, packets]] of sides.entries()) {
    await warmUp(row, source, subject, packets, i === 0 ? warmUpPackets : packets);
  }

  const measured: { underlay: Underlay | undefined; ours: Run[]; baselines: Run[][] }[] = [];
  for (const underlay of row.underlays.length ? row.underlays : [undefined]) {
    if (underlay) await lab.setSubjectUnderlay(underlay);
    const runs = { underlay, ours: [] as Run[], baselines: baselines.map((): Run[] => []) };
    for (let round = 0; round < effort.rounds; round++) {
      for (const [i, [subject, packets]] of sides.entries()) {
        (i === 0 ? runs.ours : runs.baselines[i - 1]!)
          .push(await runTraffic(source, traffic, subject, packets));
      }
    }
    measured.push(runs);
  }

  const batch = await ours.stop();
  const batches: (number | undefined)[] = [];
  for (const baseline of baselines) batches.push(await baseline.stop());
  return measured.flatMap((runs) =>
    against.map((baseline, i) =>
      figure(row, runs.underlay, baseline, runs.ours, runs.baselines[i]!, [batch, batches[i]])
    )
  );
}

/** Shows that a subject forwards what it gets, byte for byte, and lets its code be compiled. @throws {Error} */
async function warmUp(
  { row, traffic }: Comparison,
  source: Program,
  subject: Subject,
  packets: number,
  until: number,
): Promise<void> {
  const { lost, wrong } = await runTraffic(source, traffic, subject, 40 * traffic.burst, true);
  if (lost || wrong) throw new Error(`${row}: ${lost} packets lost, ${wrong} wrong`);
  for (let done = 0; done < until; done += packets) {
    await runTraffic(source, traffic, subject, packets);
  }
}

function figure(
  row: Comparison,
  underlay: Underlay | undefined,
  { mode, bar }: Baseline,
  ours: readonly Run[],
  baseline: readonly Run[],
  batch: readonly (number | undefined)[],
): Figure {
  const cost = (runs: readonly Run[]) => spread(runs.map((run) => run.cpuPerPacket)).median;
  const lost = [...ours, ...baseline].reduce((sum, run) => sum + run.lost, 0);
  const notes = [`${cost(ours).toFixed(0)} against ${cost(baseline).toFixed(0)} ns CPU a packet`];
  if (underlay) notes.unshift(`super-packets ${underlay === "whole" ? "stay whole" : "are split"}`);
  if (batch.every((size) => size !== undefined)) {
    notes.push(`${batch.map((size) => size.toFixed(0)).join(" and ")} packets a batch`);
  }
  if (lost > 0) notes.push(`${lost} packets lost`);
  const asked = bar && (bar.underlay ?? underlay) === underlay;
  return {
    row: row.row,
    what: `${row.what}, against C ${mode}`,
    unit: "×",
    value: spread(ours.map((run, i) => baseline[i]!.cpuPerPacket / run.cpuPerPacket)),
    ...(asked ? { bar: { at: "least", limit: bar.atLeast } } : {}),
    note: notes.join("; "),
    detail: { underlay, frame: row.traffic.frame, ours, baseline, batch },
  };
}
