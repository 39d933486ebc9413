/** The configuration as a file. @module */

import { dirname } from "node:path";
import type { Plugin } from "../../plugins/plugin.ts";
import { type ConfigDocument, makeDocument } from "./document.ts";

/** The configuration of a file. */
export function configFile(file: string, plugins: readonly Plugin[]): ConfigDocument {
  return makeDocument({
    file,
    plugins,
    hostName: Deno.hostname(),
    readText: () => Deno.readTextFile(file),
    readSecret: (path) => Deno.readTextFileSync(path),
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
