/** The program. @module */

import manifest from "../deno.json" with { type: "json" };
import { main } from "./cli/mod.ts";
import { followSignals } from "./process/signals.ts";

const { version } = manifest;
const encoder = new TextEncoder();
const fresh = { write: true, create: true, truncate: true, mode: 0o600 };
type Stream = { writeSync(bytes: Uint8Array): number };

if (import.meta.main) {
  const status = await main(Deno.args, {
    version,
    async run(path) {
      const signals = followSignals();
      // Clients have no use for it: what only `run` needs is loaded only then. The datapath's worker starts meanwhile.
      const { startDatapath } = await import("./datapath/client.ts");
      await using datapath = early(startDatapath());
      const { run } = await import("./run.ts");
      const { document, plugins } = await configured(path);
      return await run({ version, plugins, document, datapath: datapath.started, signals });
    },
    check: async (path) => (await (await configured(path)).document.load()).warnings,
    readTextFile: (path) => Deno.readTextFile(path),
    exists: (path) => Deno.stat(path).then(() => true, () => false),
    uid: () => Deno.uid() ?? 0,
    env: (name) => Deno.env.get(name),
    stdout: (text) => writeAll(Deno.stdout, text),
    stderr: (text) => writeAll(Deno.stderr, text),
    columns: () => Deno.stdout.isTerminal() ? Deno.consoleSize().columns : undefined,
    sleep: (ms) => new Promise((resolve) => setTimeout(() => resolve(true), ms)),
    create: (path) => writer(path === "-" ? Deno.stdout : Deno.openSync(path, fresh)),
  });
  Deno.exit(status);
}

/** A configuration file, and the plugins that it may name. */
async function configured(path: string) {
  const [{ builtIn }, { configFile, withPlugins }] = await Promise.all([
    import("./built_in.ts"),
    import("./config/file.ts"),
  ]);
  const plugins = await withPlugins(path, builtIn);
  return { plugins, document: configFile(path, plugins) };
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

function writeAll(stream: Stream, text: string): void {
  writer(stream)(encoder.encode(text));
}

function writer(stream: Stream): (bytes: Uint8Array) => void {
  return (bytes) => {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(stream.writeSync(rest));
  };
}
