/** What a configuration says, by the paths of its keys. Pure. @module */

import type { Config } from "./model.ts";

/** Whether a configuration has a peer, a circuit, a tunnel or a session: `peers/hq`, `tunnels/branch/sessions/office`. */
export function says(config: Config | undefined, path: readonly string[]): boolean {
  if (!config) return false;
  let names = namesOf.get(config);
  if (!names) namesOf.set(config, names = new Names(config));
  return names.has(path);
}

/** Of each configuration that was asked about: a page of tunnels asks for each of them, of which there may be very many. */
const namesOf = new WeakMap<Config, Names>();

type Named = { readonly name: string };

/** What a configuration has, by name: looked through once for each section, and for each tunnel, that is asked about. */
class Names {
  readonly #config: Config;
  readonly #sections = new Map<string, ReadonlyMap<string, Named>>();
  readonly #inside = new Map<string, ReadonlySet<string>>();

  constructor(config: Config) {
    this.#config = config;
  }

  has([section = "", name = "", , session]: readonly string[]): boolean {
    const thing = this.#section(section).get(name);
    if (!thing || session === undefined || section !== "tunnels") return thing !== undefined;
    let inside = this.#inside.get(name);
    if (!inside) {
      const { sessions, calls } = thing as {
        sessions?: readonly Named[];
        calls?: readonly Named[];
      };
      inside = new Set((sessions ?? calls ?? []).map(({ name }) => name));
      this.#inside.set(name, inside);
    }
    return inside.has(session);
  }

  #section(section: string): ReadonlyMap<string, Named> {
    let named = this.#sections.get(section);
    if (!named) {
      const { circuits, managed, peers, tunnels } = this.#config;
      const all: readonly Named[] = section === "peers"
        ? peers
        : section === "circuits"
        ? circuits
        : section === "tunnels"
        ? [...managed, ...tunnels]
        : [];
      this.#sections.set(section, named = new Map(all.map((each) => [each.name, each])));
    }
    return named;
  }
}
