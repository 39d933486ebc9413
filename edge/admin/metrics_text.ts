/**
 * Metrics as Prometheus' text format has them, version 0.0.4. Written here: a library for it is read in with some tens
 * of milliseconds in one turn of the event loop, which is more than all scrapes take. Pure.
 *
 * @module
 */

import type { Metric } from "./metrics_samples.ts";

export const metricsType = "text/plain; version=0.0.4; charset=utf-8";

/** A metric: its help, its type, and a line for each value. */
export function metricText([type, name, help, samples]: Metric): string {
  const sentence = `${help.charAt(0).toUpperCase()}${help.slice(1)}`.replace(/[^.]$/, "$&.");
  const lines = samples.map(([labels, value]) =>
    `${name}${labelText(labels)} ${numberText(value)}\n`
  );
  return `# HELP ${name} ${escaped(sentence)}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([label, value]) =>
    `${label}="${escaped(value).replaceAll('"', '\\"')}"`
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  return value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value);
}
