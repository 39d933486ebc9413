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

self.onmessage = async ({ data }: MessageEvent<BesideRequest>) => {
  try {
    await read(data);
  } catch (error) {
    if (error instanceof ConfigError) {
      post({ kind: "wrong", problems: error.problems, more: error.more });
    } else post({ kind: "failed", error: error instanceof Error ? error.message : String(error) });
  }
};

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
      post({ kind: "part", key, items: items.slice(i, i + PART) as typeof items });
    }
  }
  const warnings = exposedSecrets(file, text, secretFiles, modeOf);
  post({ kind: "whole", config: { ...config, peers: [], tunnels: [], managed: [] }, warnings });
}
