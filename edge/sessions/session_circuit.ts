/** Sessions and their circuits: attached, changed, let go of, and waited for. @module */

import { isDeepStrictEqual } from "node:util";
import { type ApplianceError, isPassing } from "../appliance/errors.ts";
import type { Transaction } from "../appliance/transaction.ts";
import type { CallFacts, Circuits, RunningCircuit } from "../circuits/circuits.ts";
import type { SessionConfig } from "../config/model.ts";
import { frameMtu } from "./frame_mtu.ts";
import {
  noteOutage,
  outageOf,
  type Outages,
  reaches,
  type SessionEntry,
  sessionPath,
  type TunnelEntry,
} from "./table.ts";

/** What sessions get their circuits with. */
export interface SessionCircuitDependencies {
  readonly circuits: Circuits;
  /** Called once if a session's circuit breaks; it is to be let go of in the tunnel's queue. */
  broken(
    tunnel: TunnelEntry,
    session: SessionEntry,
    broken: { readonly circuit?: RunningCircuit },
    reason: Error,
  ): void;
  /** A session of the file is down until its circuit can be had. */
  waiting(tunnel: TunnelEntry, session: SessionEntry, reason: Error): void;
  /** A session has its circuit. */
  attached(path: string): void;
  /** An outage of a session began or ended. */
  outage(tunnel: TunnelEntry, session: SessionEntry, of: keyof Outages): void;
  /** A session may have come up or gone down; `gone`: it is about to be removed. */
  changed(tunnel: TunnelEntry, session: SessionEntry, gone?: boolean): void;
}

/** Why a session is down whose circuit says that it cannot carry frames. */
const CIRCUIT_DOWN = "our circuit is down";

/** Why a session without a circuit is down. */
export const NO_CIRCUIT = "no circuit";

/** Lets go of a session's circuit, where it has one. */
export async function dropCircuit(session: SessionEntry): Promise<void> {
  const { circuit } = session;
  session.circuit = undefined;
  await circuit?.[Symbol.asyncDispose]();
}

export type SessionCircuits = ReturnType<typeof makeSessionCircuits>;

export function makeSessionCircuits(dependencies: SessionCircuitDependencies) {
  const attaching = makeAttaching(dependencies);
  const waiting = makeWaiting(dependencies, attaching);
  const changes = makeCircuitChanges(dependencies, { ...attaching, ...waiting });
  return { ...attaching, ...waiting, ...changes };
}

type Attaching = ReturnType<typeof makeAttaching>;
type Waiting = ReturnType<typeof makeWaiting>;

/** How a session gets its circuit. */
function makeAttaching(dependencies: SessionCircuitDependencies) {
  const { circuits } = dependencies;

  const attach = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    config: SessionConfig,
    up = reaches(session),
    facts: CallFacts = session.facts ?? {},
  ) => {
    const carrier = (up: boolean) => {
      if (!noteOutage(session, "circuit", up ? undefined : CIRCUIT_DOWN)) return;
      if (session.circuit?.attachment) session.reason = outageOf(session);
      dependencies.outage(tunnel, session, "circuit");
      dependencies.changed(tunnel, session);
      facts.carrier?.(up);
    };
    carrier(true);
    await session.circuit?.attach({
      ...facts,
      carrier,
      name: `${tunnel.config.name}/${config.name}`,
      pseudowireType: config.pseudowireType,
      tunnel: tunnel.config,
      port: session.port,
      frameMtu: frameMtu(tunnel.config, config, tunnel.pathMtu),
      up,
    });
    session.reason = outageOf(session);
  };

  /** Makes the circuit that `config` asks for. */
  const provision = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    { circuit, ...config }: SessionConfig,
  ) => {
    const made: { circuit?: RunningCircuit } = {};
    made.circuit = await circuits.provision(
      sessionPath(tunnel.config, config),
      circuit!,
      (reason) => dependencies.broken(tunnel, session, made, reason),
    );
    return made.circuit;
  };

  /** Gives the session the circuit that `config` asks for, and attaches it. */
  const attachCircuit = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    config: SessionConfig,
    tx: Transaction,
  ) => {
    if (!config.circuit) {
      session.reason = NO_CIRCUIT;
      return;
    }
    if (!session.circuit) {
      session.circuit = await provision(tunnel, session, config);
      tx.undo(() => dropCircuit(session));
    }
    if (!session.circuit.attachment) {
      await attach(tunnel, session, config);
      tx.undo(() => session.circuit?.detach());
    }
    tx.commit(() => {
      dependencies.attached(sessionPath(tunnel.config, config));
      dependencies.changed(tunnel, session);
    });
  };

  return { attach, attachCircuit, provision };
}

