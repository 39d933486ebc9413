/** Large configurations, read beside the main isolate, which has peers to answer meanwhile. @module */

import type { Edit } from "./edit.ts";
import type { Config } from "./model.ts";
import { ConfigError, type ConfigProblem } from "./problem.ts";
import type { ParseOptions } from "./reading.ts";

/** What is read. */
export interface BesideRequest {
  readonly text: string;
  readonly edits: readonly Edit[];
  readonly file: string;
  readonly defaults: ParseOptions["defaults"];
}

/** What came of it. */
export interface Reading {
  readonly config: Config;
  readonly warnings: readonly string[];
}

/** What the worker says: a configuration in parts, none of which takes long to take in. */
export type BesideAnswer =
  | {
    readonly kind: "part";
    readonly key: "tunnels" | "managed" | "peers";
    readonly items: Config["tunnels"] | Config["managed"] | Config["peers"];
  }
  | { readonly kind: "whole"; readonly config: Config; readonly warnings: readonly string[] }
  | { readonly kind: "wrong"; readonly problems: readonly ConfigProblem[]; readonly more: number }
  | { readonly kind: "failed"; readonly error: string };

/** From how many UTF-16 units on a text is read beside: less than that takes some 20 ms. */
export const BESIDE_LENGTH = 64 * 1024;
/** How long it may take, in milliseconds. */
const LIMIT_MS = 120_000;

/** Reads a configuration in a worker of its own, whose memory goes with it. @throws {ConfigError} */
export async function readBeside(request: BesideRequest): Promise<Reading> {
  const worker = new Worker(new URL("./beside_worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<Reading>();
  const parts: Record<"tunnels" | "managed" | "peers", unknown[]> = {
    tunnels: [],
    managed: [],
    peers: [],
  };
  worker.onmessage = ({ data }: MessageEvent<BesideAnswer>) => {
    if (data.kind === "part") { for (const item of data.items) parts[data.key].push(item); }
    else if (data.kind === "wrong") reject(new ConfigError(data.problems, data.more));
    else if (data.kind === "failed") reject(new Error(data.error));
    else resolve({ config: { ...data.config, ...parts } as Config, warnings: data.warnings });
  };
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(`cannot read the configuration: ${event.message}`));
  };
  const late = setTimeout(() => {
    const message = `takes more than ${LIMIT_MS / 1000} s to read; expected a smaller file`;
    reject(new ConfigError([{ file: request.file, line: 1, column: 1, path: "", message }]));
  }, LIMIT_MS);
  try {
    worker.postMessage(request);
    return await promise;
  } finally {
    clearTimeout(late);
    worker.terminate();
  }
}
