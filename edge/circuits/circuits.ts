/** Circuits as the appliance has them: made from its configuration by the plugins' host, and attached to sessions. @module */

import type { CallAvps, CallEnd, CallMessage } from "../../core/wire/call_avps.ts";
import { CdnResult } from "../../core/errors.ts";
import { frameTypeOf, type PseudowireType } from "../../core/pseudowire.ts";
import { isDeepStrictEqual } from "node:util";
import { Failure, mayPass } from "../../plugins/failure.ts";
import type { Attached, SessionFacts } from "../../plugins/host/attachment.ts";
import type { HostedCircuit } from "../../plugins/host/circuit.ts";
import type { PluginHost } from "../../plugins/host/host.ts";
import type { PortId } from "../../plugins/host/leaves.ts";
import type { OwnedPort } from "../../plugins/host/ports.ts";
import type { Attachment, Plugin, Row } from "../../plugins/plugin.ts";
import { isRefusal } from "../../plugins/session.ts";
import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import { claimsOf } from "../config/circuit.ts";
import type { CircuitConfig, NamedCircuit, TunnelConfig } from "../config/model.ts";
import { formatPath } from "../config/problem.ts";

/** What a call knows of itself; a static session knows nothing. */
export interface CallFacts {
  readonly request?: "ICRQ" | "OCRQ";
  /** What the peer calls itself. */
  readonly hostName?: string;
  /** What the peer has said so far. */
  readonly said?: CallAvps;
  /** {@linkcode Session.tell}; absent: there is no peer to tell. */
  readonly tell?: SessionFacts["tell"];
}

/** A session that is to be attached, as it is now. */
export interface CircuitSession extends CallFacts {
  /** `<tunnel>/<session>`. */
  readonly name: string;
  readonly pseudowireType: PseudowireType;
  readonly tunnel: TunnelConfig;
  readonly port: PortId;
  readonly frameMtu: number;
  readonly up: boolean;
}

/** A circuit in the hands of one session. Disposal lets go of everything; it never fails, but may log. */
export interface RunningCircuit extends AsyncDisposable {
  readonly plugin: string;
  /** What the plugin tells of the session, while it is attached. */
  readonly attachment: Attachment | undefined;
  /** @throws {CircuitRefusal} where the circuit refuses the session, {@linkcode ApplianceError} where it cannot be attached */
  attach(session: CircuitSession): Promise<void>;
  detach(why?: CallEnd): Promise<void>;
  /** Tells the plugin of a changed path. @throws {ApplianceError} where it cannot follow; it stays as it was then */
  setFrameMtu(bytes: number): Promise<void>;
  /** Tells the plugin whether frames can flow. */
  setUp(up: boolean): void;
  /** Tells the plugin what the peer said. */
  hear(message: CallMessage, said: CallAvps): void;
  /** Takes changed options; false: they need a new circuit. @throws {ApplianceError} and stays as it was */
  reconfigure(config: CircuitConfig): Promise<boolean>;
}

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

