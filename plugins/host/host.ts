/**
 * The host of all plugins: their services, started in the order of who uses whom, and their circuits. The appliance and
 * the tests of plugins run this very code, over other leaves.
 *
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import type { CallEnd } from "../../core/wire/call_avps.ts";
import type { FrameType } from "../../core/pseudowire.ts";
import { Failure } from "../failure.ts";
import type { Plugin, Service } from "../plugin.ts";
import type { Json, Row } from "../values.ts";
import { change } from "./attachment.ts";
import {
  type CircuitEvents,
  type HostedCircuit,
  makeCircuit,
  type ServedCircuit,
} from "./circuit.ts";
import type { OpenForwarder } from "./forwarders.ts";
import { keep, type Keeper, type Listing } from "./keeper.ts";
import type { Leaves, PortId } from "./leaves.ts";
import { type Life, makeLife } from "./life.ts";
import { makePorts, type OwnedPort, type Ports } from "./ports.ts";
import { makeScope, type ScopeSetting } from "./scope.ts";

/** Something that shall be there and is not. */
export interface Down {
  readonly what: string;
  readonly reason: string;
  /** Unix milliseconds. */
  readonly since: number;
  /** When it is begun again, in the clock's time; undefined: not before something is changed. */
  readonly retryAt: number | undefined;
}

/** The host. */
export interface PluginHost {
  /** Starts the services. @param sections by plugin; resolves when each was up or failed, with the failures by plugin */
  start(sections: ReadonlyMap<string, object>): Promise<ReadonlyMap<string, Error>>;
  /** Takes a changed section, where need be by starting the service anew; which of both. Throws, and has gone back then. */
  reconfigure(plugin: string, section: object): Promise<"changed" | "restarted">;
  /** A circuit that is wanted from now on. @param label for messages */
  circuit(plugin: string, label: string, options: object, events?: CircuitEvents): HostedCircuit;
  /** A session's port, for {@linkcode SessionFacts}. */
  port(name: string, id: PortId, frames: FrameType, frameMtu: () => number): OwnedPort;
  hasView(view: string): boolean;
  hasWord(word: string): boolean;
  /** The rows of a plugin's view. @throws {Failure} */
  show(view: string, name?: string): AsyncIterable<Row>;
  /** Does what a word asks. */
  run(word: string, given: object): Promise<Json>;
  /** All that is kept and down. */
  down(): Down[];
  /** Ends everything. */
  end(why: CallEnd): Promise<void>;
}

interface Entry {
  readonly plugin: Plugin;
  readonly setting: ScopeSetting;
  section: object;
  keeper: Keeper | undefined;
  service: Service | undefined;
  readonly circuits: Set<ServedCircuit>;
}

const RESTART: CallEnd = { result: 3, message: "the configuration changed" };

export function makeHost(leaves: Leaves, plugins: readonly Plugin[]): PluginHost {
  return new Host(leaves, plugins);
}

class Host implements PluginHost {
  readonly #leaves: Leaves;
  readonly #plugins: readonly Plugin[];
  readonly #ports: Ports;
  readonly #root: Life;
  readonly #listing: Listing = new Set();
  readonly #entries = new Map<string, Entry>();
  readonly #opened = new WeakMap<object, OpenForwarder>();
  readonly #stores = new Map<string, DatabaseSync>();

