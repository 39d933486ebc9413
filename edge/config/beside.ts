/** Large configurations, read beside the main isolate, which has peers to answer meanwhile. @module */

import type { BesideAnswer, BesideRequest, Reading } from "./beside_protocol.ts";
import type { Config } from "./model.ts";
import { ConfigError } from "./problem.ts";

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
    if (data.kind === "part") {
      for (const item of data.items) parts[data.key].push(item);
      worker.postMessage("taken");
    } else if (data.kind === "wrong") reject(new ConfigError(data.problems, data.more));
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