/** A circuit will not have a session. */
export class CircuitRefusal extends ApplianceError {
  constructor(attribute: string, /** What a peer is told. */ readonly end: CallEnd) {
    super("in-use", attribute, end.message ?? `refused with result ${end.result}`);
  }
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

/** A circuit, and what ends and changes it. */
interface Provisioned {
  readonly plugin: Plugin;
  readonly circuit: HostedCircuit;
  close(): Promise<void>;
  reconfigure(config: CircuitConfig): Promise<boolean>;
}

const LET_GO: CallEnd = { result: CdnResult.Administrative, message: "the circuit was let go of" };

/** Circuits of a host's plugins. */
export function makeCircuits({ host, plugins, random }: CircuitDependencies): Circuits {
  /** What circuits hold for themselves, and whose circuit it is. */
  const claims = new Map<string, { readonly path: string }>();
  const sessionId = idSource(random);
  const named = new Map<string, { config: NamedCircuit; readonly circuit: HostedCircuit }>();

  const parse = ({ name: circuitName, options, plugin: name }: CircuitConfig) => {
    const plugin = plugins.find((each) => each.name === name);
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
  };
  const refuseClaimed = (path: string, config: CircuitConfig, leaving?: ReadonlySet<string>) => {
    for (const claim of claimsOf(config, plugins)) {
      const owner = claims.get(claim)?.path;
      if (owner === undefined || owner === path || leaving?.has(owner)) continue;
      refuseClaim(claim, owner);
    }
  };

  const make = async (
    path: string,
    config: CircuitConfig,
    broken: (reason: Error) => void,
  ): Promise<Provisioned> => {
    const { options, plugin } = parse(config);
    let held = claimsOf(config, plugins);
    for (const claim of held) {
      const owner = claims.get(claim);
      if (owner) refuseClaim(claim, owner.path);
    }
    const holder = { path };
    for (const claim of held) claims.set(claim, holder);
    let there = false;
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
      const [{ options }, wanted] = [parse(next), claimsOf(next, plugins)];
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
  };

  /** A named circuit, for those who attach to it: nothing of it is theirs but their own sessions. */
  const lookUp = ({ name = "", plugin: pluginName }: CircuitConfig): Provisioned => {
    const found = named.get(name);
    const plugin = plugins.find((each) => each.name === pluginName);
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
  };
  const provisioned = (path: string, config: CircuitConfig, broken: (reason: Error) => void) =>
    config.name === undefined ? make(path, config, broken) : Promise.resolve(lookUp(config));

  const inHand = (
    { circuit, plugin }: Provisioned,
    config: CircuitConfig,
    ended: (why: CallEnd, failure: Error | undefined) => void,
    rest: Pick<RunningCircuit, "reconfigure"> & { dispose(): Promise<void> },
  ) => attachable({ host, circuit, plugin, config, nextId: sessionId, ended }, rest);

  return {
    async begin(config) {
      const { options, plugin } = parse(namedConfig(config));
      const circuit = host.circuit(plugin.name, `circuit ${config.name}`, options);
      named.set(config.name, { config, circuit });
      const failure = await circuit.first;
      if (!failure || mayPass(failure)) return;
      named.delete(config.name);
      await circuit.end(LET_GO);
      await asApplianceErrors(`circuits.${config.name}`, () => Promise.reject(failure));
    },
    async change(config) {
      const found = named.get(config.name);
      if (!found || found.config.plugin !== config.plugin) return false;
      const { options } = parse(namedConfig(config));
      const taken = await asApplianceErrors(
        `circuits.${config.name}`,
        () => found.circuit.reconfigure(options),
      );
      if (taken) found.config = config;
      return taken;
    },
    async end(name) {
      const found = named.get(name);
      named.delete(name);
      await found?.circuit.end(LET_GO);
    },
    named: () =>
      [...named.values()].map(({ circuit, config }) => ({
        config,
        up: circuit.up,
        reason: circuit.reason,
        sessions: circuit.sessions,
      })),
    check(path, config, leaving) {
      parse(config);
      refuseClaimed(path, config, leaving);
    },
    holders: (config) =>
      new Set(claimsOf(config, plugins).flatMap((claim) => claims.get(claim)?.path ?? [])),
    async provision(path, config, broken) {
      let told = false;
      const breaks = (reason: Error) => {
        if (told) return;
        told = true;
        broken(reason);
      };
      const made = await provisioned(path, config, breaks);
      const ended = ({ message, result }: CallEnd, failure: Error | undefined) =>
        breaks(failure ?? new Failure("unavailable", message ?? `ended with result ${result}`));
      return inHand(made, config, ended, {
        reconfigure: made.reconfigure,
        dispose: made.close,
      });
    },
    async provisionShared(path, config, broken) {
      const made = await provisioned(path, config, broken);
      let disposed: Promise<void> | undefined;
      return {
        plugin: made.plugin.name,
        refusal: () => made.circuit.refusal()?.refuse,
        share: (ended) =>
          inHand(made, config, ended, {
            reconfigure: () => Promise.resolve(false),
            dispose: () => Promise.resolve(),
          }),
        reconfigure: made.reconfigure,
        [Symbol.asyncDispose]: () => disposed ??= made.close(),
      };
    },
  };
}

/** A circuit for one session to attach to. */
function attachable(
  { circuit, config, ended, host, nextId, plugin }: {
    readonly circuit: HostedCircuit;
    readonly config: CircuitConfig;
    readonly host: PluginHost;
    readonly plugin: Plugin;
    ended(why: CallEnd, failure: Error | undefined): void;
    nextId(): string;
  },
  { dispose, reconfigure }: Pick<RunningCircuit, "reconfigure"> & { dispose(): Promise<void> },
): RunningCircuit {
  let portOptions = portOptionsOf(config);
  let session: LiveSession | undefined;
  let attached: Attached | undefined;
  /** Calls off the attaching that is under way. */
  let asking: AbortController | undefined;
  let disposed: Promise<void> | undefined;

  /** What is being undone: whoever asks for it again waits for it, too. */
  let leaving: Promise<void> = Promise.resolve();

  const letGo = async (before: Promise<void>, why: CallEnd) => {
    const [former, its] = [attached, session];
    attached = undefined;
    session = undefined;
    asking?.abort();
    its?.ended.reject(new Failure("unavailable", why.message ?? "the session has ended"));
    await former?.end(why);
    its?.port.end();
    await before;
  };
  const detach = (why: CallEnd = LET_GO) => leaving = letGo(leaving, why);

  return {
    plugin: plugin.name,
    get attachment() {
      return attached?.attachment;
    },
    attach: (given) =>
      asApplianceErrors(`circuit.${plugin.name}`, async () => {
        if (!plugin.pseudowireTypes.includes(given.pseudowireType)) {
          const message = `${plugin.name} does not carry pseudowire type ${given.pseudowireType}`;
          throw new ApplianceError("invalid", "circuit", message);
        }
        const its = liveSession(host, given, nextId());
        session = its;
        const calling = new AbortController();
        asking = calling;
        try {
          const answer = await circuit.attach(its.facts, portOptions, ended, calling.signal);
          if (isRefusal(answer)) throw new CircuitRefusal("circuit", answer.refuse);
          if (session !== its) await answer.end(LET_GO);
          else attached = answer;
        } catch (error) {
          if (session === its) session = undefined;
          its.port.end();
          throw error;
        } finally {
          if (asking === calling) asking = undefined;
        }
      }),
    detach,
    async setFrameMtu(bytes) {
      if (!session || session.state.frameMtu === bytes) return;
      const { state } = session;
      const before = state.frameMtu;
      state.frameMtu = bytes;
      try {
        await asApplianceErrors(`circuit.${plugin.name}`, async () => await attached?.changed());
      } catch (error) {
        state.frameMtu = before;
        await attached?.changed().catch(attached.fail);
        throw error;
      }
    },
    setUp(up) {
      if (!session || session.state.up === up) return;
      session.state.up = up;
      attached?.changed().catch(attached.fail);
    },
    hear(message, said) {
      if (!session) return;
      session.state.said = { ...session.state.said, ...said };
      if (message === "ICCN" || message === "OCCN") session.ended.resolve(session.state.said);
      attached?.heard(message, said);
    },
    async reconfigure(next) {
      if (!await reconfigure(next)) return false;
      const wanted = portOptionsOf(next);
      if (!attached || isDeepStrictEqual(wanted, portOptions)) return true;
      const taken = await asApplianceErrors(
        "circuit",
        async () => await attached?.reconfigure(wanted) ?? false,
      );
      if (taken) portOptions = wanted;
      return taken;
    },
    [Symbol.asyncDispose]() {
      return disposed ??= (async () => {
        await detach();
        await dispose();
      })();
    },
  };
}

/** What a session says beside a circuit's name. */
function portOptionsOf({ name, options }: CircuitConfig): Row {
  return name === undefined ? {} : options;
}

/** A named circuit's own options. */
function namedConfig({ options, plugin }: NamedCircuit): CircuitConfig {
  return { options, plugin };
}

interface LiveSession {
  readonly facts: SessionFacts;
  readonly port: OwnedPort;
  readonly state: { frameMtu: number; up: boolean; said: CallAvps };
  /** Connected, or ended before that. */
  readonly ended: PromiseWithResolvers<CallAvps>;
}

function liveSession(host: PluginHost, given: CircuitSession, id: string): LiveSession {
  const { name, pseudowireType, request, said = {}, tell, tunnel } = given;
  const state = { frameMtu: given.frameMtu, up: given.up, said };
  const ended = Promise.withResolvers<CallAvps>();
  // Most plugins do not wait for it.
  ended.promise.catch(() => {});
  if (request === undefined) ended.resolve(said);
  const port = host.port(
    `session ${name}`,
    given.port,
    frameTypeOf(pseudowireType),
    () => state.frameMtu,
  );
  const facts: SessionFacts = {
    id,
    name,
    pseudowireType,
    ...(request && { request }),
    tunnel: {
      name: tunnel.name,
      version: tunnel.version,
      peer: tunnel.remote.address,
      hostName: given.hostName ?? "",
    },
    get said() {
      return state.said;
    },
    port: port.port,
    get up() {
      return state.up;
    },
    connected: () => ended.promise,
    tell: tell ?? (() => {}),
  };
  return { facts, port, state, ended };
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