/** What becomes of a session whose circuit cannot be had. */
function makeWaiting(
  dependencies: SessionCircuitDependencies,
  { attachCircuit }: Attaching,
) {
  /** Gives the session the circuit that `config` asks for; it stays down where waiting may mend it. */
  const attachOrWait = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    config: SessionConfig,
    tx: Transaction,
    patient: boolean,
  ) => {
    try {
      await attachCircuit(tunnel, session, config, tx);
    } catch (error) {
      if (!patient || !mayWait(tunnel, session, config, error)) throw error;
      await dropCircuit(session);
      session.reason = error.message;
      tx.commit(() => {
        dependencies.waiting(tunnel, session, error);
        dependencies.changed(tunnel, session);
      });
    }
  };
  const mayWait = (
    tunnel: TunnelEntry,
    session: SessionEntry,
    config: SessionConfig,
    error: unknown,
  ): error is ApplianceError =>
    isPassing(error) &&
    isUnclaimed(dependencies.circuits, sessionPath(tunnel.config, session.config), config);

  /** Goes back to the circuit of before; the session is down where that cannot be. */
  const restoreCircuit = async (tunnel: TunnelEntry, session: SessionEntry) => {
    try {
      await attachCircuit(tunnel, session, session.config, { undo() {}, commit() {} });
    } catch (error) {
      await dropCircuit(session);
      const reason = error instanceof Error ? error : new Error(String(error));
      session.reason = `cannot restore the circuit: ${reason.message}`;
      if (session.origin === "config") dependencies.waiting(tunnel, session, reason);
      throw error;
    }
  };

  return { attachOrWait, mayWait, restoreCircuit };
}

/** Whether nobody else claims what a circuit would: what another circuit of ours claims is for a reload to settle. */
function isUnclaimed(circuits: Circuits, path: string, { circuit }: SessionConfig): boolean {
  return !circuit || [...circuits.holders(circuit)].every((holder) => holder === path);
}

/** How a session's circuit changes. */
function makeCircuitChanges(
  { circuits }: SessionCircuitDependencies,
  { attach, attachOrWait, mayWait, provision, restoreCircuit }: Attaching & Waiting,
) {
  /** Hands changed options to the circuit; false: it cannot take them. */
  const reconfigure = async (session: SessionEntry, next: SessionConfig, tx: Transaction) => {
    const { circuit, config } = session;
    if (!circuit || isDeepStrictEqual(config.circuit, next.circuit)) return true;
    if (!next.circuit || !await circuit.reconfigure(next.circuit)) return false;
    tx.undo(() => circuit.reconfigure(config.circuit!));
    return true;
  };

  /** Lets go of a circuit that cannot take the options of `next`. */
  const releaseCircuit = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ) => {
    if (await reconfigure(session, next, tx)) return;
    await dropCircuit(session);
    tx.undo(() => restoreCircuit(tunnel, session));
  };

  /** Takes the circuit of `next`. The former one makes room at once where it must, else when all is done. */
  const changeCircuit = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
    patient: boolean,
  ) => {
    const { circuit: former } = session;
    if (await reconfigure(session, next, tx)) {
      return attachOrWait(tunnel, session, next, tx, patient);
    }
    const path = sessionPath(tunnel.config, session.config);
    const mustFree = next.circuit && circuits.holders(next.circuit).has(path);
    if (!former || mustFree) {
      await releaseCircuit(tunnel, session, next, tx);
      return attachOrWait(tunnel, session, next, tx, patient);
    }
    let fresh: RunningCircuit | undefined;
    try {
      fresh = next.circuit && await provision(tunnel, session, next);
    } catch (error) {
      // It is tried again below, without the former one.
      if (!patient || !mayWait(tunnel, session, next, error)) throw error;
    }
    tx.undo(() => fresh?.[Symbol.asyncDispose]());
    // It is not, where the session was lifted out of the datapath for the change.
    const wasAttached = former.attachment !== undefined;
    await former.detach();
    tx.undo(async () => {
      session.circuit = former;
      if (wasAttached) await attach(tunnel, session, session.config);
    });
    tx.commit(() => former[Symbol.asyncDispose]());
    session.circuit = fresh;
    await attachOrWait(tunnel, session, next, tx, patient);
  };

  const changeFrameMtu = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ) => {
    const before = frameMtu(tunnel.config, session.config, tunnel.pathMtu);
    const after = frameMtu(tunnel.config, next, tunnel.pathMtu);
    if (before === after) return;
    await session.circuit?.setFrameMtu(after);
    tx.undo(() => session.circuit?.setFrameMtu(before));
  };

  return { changeCircuit, changeFrameMtu, releaseCircuit };
}
