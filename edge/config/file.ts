/** The configuration as a file. @module */

import { dirname } from "node:path";
import type { Plugin } from "../../plugins/plugin.ts";
import { ownSocket } from "./admin_socket.ts";
import { type ConfigDocument, makeDocument } from "./document.ts";
import { readBeside } from "./beside.ts";
import { modeOf } from "./file_mode.ts";
import { loadPlugins } from "./load_plugins.ts";
import { inSlices } from "../slices.ts";
import { decodeUtf8 } from "./utf8.ts";

/**
 * The plugins that are built in, and those that a file names.
 * @throws {ConfigError} where one of these cannot be loaded
 */
export async function withPlugins(
  file: string,
  builtIn: readonly Plugin[],
): Promise<readonly Plugin[]> {
  // What is wrong with the file itself is told when it is read as a configuration.
  const text = await Deno.readTextFile(file).catch(() => "");
  return [...builtIn, ...await loadPlugins(text, file, builtIn)];
}

/** The configuration of a file. */
export function configFile(file: string, plugins: readonly Plugin[]): ConfigDocument {
  return makeDocument({
    file,
    plugins,
    hostName: Deno.hostname(),
    // Where systemd gives a state folder, it is that one.
    stateFolder: Deno.env.get("STATE_DIRECTORY")?.split(":")[0],
    adminSocket: ownSocket({ uid: Deno.uid() ?? 0, env: (name) => Deno.env.get(name) }),
    readText: async () => await inSlices(decodeUtf8(await Deno.readFile(file))),
    readSecret: (path) => Deno.readTextFileSync(path),
    modeOf,
    readBeside,
    writeText: (text) => replaceFile(file, text),
  });
}

/** Puts a whole file in the place of another, which keeps its mode: nobody ever reads half of it. */
async function replaceFile(file: string, text: string): Promise<void> {
  const { mode } = await Deno.stat(file);
  const next = await Deno.makeTempFile({ dir: dirname(file), prefix: ".isthmus-" });
  try {
    await Deno.writeTextFile(next, text);
    if (mode !== null) await Deno.chmod(next, mode & 0o777);
    await Deno.rename(next, file);
  } catch (error) {
    await Deno.remove(next).catch(() => {});
    throw error;
  }
}
