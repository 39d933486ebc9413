/** Circuits as the appliance has them: made from its configuration by the plugins' host. @module */

import type { CallEnd } from "../../core/wire/call_avps.ts";
import { Failure, mayPass } from "../../plugins/failure.ts";
import type { HostedCircuit } from "../../plugins/host/circuit.ts";
import type { PluginHost } from "../../plugins/host/host.ts";
import type { AttachedChannel, PlaceEvents, SessionFacts } from "../../plugins/host/leaves.ts";
import type { Channel, Plugin, Refusal } from "../../plugins/plugin.ts";
import { type PlacedSession, placedSession } from "./placed.ts";
import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import { claimsOf } from "../config/circuit.ts";
import type { CircuitConfig, NamedCircuit } from "../config/model.ts";
import { formatPath } from "../config/problem.ts";
import { attachable, type AttachableOptions, LET_GO, type RunningCircuit } from "./attachable.ts";

export {
  type CallFacts,
  CircuitRefusal,
  type CircuitSession,
  LET_GO,
  type RunningCircuit,
} from "./attachable.ts";

/** A circuit for any number of sessions. Disposal detaches them all; it never fails, but may log. */
export interface SharedCircuit extends AsyncDisposable {
  readonly plugin: string;
  /** Why it would take no call now; undefined: it may take one. */
  refusal(): CallEnd | undefined;
  /**
   * The circuit for one session: disposal lets go of that session only.
   * @param ended called once if the circuit ends the session; it is still to be disposed of then
   */
  share(ended: (why: CallEnd) => void): RunningCircuit;
  /** Takes changed options; false: they need a new circuit. @throws {ApplianceError} and stays as it was */
  reconfigure(config: CircuitConfig): Promise<boolean>;
}

/** What circuits are made from. */
export interface CircuitDependencies {
  readonly host: PluginHost;
  readonly plugins: readonly Plugin[];
  random(length: number): Uint8Array;
}

/** Makes circuits. */
export interface Circuits {
  /**
   * Begins a named circuit. One that cannot be had now is kept, and begun again; sessions that name it are down meanwhile.
   * @throws {ApplianceError} where waiting cannot mend it
   */
  begin(circuit: NamedCircuit): Promise<void>;
  /** Takes changed options of a named circuit; false: it is to be ended and begun anew. @throws {ApplianceError} */
  change(circuit: NamedCircuit): Promise<boolean>;
  /** Ends a named circuit, and its sessions with it. */
  end(name: string): Promise<void>;
  /** Named circuits as they are. */
  named(): readonly NamedState[];
  /**
   * Whether the session at `path` could have a circuit: its options are right, and it claims nothing that another
   * session holds, those at `leaving` left aside. @throws {ApplianceError}
   */
  check(path: string, config: CircuitConfig, leaving?: ReadonlySet<string>): void;
  /** Who holds what such a circuit claims for itself. */
  holders(config: CircuitConfig): ReadonlySet<string>;
  /**
   * Makes a circuit for the session at `path` (`tunnels/branch/sessions/office`).
   * @param broken called once if the circuit breaks or ends the session; it is still to be disposed of then
   * @throws {ApplianceError}
   */
  provision(
    path: string,
    config: CircuitConfig,
    broken: (reason: Error) => void,
  ): Promise<RunningCircuit>;
  /** The same, for the calls of one call template at `path` (`peers/hq/accept/0`). @throws {ApplianceError} */
  provisionShared(
    path: string,
    config: CircuitConfig,
    broken: (reason: Error) => void,
  ): Promise<SharedCircuit>;
  /** The session of a call that a plugin places. @param waits whether its peer is told to go on by its owner only */
  placed(waits: boolean, events: PlaceEvents): PlacedSession;
  /** Attaches a port of a plugin's to a named circuit. @throws {Failure} where there is none of that name */
  attachChannel(
    name: string,
    channel: Channel,
    ended: (why: CallEnd) => void,
    signal: AbortSignal,
  ): Promise<AttachedChannel | Refusal>;
}

/** A named circuit as it is. */
export interface NamedState {
  readonly config: NamedCircuit;
  readonly up: boolean;
  /** Why it is down. */
  readonly reason: string | undefined;
  /** How many sessions it carries. */
  readonly sessions: number;
}

/** A plugin, and a circuit's options as it reads them. */
interface Parsed {
  readonly plugin: Plugin;
  readonly options: object;
}

/** A circuit, and what ends and changes it. */
interface Provisioned {
  readonly plugin: Plugin;
  readonly circuit: HostedCircuit;
  close(): Promise<void>;
  reconfigure(config: CircuitConfig): Promise<boolean>;
}

/** Circuits of a host's plugins. */
export function makeCircuits(dependencies: CircuitDependencies): Circuits {
  return new HostCircuits(dependencies);
}

