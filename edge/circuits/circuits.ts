/** Circuits as they run: provisioned from the configuration, attached to one session, changed and let go. @module */

import {
  type Admission,
  type Attachment,
  type Call,
  type Circuit,
  CircuitError,
  type Plugin,
  type Session,
} from "../../plugins/plugin.ts";
import type { RawAvp } from "../../core/raw_avp.ts";
import { ApplianceError, applianceError, asApplianceErrors } from "../appliance/errors.ts";
import { claimsOf } from "../config/circuit.ts";
import type { CircuitConfig } from "../config/model.ts";
import { formatPath } from "../config/problem.ts";
import type { Logger } from "../log.ts";
import type { Meters } from "./meters.ts";
import { type HostDependencies, scopedHost } from "./plugin_host.ts";

/** A provisioned circuit. Disposal lets go of everything; it never fails, but may log. */
export interface RunningCircuit extends AsyncDisposable {
  readonly plugin: string;
  /** The session's attachment, while there is one. */
  readonly attachment: Attachment | undefined;
  /** @throws {ApplianceError} where the circuit refuses the session */
  attach(session: Session): Promise<void>;
  detach(): Promise<void>;
  /** Tells the attachment of a changed path. @throws {ApplianceError} and stays as it was */
  setFrameMtu(bytes: number): void;
  /** Takes changed options; false: they need a new circuit. @throws {ApplianceError} and stays as it was */
  reconfigure(config: CircuitConfig): Promise<boolean>;
}

/** A provisioned circuit for any number of sessions. Disposal detaches them all; it never fails, but may log. */
export interface SharedCircuit extends AsyncDisposable {
  readonly plugin: string;
  /** Whether the circuit would take a call now. */
  admit(call: Call, vendorAvps?: readonly RawAvp[]): Admission;
  /** The circuit for one session: disposal lets go of that session only. */
  share(): RunningCircuit;
  /** Takes changed options; false: they need a new circuit. @throws {ApplianceError} and stays as it was */
  reconfigure(config: CircuitConfig): Promise<boolean>;
}

/** What circuits are made from. */
export interface CircuitDependencies extends HostDependencies {
  readonly plugins: readonly Plugin[];
  readonly log: Logger;
  readonly meters: Meters;
}

/** Makes circuits. */
export interface Circuits {
  /**
   * Whether the session at `path` could have a circuit: its options are right, and it claims nothing that another
   * session holds, those at `leaving` left aside. @throws {ApplianceError}
   */
  check(path: string, config: CircuitConfig, leaving?: ReadonlySet<string>): void;
  /** Who holds what such a circuit claims for itself. */
  holders(config: CircuitConfig): ReadonlySet<string>;
  /**
   * Makes a circuit for the session at `path` (`tunnels/branch/sessions/office`).
   * @param broken called once if the circuit breaks while it runs; it is still to be disposed of then
   * @throws {ApplianceError}
   */
  provision(
    path: string,
    config: CircuitConfig,
    broken: (reason: CircuitError) => void,
  ): Promise<RunningCircuit>;
  /** The same, for the calls of one call template at `path` (`peers/hq/accept/0`). @throws {ApplianceError} */
  provisionShared(
    path: string,
    config: CircuitConfig,
    broken: (reason: CircuitError) => void,
  ): Promise<SharedCircuit>;
}

/** A circuit, and what ends and changes it. */
interface Provisioned {
  readonly plugin: Plugin;
  readonly circuit: Circuit;
  readonly log: Logger;
  close(): Promise<void>;
  reconfigure(config: CircuitConfig): Promise<boolean>;
}

