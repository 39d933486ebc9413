/** The worker of {@linkcode readBeside}. @module */

/// <reference no-default-lib="true" />
/// <reference lib="deno.worker" />

import { builtIn } from "../built_in.ts";
import type { BesideAnswer, BesideRequest } from "./beside_protocol.ts";
import { editText } from "./edit.ts";
import { exposedSecrets } from "./exposed.ts";
import { modeOf } from "./file_mode.ts";
import { loadPlugins } from "./load_plugins.ts";
import { parseConfig } from "./parse.ts";
import { ConfigError } from "./problem.ts";

/** How many tunnels or peers are handed over at a time: some milliseconds' worth. */
const PART = 250;

const post = (answer: BesideAnswer) => self.postMessage(answer);

/** Goes on with the next part: they come one by one, so that none has to wait for others in one turn of the reader's. */
let taken = () => {};

self.onmessage = async ({ data }: MessageEvent<BesideRequest | "taken">) => {
  if (data === "taken") return taken();
  try {
    await read(data);
  } catch (error) {
    if (error instanceof ConfigError) {
      post({ kind: "wrong", problems: error.problems, more: error.more });
    } else post({ kind: "failed", error: error instanceof Error ? error.message : String(error) });
  }
};

/** Hands a part over, and waits until it was taken in. */
async function hand(part: BesideAnswer): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  taken = resolve;
  post(part);
  await promise;
}

async function read({ defaults, edits, file, text }: BesideRequest): Promise<void> {
  const plugins = [...builtIn, ...await loadPlugins(text, file, builtIn)];
  const secretFiles: string[] = [];
  const readFile = (path: string) => {
    secretFiles.push(path);
    return Deno.readTextFileSync(path);
  };
  const whole = edits.length > 0 ? editText(text, edits) : text;
  const config = parseConfig(whole, { file, plugins, defaults, readFile });
  for (const key of ["peers", "tunnels", "managed"] as const) {
    const items = config[key];
    for (let i = 0; i < items.length; i += PART) {
      await hand({ kind: "part", key, items: items.slice(i, i + PART) as typeof items });
    }
  }
  const warnings = exposedSecrets(file, text, secretFiles, modeOf);
  post({ kind: "whole", config: { ...config, peers: [], tunnels: [], managed: [] }, warnings });
}