class HostCircuits implements Circuits {
  readonly #dependencies: Pick<CircuitDependencies, "host" | "plugins">;
  /** What circuits hold for themselves, and whose circuit it is. */
  readonly #claims = new Map<string, { readonly path: string }>();
  readonly #named = new Map<
    string,
    { config: NamedCircuit; readonly circuit: HostedCircuit }
  >();
  readonly #nextId: () => string;

  constructor({ host, plugins, random }: CircuitDependencies) {
    this.#dependencies = { host, plugins };
    this.#nextId = idSource(random);
  }

  async begin(config: NamedCircuit): Promise<void> {
    const { options, plugin } = this.#parse(namedConfig(config));
    const { host } = this.#dependencies;
    const circuit = host.circuit(plugin.name, `circuit ${config.name}`, options);
    this.#named.set(config.name, { config, circuit });
    const failure = await circuit.first;
    if (!failure || mayPass(failure)) return;
    this.#named.delete(config.name);
    await circuit.end(LET_GO);
    await asApplianceErrors(`circuits.${config.name}`, () => Promise.reject(failure));
  }

  async change(config: NamedCircuit): Promise<boolean> {
    const found = this.#named.get(config.name);
    if (!found || found.config.plugin !== config.plugin) return false;
    const { options } = this.#parse(namedConfig(config));
    const taken = await asApplianceErrors(
      `circuits.${config.name}`,
      () => found.circuit.reconfigure(options),
    );
    if (taken) found.config = config;
    return taken;
  }

  async end(name: string): Promise<void> {
    const found = this.#named.get(name);
    this.#named.delete(name);
    await found?.circuit.end(LET_GO);
  }

