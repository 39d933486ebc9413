/** The program. To build in a plugin, add it to the list. @module */

import manifest from "../deno.json" with { type: "json" };
import { bridge } from "../plugins/bridge/mod.ts";
import { ethernet } from "../plugins/ethernet/mod.ts";
import { networkInterface } from "../plugins/interface/mod.ts";
import { probe } from "../plugins/probe/mod.ts";
import { sink } from "../plugins/sink/mod.ts";
import type { Plugin } from "../plugins/plugin.ts";
import { main } from "./cli/mod.ts";
import { configFile, withPlugins } from "./config/file.ts";

/** What is built in; others are loaded by their paths. */
const builtIn: readonly Plugin[] = [
  bridge,
  ethernet,
  networkInterface,
  probe,
  sink,
];

const { version } = manifest;
const encoder = new TextEncoder();

if (import.meta.main) {
  const status = await main(Deno.args, {
    version,
    async run(path) {
      // Clients have no use for it: what only `run` needs is loaded only then. The datapath's worker starts meanwhile.
      const { startDatapath } = await import("./datapath/client.ts");
      await using datapath = early(startDatapath());
      const { run } = await import("./run.ts");
      const plugins = await withPlugins(path, builtIn);
      const document = configFile(path, plugins);
      return await run({ version, plugins, document, datapath: datapath.started });
    },
    check: async (path) => await configFile(path, await withPlugins(path, builtIn)).load(),
    readTextFile: (path) => Deno.readTextFile(path),
    exists: (path) => Deno.stat(path).then(() => true, () => false),
    env: (name) => Deno.env.get(name),
    stdout: (text) => writeAll(Deno.stdout, text),
    stderr: (text) => writeAll(Deno.stderr, text),
  });
  Deno.exit(status);
}

/** A datapath that is not waited for yet, and that nobody may come to use. */
function early<T extends AsyncDisposable>(
  started: Promise<T>,
): AsyncDisposable & { readonly started: Promise<T> } {
  // Whoever uses it is told why it did not start.
  const ended = started.then((it) => it, () => undefined);
  return {
    started,
    [Symbol.asyncDispose]: async () => await (await ended)?.[Symbol.asyncDispose](),
  };
}

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
}