/** Circuits of some plugins. */
export function makeCircuits(dependencies: CircuitDependencies): Circuits {
  const { meters, plugins } = dependencies;
  /** What circuits hold for themselves, and whose circuit it is. */
  const claims = new Map<string, { readonly path: string }>();

  const parse = (config: CircuitConfig) => {
    const plugin = plugins.find(({ name }) => name === config.plugin);
    if (!plugin) {
      throw new ApplianceError("invalid", "circuit", `there is no plugin ${config.plugin}`);
    }
    const { success, data, error } = plugin.options.safeParse(config.options);
    if (success) return { plugin, options: data };
    const [issue] = error.issues;
    const at = formatPath(["circuit", config.plugin, ...(issue?.path ?? []).map(key)]);
    throw new ApplianceError("invalid", at, issue?.message ?? "invalid options");
  };

  const refuseClaimed = (path: string, config: CircuitConfig, leaving?: ReadonlySet<string>) => {
    for (const claim of claimsOf(config, plugins)) {
      const owner = claims.get(claim)?.path;
      if (owner === undefined || owner === path || leaving?.has(owner)) continue;
      refuseClaim(claim, owner);
    }
  };
  const refuseClaim = (claim: string, owner: string) => {
    throw new ApplianceError("in-use", "circuit", `${claim} is the circuit of ${owner} already`);
  };

  const make = async (
    path: string,
    config: CircuitConfig,
    broken: (reason: CircuitError) => void,
  ): Promise<Provisioned> => {
    const { plugin, options } = parse(config);
    let held = claimsOf(config, plugins);
    for (const claim of held) {
      const owner = claims.get(claim);
      if (owner) refuseClaim(claim, owner.path);
    }
    const holder = { path };
    for (const claim of held) claims.set(claim, holder);
    const log = dependencies.log.with({ path, circuit: plugin.name });
    const scope = scopedHost(dependencies, log, meters.of(plugin.name), broken);
    const close = async () => {
      await scope[Symbol.asyncDispose]();
      for (const claim of held) claims.delete(claim);
    };
    let circuit: Circuit;
    try {
      circuit = await plugin.provision(scope.host, options);
    } catch (error) {
      await close();
      throw applianceError(error, `circuit.${plugin.name}`);
    }
    const reconfigure = async (next: CircuitConfig) => {
      const [{ options }, wanted] = [parse(next), claimsOf(next, plugins)];
      // What another session still holds may be free by the time of a new circuit.
      if (wanted.some((claim) => (claims.get(claim) ?? holder) !== holder)) return false;
      if (!await circuit.reconfigure?.(options)) return false;
      for (const claim of held) claims.delete(claim);
      for (const claim of wanted) claims.set(claim, holder);
      held = wanted;
      return true;
    };
    return { plugin, circuit, log, close, reconfigure };
  };

  return {
    check(path, config, leaving) {
      parse(config);
      refuseClaimed(path, config, leaving);
    },
    holders: (config) =>
      new Set(
        claimsOf(config, plugins).flatMap((claim) => claims.get(claim)?.path ?? []),
      ),
    async provision(path, config, broken) {
      return running(await make(path, config, broken));
    },
    async provisionShared(path, config, broken) {
      return shared(await make(path, config, broken));
    },
  };
}

/** A circuit that is handed out in parts. */
function shared({ circuit, close, log, plugin, reconfigure }: Provisioned): SharedCircuit {
  const parts = new Set<RunningCircuit>();
  let disposed: Promise<void> | undefined;
  return {
    plugin: plugin.name,
    admit: (call, vendorAvps) => circuit.admit?.(call, vendorAvps) ?? { accept: true },
    share() {
      const part = running({
        plugin,
        log,
        circuit: {
          attach: (session) => circuit.attach(session),
          [Symbol.asyncDispose]: () => Promise.resolve(void parts.delete(part)),
        },
        close: () => Promise.resolve(),
        reconfigure: () => Promise.resolve(false),
      });
      parts.add(part);
      return part;
    },
    reconfigure: (config) =>
      asApplianceErrors(`circuit.${plugin.name}`, async () => {
        return config.plugin === plugin.name && await reconfigure(config);
      }),
    [Symbol.asyncDispose]() {
      return disposed ??= (async () => {
        for (const part of parts) await part[Symbol.asyncDispose]();
        await quietly(log, "dispose of a circuit", circuit);
        await close();
      })();
    },
  };
}

/** Disposes; a failure is logged. */
async function quietly(
  log: Logger,
  what: string,
  disposable: AsyncDisposable | undefined,
): Promise<void> {
  try {
    await disposable?.[Symbol.asyncDispose]();
  } catch (error) {
    log.warn(`cannot ${what} in order`, { error: String(error) });
  }
}

/** `circuit`, its calls in order and its failures turned. */
function running({ circuit, close, log, plugin, reconfigure }: Provisioned): RunningCircuit {
  let attachment: Attachment | undefined;
  let disposed: Promise<void> | undefined;
  const attribute = `circuit.${plugin.name}`;

  const detach = async () => {
    const former = attachment;
    attachment = undefined;
    await quietly(log, "detach a session", former);
  };

  return {
    plugin: plugin.name,
    get attachment() {
      return attachment;
    },
    attach: (session) =>
      asApplianceErrors(attribute, async () => {
        if (!plugin.pseudowireTypes.includes(session.pseudowireType)) {
          const message = `${plugin.name} does not carry pseudowire type ${session.pseudowireType}`;
          throw new ApplianceError("invalid", "circuit", message);
        }
        refuseUnlessAdmitted(circuit.admit?.(session));
        attachment = await circuit.attach(session);
      }),
    detach,
    setFrameMtu(bytes) {
      try {
        attachment?.onFrameMtu?.(bytes);
      } catch (error) {
        throw applianceError(error, attribute);
      }
    },
    reconfigure: (config) =>
      asApplianceErrors(attribute, async () => {
        return config.plugin === plugin.name && await reconfigure(config);
      }),
    [Symbol.asyncDispose]() {
      return disposed ??= (async () => {
        await detach();
        await quietly(log, "dispose of a circuit", circuit);
        await close();
      })();
    },
  };
}

function refuseUnlessAdmitted(admission: Admission | undefined): void {
  if (!admission || admission.accept) return;
  throw new CircuitError("in-use", admission.message);
}

function key(part: PropertyKey): string | number {
  return typeof part === "number" ? part : String(part);
}
