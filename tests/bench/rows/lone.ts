/** The rows that set the datapath beside itself or a plain echo: lone packets, and datagrams that nothing can be made of. @module */

import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import type { Lab } from "../lab.ts";
import { spread } from "../measure.ts";
import type { Program } from "../programs.ts";
import {
  runTraffic,
  startBaseline,
  startDatapathProcess,
  startTraffic,
  type Subject,
  type Traffic,
} from "../subjects.ts";

const alone: Traffic = { path: "switch", pairs: 1, sinks: 1, frame: 128, burst: 64, window: 256 };
const flows: Traffic = { ...alone, path: "udp-tap", flows: true };

/** How much longer a lone packet takes by the datapath than by C that receives and sends it: p50, and p99. */
export async function latency(lab: Lab, { rounds, scale }: Effort): Promise<Figure[]> {
  await using source = await startTraffic(lab, alone);
  await using ours = await startDatapathProcess(lab, false, alone);
  await using echo = await startBaseline(lab, 0, "plain", alone);
  for (const subject of [ours, echo]) await runTraffic(source, alone, subject, 1_000_000 * scale);
  const packets = Math.round(2000 * scale);
  const seen: Taken[][] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const [i, subject] of [ours, echo].entries()) {
      seen[i]!.push(await lone(source, subject, packets));
    }
  }
  const [by, beside] = seen as [Taken[], Taken[]];
  return (["p50", "p99"] as const).map((which): Figure => {
    const of = (taken: readonly Taken[]) => spread(taken.map((each) => each[which] / 1000)).median;
    return {
      row: "latency",
      what: `a lone packet's way, more than by a plain socket echo: ${which}`,
      unit: "µs",
      value: spread(by.map((each, i) => (each[which] - beside[i]![which]) / 1000)),
      note: `${of(by).toFixed(1)} against ${of(beside).toFixed(1)} µs from send to receive`,
      detail: { by, beside },
    };
  });
}

/** Nanoseconds from send to receive. */
interface Taken {
  readonly p50: number;
  readonly p99: number;
}

async function lone(source: Program, { target }: Subject, packets: number): Promise<Taken> {
  const answer = await source.ask(`lone ${target.replace("COUNT", String(packets))}`);
  const match = /^p50 (\d+) p99 (\d+)$/.exec(answer);
  if (!match) throw new Error(`traffic: said ${answer}`);
  return { p50: Number(match[1]), p99: Number(match[2]) };
}

/** What it costs to look for flows where there are none: a TAP that takes super-frames beside one that does not. */
export async function uncoalesced(lab: Lab, { rounds, scale }: Effort): Promise<Figure[]> {
  await lab.setPeersUnderlay("split");
  const packets = Math.round(200_000 * scale);
  await using source = await startTraffic(lab, flows);
  await using plain = await startDatapathProcess(lab, false, flows);
  await using vnet = await startDatapathProcess(lab, false, { ...flows, vnet: true });
  const sides = [plain, vnet];
  for (const subject of sides) {
    const { lost, wrong } = await runTraffic(source, flows, subject, 40 * flows.burst, true);
    if (lost || wrong) throw new Error(`${lost} packets lost, ${wrong} wrong`);
    for (let run = 0; run < 5; run++) await runTraffic(source, flows, subject, packets);
  }
  const cost: number[][] = [[], []];
  for (let round = 0; round < rounds; round++) {
    for (const [i, subject] of sides.entries()) {
      cost[i]!.push((await runTraffic(source, flows, subject, packets)).cpuPerPacket);
    }
  }
  const [without, taken] = cost as [number[], number[]];
  return [{
    row: "uncoalesced",
    what: "UDP of 64 flows to a TAP that takes super-frames, CPU beside one that does not",
    unit: "×",
    value: spread(taken.map((ns, i) => ns / without[i]!)),
    bar: { at: "most", limit: 1.1 },
    note: `${spread(taken).median.toFixed(0)} against ${
      spread(without).median.toFixed(0)
    } ns CPU a packet`,
    detail: { taken, without },
  }];
}