  named(): readonly NamedState[] {
    return [...this.#named.values()].map(({ circuit, config }) => ({
      config,
      up: circuit.up,
      reason: circuit.reason,
      sessions: circuit.sessions,
    }));
  }

  check(path: string, config: CircuitConfig, leaving?: ReadonlySet<string>): void {
    this.#parse(config);
    for (const claim of this.#claimsOf(config)) {
      const owner = this.#claims.get(claim)?.path;
      if (owner === undefined || owner === path || leaving?.has(owner)) continue;
      refuseClaim(claim, owner);
    }
  }

  holders(config: CircuitConfig): ReadonlySet<string> {
    return new Set(
      this.#claimsOf(config).flatMap((claim) => this.#claims.get(claim)?.path ?? []),
    );
  }

  async provision(
    path: string,
    config: CircuitConfig,
    broken: (reason: Error) => void,
  ): Promise<RunningCircuit> {
    let told = false;
    const breaks = (reason: Error) => {
      if (told) return;
      told = true;
      broken(reason);
    };
    const made = await this.#provisioned(path, config, breaks);
    return this.#inHand(made, config, {
      ended: ({ message, result }, failure) =>
        breaks(failure ?? new Failure("unavailable", message ?? `ended with result ${result}`)),
      reconfigure: made.reconfigure,
      dispose: made.close,
    });
  }

  async provisionShared(
    path: string,
    config: CircuitConfig,
    broken: (reason: Error) => void,
  ): Promise<SharedCircuit> {
    const made = await this.#provisioned(path, config, broken);
    let disposed: Promise<void> | undefined;
    return {
      plugin: made.plugin.name,
      refusal: () => made.circuit.refusal()?.refuse,
      share: (ended) =>
        this.#inHand(made, config, {
          ended,
          reconfigure: () => Promise.resolve(false),
          dispose: () => Promise.resolve(),
        }),
      reconfigure: made.reconfigure,
      [Symbol.asyncDispose]: () => disposed ??= made.close(),
    };
  }

  placed(waits: boolean, events: PlaceEvents): PlacedSession {
    return placedSession(this.#dependencies.host, this.#nextId(), waits, events);
  }

  async attachChannel(
    name: string,
    { options = {}, ...channel }: Channel,
    ended: (why: CallEnd) => void,
    signal: AbortSignal,
  ): Promise<AttachedChannel | Refusal> {
    const found = this.#named.get(name);
    if (!found) throw new Failure("invalid", `there is no circuit ${name}`);
    const { circuit, config } = found;
    const plugin = this.#dependencies.plugins.find((each) => each.name === config.plugin);
    const types = plugin?.pseudowireTypes ?? [];
    if (types.length > 0 && !types.includes(channel.pseudowireType)) {
      const message = `circuit ${name} does not carry pseudowire type ${channel.pseudowireType}`;
      throw new Failure("invalid", message);
    }
    const own = portOptions(plugin, options);
    const facts: SessionFacts = {
      id: this.#nextId(),
      ...channel,
      get said() {
        return channel.said;
      },
      up: true,
      connected: () => Promise.resolve(channel.said),
      tell: () => {},
      carrier: () => {},
    };
    return await circuit.attach(facts, own, ended, signal);
  }

  #claimsOf(config: CircuitConfig): readonly string[] {
    return claimsOf(config, this.#dependencies.plugins);
  }

  #parse({ name: circuitName, options, plugin: name }: CircuitConfig): Parsed {
    const plugin = this.#dependencies.plugins.find((each) => each.name === name);
    if (!plugin?.options) {
      const message = plugin ? `${name} has no circuits` : `there is no plugin ${name}`;
      throw new ApplianceError("invalid", "circuit", message);
    }
    // With a named circuit the options are the session's own, and were checked where they were written.
    if (circuitName !== undefined) return { plugin, options };
    const { success, data, error } = plugin.options.safeParse(options);
    if (success) return { plugin, options: data };
    const [issue] = error.issues;
    const at = formatPath(["circuit", name, ...(issue?.path ?? []).map(key)]);
    throw new ApplianceError("invalid", at, issue?.message ?? "invalid options");
  }

  #provisioned(
    path: string,
    config: CircuitConfig,
    broken: (reason: Error) => void,
  ): Promise<Provisioned> {
    return config.name === undefined
      ? this.#make(path, config, broken)
      : Promise.resolve(this.#lookUp(config));
  }

  async #make(
    path: string,
    config: CircuitConfig,
    broken: (reason: Error) => void,
  ): Promise<Provisioned> {
    const { options, plugin } = this.#parse(config);
    const claims = this.#claims;
    let held = this.#claimsOf(config);
    for (const claim of held) {
      const owner = claims.get(claim);
      if (owner) refuseClaim(claim, owner.path);
    }
    const holder = { path };
    for (const claim of held) claims.set(claim, holder);
    let there = false;
    const { host } = this.#dependencies;
    const circuit = host.circuit(plugin.name, `the circuit of ${path}`, options, {
      changed(failure) {
        if (failure && there) broken(failure);
      },
    });
    const close = async () => {
      there = false;
      await circuit.end(LET_GO);
      for (const claim of held) claims.delete(claim);
    };
    const failure = await circuit.first;
    if (failure) {
      await close();
      await asApplianceErrors(`circuit.${plugin.name}`, () => Promise.reject(failure));
    }
    there = true;
    const reconfigure = async (next: CircuitConfig) => {
      if (next.plugin !== plugin.name) return false;
      const [{ options }, wanted] = [this.#parse(next), this.#claimsOf(next)];
      // What another session still holds may be free by the time of a new circuit.
      if (wanted.some((claim) => (claims.get(claim) ?? holder) !== holder)) return false;
      const taken = await asApplianceErrors(
        `circuit.${plugin.name}`,
        () => circuit.reconfigure(options),
      );
      if (!taken) return false;
      for (const claim of held) claims.delete(claim);
      for (const claim of wanted) claims.set(claim, holder);
      held = wanted;
      return true;
    };
    return { plugin, circuit, close, reconfigure };
  }

  /** A named circuit, for those who attach to it: nothing of it is theirs but their own sessions. */
  #lookUp({ name = "", plugin: pluginName }: CircuitConfig): Provisioned {
    const found = this.#named.get(name);
    const plugin = this.#dependencies.plugins.find((each) => each.name === pluginName);
    if (!found || !plugin) {
      throw new ApplianceError("invalid", "circuit", `there is no circuit ${name}`);
    }
    const { circuit } = found;
    if (!circuit.up) {
      throw new ApplianceError(
        "unavailable",
        "circuit",
        `circuit ${name} is down: ${circuit.reason}`,
      );
    }
    return {
      plugin,
      circuit,
      close: () => Promise.resolve(),
      reconfigure: (next) => Promise.resolve(next.name === name),
    };
  }

  #inHand(
    { circuit, plugin }: Provisioned,
    config: CircuitConfig,
    rest: Pick<AttachableOptions, "dispose" | "ended" | "reconfigure">,
  ): RunningCircuit {
    const { host } = this.#dependencies;
    return attachable({ host, circuit, plugin, config, nextId: this.#nextId, ...rest });
  }
}

/** What a channel says beside a circuit's name, as the circuit's plugin reads it. @throws {Failure} */
function portOptions(plugin: Plugin | undefined, options: object): object {
  if (!plugin?.portOptions) return options;
  const { data, error, success } = plugin.portOptions.safeParse(options);
  if (success) return data;
  const [issue] = error.issues;
  throw new Failure("invalid", issue?.message ?? "invalid options", {
    option: issue?.path.map(String).join(".") ?? "",
  });
}

/** A named circuit's own options. */
function namedConfig({ options, plugin }: NamedCircuit): CircuitConfig {
  return { options, plugin };
}

/** Ids of sessions that no other run of the appliance gives. */
function idSource(random: (length: number) => Uint8Array): () => string {
  const run = random(6).toHex();
  let last = 0;
  return () => `${run}-${(++last).toString(16).padStart(6, "0")}`;
}

function refuseClaim(claim: string, owner: string): never {
  throw new ApplianceError("in-use", "circuit", `${claim} is the circuit of ${owner} already`);
}

function key(part: PropertyKey): string | number {
  return typeof part === "number" ? part : String(part);
}
