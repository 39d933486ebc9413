/** How live the main isolate stays while the worker has more to do than it can (docs/performance.md). @module */

import type { Effort } from "../compare.ts";
import type { Figure } from "../figure.ts";
import type { Lab } from "../lab.ts";
import { quantile, spread } from "../measure.ts";
import { runTraffic, startDatapathProcess, startTraffic } from "../subjects.ts";
import { forwarding } from "./forwarding.ts";

/** Milliseconds that timers of the main isolate come late, both threads on one core. */
export async function lateness(lab: Lab, { rounds, scale }: Effort): Promise<Figure[]> {
  const { traffic } = forwarding.find(({ row }) => row === "switch")!;
  await lab.setPeersUnderlay("split");
  await using source = await startTraffic(lab, traffic);
  await using subject = await startDatapathProcess(lab, false, traffic);
  await runTraffic(source, traffic, subject, 50_000);

  const samples: number[][] = [];
  let busy = 0, elapsed = 0;
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    let answer: string | undefined;
    const asked = subject.program.ask(`lateness ${2000 * scale}`).then((line) => answer = line);
    while (answer === undefined) {
      const { cpuPerPacket, forwarded, seconds } = await runTraffic(
        source,
        traffic,
        subject,
        50_000,
      );
      busy += cpuPerPacket * forwarded / 1e9;
      elapsed += seconds;
    }
    await asked;
    samples.push((JSON.parse(answer) as number[]).toSorted((a, b) => a - b));
  }
  const of = (q: number) => spread(samples.map((sorted) => quantile(sorted, q)));
  return [{
    row: "lateness",
    what: "timers of the main isolate late (p99), worker saturated, both on one core",
    unit: "ms",
    value: of(0.99),
    bar: { at: "most", limit: 10 },
    note: `p50 ${of(0.5).median.toFixed(2)} ms, max ${of(1).max.toFixed(1)} ms; ` +
      `core ${(100 * busy / elapsed).toFixed(0)} % busy`,
    detail: { p50: of(0.5), p99: of(0.99), max: of(1), timers: samples.flat().length },
  }];
}
