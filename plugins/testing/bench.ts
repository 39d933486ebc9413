/** A world with a host on it, for tests of plugins. @module */

import { makeHost, type PluginHost } from "../host/host.ts";
import type { Plugin } from "../plugin.ts";
import { makeWorld, settle, type World } from "./world.ts";

/** The end that tests give things. */
export const WHY = { result: 3, message: "the test ends it" };

/** Starts plugins in a world. @param sections by plugin */
export async function startPlugins(
  // deno-lint-ignore no-explicit-any
  plugins: readonly Plugin<any, any, any>[],
  sections: Readonly<Record<string, object>> = {},
): Promise<{ world: World; host: PluginHost; failures: ReadonlyMap<string, Error> }> {
  const world = makeWorld();
  const host = makeHost(world.leaves, plugins);
  world.host = host;
  const starting = host.start(new Map(Object.entries(sections)));
  await settle();
  return { world, host, failures: await starting };
}