  constructor(leaves: Leaves, plugins: readonly Plugin[]) {
    this.#leaves = leaves;
    this.#plugins = plugins;
    this.#ports = makePorts(leaves);
    this.#root = makeLife(leaves, "the host");
    for (const plugin of plugins) {
      this.#entries.set(plugin.name, {
        plugin,
        setting: this.#settingOf(plugin),
        section: {},
        keeper: undefined,
        service: undefined,
        circuits: new Set(),
      });
    }
  }

  async start(sections: ReadonlyMap<string, object>): Promise<ReadonlyMap<string, Error>> {
    const failures = new Map<string, Error>();
    for (const name of inOrder(this.#plugins)) {
      const entry = this.#entryOf(name);
      entry.section = sections.get(name) ?? entry.section;
      const failure = await this.#begin(entry);
      if (failure) failures.set(name, failure);
    }
    return failures;
  }

  async reconfigure(name: string, section: object): Promise<"changed" | "restarted"> {
    const entry = this.#entryOf(name);
    const before = entry.section;
    const { keeper, service } = entry;
    if (service && keeper?.life && await change(service, before, section, keeper.life)) {
      entry.section = section;
      return "changed";
    }
    entry.section = section;
    const failure = await keeper?.restart(RESTART);
    if (failure instanceof Failure && failure.code === "invalid") {
      entry.section = before;
      await keeper?.restart(RESTART);
      throw failure;
    }
    return "restarted";
  }

  circuit(
    name: string,
    label: string,
    options: object,
    events: CircuitEvents = {},
  ): HostedCircuit {
    this.#root.refuseEnded();
    const entry = this.#entryOf(name);
    const circuit = makeCircuit(entry.setting, label, options, {
      ...events,
      over: () => entry.circuits.delete(circuit),
    });
    entry.circuits.add(circuit);
    if (entry.service) circuit.begin(entry.service, entry.keeper!.life!);
    else if (entry.keeper?.failure) circuit.serviceDown(entry.keeper.failure);
    return circuit;
  }

  port(name: string, id: PortId, frames: FrameType, frameMtu: () => number): OwnedPort {
    return this.#ports.make(name, id, frames, frameMtu);
  }

  hasView(name: string): boolean {
    return this.#plugins.some(({ views }) => views?.some((view) => view.name === name));
  }

  hasWord(name: string): boolean {
    return this.#plugins.some(({ words }) => words?.some(({ word }) => word === name));
  }

  show(view: string, name?: string): AsyncIterable<Row> {
    const { plugin } = find(
      this.#plugins,
      ({ views }) => views,
      (each) => each.name === view,
      view,
    );
    return this.#serviceOf(plugin.name).show?.(view, name) ?? nothing();
  }

  async run(word: string, given: object): Promise<Json> {
    const found = find(this.#plugins, ({ words }) => words, (each) => each.word === word, word);
    const { data, error, success } = found.thing.given.safeParse(given);
    if (!success) {
      const [issue] = error.issues;
      const path = issue?.path.map(String) ?? [];
      const missing = path.length === 1 && !(path[0]! in given);
      throw new Failure("invalid", missing ? "missing" : issue?.message ?? "wrong", {
        option: path.join("."),
      });
    }
    return await this.#serviceOf(found.plugin.name).run?.(word, data) ?? null;
  }

  down(): Down[] {
    const leaves = this.#leaves;
    return [...this.#listing].flatMap(({ downAt, failure, label, retryAt }) =>
      downAt === undefined ? [] : {
        what: label,
        reason: failure?.message ?? "",
        since: leaves.date() - (leaves.clock.now() - downAt),
        retryAt,
      }
    );
  }

  end(why: CallEnd): Promise<void> {
    return this.#root.end(why);
  }

  #settingOf(plugin: Plugin): ScopeSetting {
    return {
      plugin: plugin.name,
      leaves: this.#leaves,
      ports: this.#ports,
      listing: this.#listing,
      opened: this.#opened,
      service: (name) => {
        if (plugin.uses?.includes(name)) return this.#serviceOf(name).shared;
        const asked = plugin.asks?.includes(name);
        if (asked && this.#entries.has(name)) return this.#serviceOf(name).shared;
        if (asked) throw new Failure("unavailable", `there is no plugin ${name}`);
        throw new Failure(
          "invalid",
          `${plugin.name} names ${name} in neither \`uses\` nor \`asks\``,
        );
      },
      store: () => this.#storeOf(plugin.name),
    };
  }

  #storeOf(name: string): DatabaseSync {
    const known = this.#stores.get(name);
    if (known) return known;
    const store = this.#leaves.openStore(name);
    this.#stores.set(name, store);
    this.#root.push(() => store.close());
    return store;
  }

  #entryOf(name: string): Entry {
    const entry = this.#entries.get(name);
    if (!entry) throw new Failure("invalid", `there is no plugin ${name}`);
    return entry;
  }

  #serviceOf(name: string): Service {
    const { keeper, service } = this.#entryOf(name);
    if (service) return service;
    const reason = keeper?.failure?.message ?? "not up yet";
    throw new Failure("unavailable", `the plugin ${name} is down: ${reason}`);
  }

  #begin(entry: Entry): Promise<Error | undefined> {
    const { plugin, setting } = entry;
    entry.keeper ??= keep(
      this.#root,
      { clock: this.#leaves.clock, listing: this.#listing },
      plugin.name,
      async (life) => {
        for (const name of plugin.uses ?? []) this.#serviceOf(name);
        const service = await plugin.start(makeScope(life, setting), entry.section);
        if (!life.ending) entry.service = service;
      },
      (keeper) => this.#changed(entry, keeper),
    );
    return entry.keeper.first;
  }

  #changed(entry: Entry, keeper: Keeper): void {
    if (entry.keeper !== keeper) return;
    if (keeper.state === "up") {
      for (const circuit of entry.circuits) circuit.begin(entry.service!, keeper.life!);
    } else {
      entry.service = undefined;
      for (const circuit of entry.circuits) circuit.serviceDown(keeper.failure!);
    }
    for (const other of this.#entries.values()) {
      if (!other.plugin.uses?.includes(entry.plugin.name)) continue;
      // Who uses it begins with it, and goes with it.
      if (keeper.state === "up") void other.keeper?.restart(RESTART);
      else other.keeper?.life?.fail(downOf(entry.plugin.name, keeper));
    }
  }
}

function downOf(name: string, { failure }: Keeper): Failure {
  return new Failure("unavailable", `the plugin ${name} is down: ${failure?.message}`);
}

async function* nothing(): AsyncIterable<Row> {}

/** The plugin that has what is asked for among its views or words. */
function find<T>(
  plugins: readonly Plugin[],
  of: (plugin: Plugin) => readonly T[] | undefined,
  fits: (thing: T) => boolean,
  name: string,
): { readonly plugin: Plugin; readonly thing: T } {
  for (const plugin of plugins) {
    const thing = of(plugin)?.find(fits);
    if (thing) return { plugin, thing };
  }
  throw new Failure("invalid", `there is no ${name}`);
}

/** The names of plugins, each after those that it uses. @throws {Failure} where they use each other in a circle */
export function inOrder(plugins: readonly Plugin[]): string[] {
  const done = new Set<string>();
  const visit = (name: string, path: readonly string[]) => {
    if (done.has(name)) return;
    if (path.includes(name)) {
      throw new Failure("invalid", `plugins use each other in a circle: ${path.join(", ")}`);
    }
    const plugin = plugins.find((each) => each.name === name);
    if (!plugin) throw new Failure("invalid", `${path.at(-1)} uses ${name}, which is not there`);
    for (const used of plugin.uses ?? []) visit(used, [...path, name]);
    done.add(name);
  };
  for (const { name } of plugins) visit(name, []);
  return [...done];
}
