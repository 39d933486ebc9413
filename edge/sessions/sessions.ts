/** Sessions: in the datapath, joined to their circuits. Every function is to be called from the tunnel's queue. @module */

import { isDeepStrictEqual } from "node:util";
import { frameTypeOf } from "../../core/pseudowire.ts";
import type { SessionPolicy, SessionSpec } from "../../wasm/mod.ts";
import { ApplianceError, asApplianceErrors, isPassing } from "../appliance/errors.ts";
import type { CallFacts, Circuits, RunningCircuit } from "../circuits/circuits.ts";
import type { RateLimit } from "../config/attributes.ts";
import { checkSession } from "../config/checks.ts";
import { type Datapath, DatapathError, type SessionChange } from "../datapath/datapath.ts";
import { frameMtu } from "./frame_mtu.ts";
import type { Logger } from "../log.ts";
import type { Origin, SessionConfig, TunnelConfig } from "../config/model.ts";
import type { SessionEntry, TunnelEntry } from "./table.ts";
import type { Transaction } from "../appliance/transaction.ts";

/** What sessions are made with. */
export interface SessionDependencies {
  readonly datapath: Datapath;
  readonly circuits: Circuits;
  readonly log: Logger;
  /** Unix milliseconds. */
  readonly wallClock: () => number;
  /** Called once if a session's circuit breaks; {@linkcode Sessions.breakDown} is to be run in the tunnel's queue. */
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
  /** A session may have come up or gone down; `gone`: it is about to be removed. */
  changed(tunnel: TunnelEntry, session: SessionEntry, gone?: boolean): void;
}

/** The operations. Those that take a {@linkcode Transaction} throw {@linkcode ApplianceError}s and are taken back by it. */
export interface Sessions {
  /** Whether `config` could be a session of the tunnel, circuits at `leaving` left aside. @throws {ApplianceError} */
  check(tunnel: TunnelConfig, config: SessionConfig, leaving?: ReadonlySet<string>): void;
  add(tunnel: TunnelEntry, config: SessionConfig, origin: Origin, tx: Transaction): Promise<void>;
  /**
   * Puts a session into the datapath whose ids a control connection gave out; nobody sees it before it is joined.
   * The datapath is asked before this returns, so that a message sent afterwards finds the session there.
   */
  open(tunnel: TunnelEntry, config: SessionConfig): Promise<SessionEntry>;
  /**
   * Joins an opened session to `circuit`: from here on it carries what its peer sends. It is not up yet.
   * @throws {ApplianceError}
   */
  join(
    tunnel: TunnelEntry,
    session: SessionEntry,
    circuit: RunningCircuit | undefined,
    facts: CallFacts,
  ): Promise<void>;
  /** A joined session is up, as it was agreed on in the end: everybody sees it. @throws {ApplianceError} */
  establish(
    tunnel: TunnelEntry,
    session: SessionEntry,
    config: SessionConfig,
    up: boolean,
  ): Promise<void>;
  /** The peer says whether the circuit behind its end is up. */
  follow(tunnel: TunnelEntry, session: SessionEntry, up: boolean): void;
  /** Never fails; what goes wrong is logged. */
  remove(tunnel: TunnelEntry, session: SessionEntry): Promise<void>;
  /** Takes out a session that comes back if the transaction fails. */
  takeOut(tunnel: TunnelEntry, session: SessionEntry, tx: Transaction): Promise<void>;
  /** Lets go of a circuit that cannot take the options of `next`, ahead of a change: circuits may thus trade what they hold. */
  releaseCircuit(
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ): Promise<void>;
  /**
   * Changes a session. A circuit that cannot take its new options is let go of once the new one has its place, or
   * ahead of it where the two claim the same.
   * @param patient whether a session whose new circuit cannot be had yet is down until then; else this fails
   */
  change(
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
    patient?: boolean,
  ): Promise<void>;
  /** Gives a session that is down the circuit that it waits for. @throws {ApplianceError} where it stays down */
  revive(tunnel: TunnelEntry, session: SessionEntry, tx: Transaction): Promise<void>;
  /** Takes a session out of the datapath while its tunnel is replaced there; its circuit keeps its devices. */
  lift(tunnel: TunnelEntry, session: SessionEntry, tx: Transaction): Promise<void>;
  /** Puts a lifted session into its tunnel again. */
  land(tunnel: TunnelEntry, session: SessionEntry, tx: Transaction): Promise<void>;
  /** Tells the circuit of a changed path or header. */
  refreshMtu(tunnel: TunnelEntry, session: SessionEntry): Promise<void>;
  /** Takes a session down whose circuit broke, unless it has another one by now. */
  breakDown(
    tunnel: TunnelEntry,
    session: SessionEntry,
    broken: { readonly circuit?: RunningCircuit },
    reason: Error,
  ): Promise<void>;
}

/** Why a session without a circuit is down. */
const NO_CIRCUIT = "no circuit";
/** Why a session is down whose peer says so (RFC 3931 §5.4.5). */
const PEER_CIRCUIT_DOWN = "the peer's circuit is down";

/** The operations on sessions. */
export function makeSessions(dependencies: SessionDependencies): Sessions {
  const { circuits, datapath, wallClock } = dependencies;

  const logOf = (tunnel: TunnelEntry, session: SessionEntry) =>
    dependencies.log.with({ path: sessionPath(tunnel.config, session.config) });

  const attach = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    config: SessionConfig,
    up = true,
    facts: CallFacts = {},
  ) => {
    await session.circuit?.attach({
      ...facts,
      name: `${tunnel.config.name}/${config.name}`,
      pseudowireType: config.pseudowireType,
      tunnel: tunnel.config,
      port: session.port,
      frameMtu: frameMtu(tunnel.config, config, tunnel.pathMtu),
      up,
    });
    session.reason = undefined;
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

  /** The same; the session stays down where waiting may mend it. */
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
  /** Whether a session may be down until later. What another circuit of ours claims is for a reload to settle. */
  const mayWait = (
    tunnel: TunnelEntry,
    session: SessionEntry,
    { circuit }: SessionConfig,
    error: unknown,
  ): error is ApplianceError => {
    if (!isPassing(error)) return false;
    const path = sessionPath(tunnel.config, session.config);
    return !circuit || [...circuits.holders(circuit)].every((holder) => holder === path);
  };

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

  /** Takes a session out of the datapath; its circuit stays as it is, without it. */
  const lift = async (tunnel: TunnelEntry, session: SessionEntry, tx: Transaction) => {
    const { config } = session;
    if (session.circuit?.attachment) {
      await session.circuit.detach();
      tx.undo(() => session.circuit && attach(tunnel, session, config));
    }
    await datapath.removePort(session.port);
    tx.undo(async () =>
      session.port = await datapath.addSession(tunnel.handle, specOf(tunnel, config))
    );
  };

  /** Puts a session into the datapath that was lifted out of it. */
  const place = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ) => {
    session.port = await datapath.addSession(tunnel.handle, specOf(tunnel, next));
    tx.undo(() => datapath.removePort(session.port));
  };

  /** Hands changed options to the circuit; false: it cannot take them. */
  const reconfigure = async (session: SessionEntry, next: SessionConfig, tx: Transaction) => {
    const { circuit, config } = session;
    if (!circuit || isDeepStrictEqual(config.circuit, next.circuit)) return true;
    if (!next.circuit || !await circuit.reconfigure(next.circuit)) return false;
    tx.undo(() => circuit.reconfigure(config.circuit!));
    return true;
  };

  const releaseCircuit: Sessions["releaseCircuit"] = async (tunnel, session, next, tx) => {
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

  const refreshMtu: Sessions["refreshMtu"] = async (tunnel, session) => {
    await session.circuit?.setFrameMtu(frameMtu(tunnel.config, session.config, tunnel.pathMtu));
    if (session.config.mssClamp !== "auto") return;
    const policy = policyOf(tunnel, session.config);
    datapath.changeSession(session.port, { policy }).catch((error) => {
      logOf(tunnel, session).warn("cannot follow the path with the TCP segment size", {
        error: String(error),
      });
    });
  };

  const follow: Sessions["follow"] = (tunnel, session, up) => {
    if (!session.circuit?.attachment) return;
    session.reason = up ? undefined : PEER_CIRCUIT_DOWN;
    session.circuit.setUp(up);
    dependencies.changed(tunnel, session);
  };

  const check: Sessions["check"] = (tunnel, config, leaving) => {
    const [problem] = checkSession(config, tunnel.version);
    if (problem) throw new ApplianceError("invalid", problem.attribute, problem.message);
    if (config.circuit) circuits.check(sessionPath(tunnel, config), config.circuit, leaving);
  };

  return {
    check,
    async add(tunnel, config, origin, tx) {
      check(tunnel.config, config);
      if (tunnel.sessions.byName(config.name)) {
        const message = `${tunnel.config.name} has a session ${config.name} already`;
        throw new ApplianceError("exists", "name", message);
      }
      const twin = tunnel.sessions.byId(config.sessionId);
      if (twin) {
        const message = `${config.sessionId} is the session-id of ${twin.config.name} already`;
        throw new ApplianceError("exists", "session-id", message);
      }
      const port = await asApplianceErrors(
        undefined,
        () => datapath.addSession(tunnel.handle, specOf(tunnel, config)),
      );
      const session: SessionEntry = {
        config,
        origin,
        createdAt: wallClock(),
        port,
        circuit: undefined,
        reason: undefined,
      };
      tx.undo(() => datapath.removePort(session.port));
      await attachOrWait(tunnel, session, config, tx, origin === "config");
      tunnel.sessions.add(session);
      tx.undo(() => tunnel.sessions.delete(session));
    },
    async open(tunnel, config) {
      const port = await asApplianceErrors(
        undefined,
        () => datapath.addSession(tunnel.handle, specOf(tunnel, config)),
      );
      return {
        config,
        origin: "control",
        createdAt: wallClock(),
        port,
        circuit: undefined,
        reason: undefined,
      };
    },
    async join(tunnel, session, circuit, facts) {
      session.circuit = circuit;
      session.reason = circuit ? undefined : NO_CIRCUIT;
      if (circuit) await attach(tunnel, session, session.config, false, facts);
    },
    async establish(tunnel, session, config, up) {
      const { sendSeq, recvSeq, reorderTimeoutMs } = config;
      const before = session.config;
      if (sendSeq !== before.sendSeq || recvSeq !== before.recvSeq) {
        await asApplianceErrors(
          undefined,
          () => datapath.changeSession(session.port, { sendSeq, recvSeq, reorderTimeoutMs }),
        );
      }
      session.config = config;
      tunnel.sessions.add(session);
      await refreshMtu(tunnel, session);
      follow(tunnel, session, up);
    },
    follow,
    async remove(tunnel, session) {
      dependencies.changed(tunnel, session, true);
      // One that was never joined is not in the table, where its id may be another's by now.
      if (tunnel.sessions.byId(session.config.sessionId) === session) {
        tunnel.sessions.delete(session);
      }
      await dropCircuit(session);
      try {
        await datapath.removePort(session.port);
      } catch (error) {
        if (error instanceof DatapathError && error.code === "stopped") return;
        logOf(tunnel, session).warn("cannot remove a session in order", { error: String(error) });
      }
    },
    async takeOut(tunnel, session, tx) {
      if (session.circuit) {
        await dropCircuit(session);
        tx.undo(() => restoreCircuit(tunnel, session));
      }
      await datapath.removePort(session.port);
      tx.undo(async () => {
        session.port = await datapath.addSession(tunnel.handle, specOf(tunnel, session.config));
      });
      tunnel.sessions.delete(session);
      tx.undo(() => tunnel.sessions.add(session));
    },
    releaseCircuit,
    revive: (tunnel, session, tx) => attachCircuit(tunnel, session, session.config, tx),
    change: (tunnel, session, next, tx, patient = false) =>
      asApplianceErrors(undefined, async () => {
        const { config: before, reason } = session;
        tx.undo(() => session.reason = reason);
        const sublayers = before.l2spec !== next.l2spec || before.peerL2spec !== next.peerL2spec;
        if (before.peerSessionId !== next.peerSessionId || sublayers) {
          // The datapath takes these for a new session only.
          await lift(tunnel, session, tx);
          await place(tunnel, session, next, tx);
        } else {
          const [forth, back] = liveChange(tunnel, before, next);
          if (Object.keys(forth).length > 0) {
            await datapath.changeSession(session.port, forth);
            tx.undo(() => datapath.changeSession(session.port, back));
          }
        }
        await changeFrameMtu(tunnel, session, next, tx);
        await changeCircuit(tunnel, session, next, tx, patient);
        session.config = next;
        tx.undo(() => session.config = before);
      }),
    lift,
    async land(tunnel, session, tx) {
      await place(tunnel, session, session.config, tx);
      if (session.circuit) await attachCircuit(tunnel, session, session.config, tx);
    },
    refreshMtu,
    async breakDown(tunnel, session, { circuit }, reason) {
      if (!circuit || session.circuit !== circuit) return;
      await dropCircuit(session);
      session.reason = reason.message;
      dependencies.changed(tunnel, session);
      if (session.origin === "config") dependencies.waiting(tunnel, session, reason);
      logOf(tunnel, session).warn("session down", { reason: reason.message });
    },
  };
}

/** Where a session is, for people and for reports. */
export function sessionPath(tunnel: TunnelConfig, session: SessionConfig): string {
  return `tunnels/${tunnel.name}/sessions/${session.name}`;
}

async function dropCircuit(session: SessionEntry): Promise<void> {
  const { circuit } = session;
  session.circuit = undefined;
  await circuit?.[Symbol.asyncDispose]();
}

function specOf(tunnel: Path, config: SessionConfig): SessionSpec {
  return {
    policy: policyOf(tunnel, config),
    sessionId: config.sessionId,
    peerSessionId: config.peerSessionId,
    frameType: frameTypeOf(config.pseudowireType),
    l2spec: config.l2spec,
    peerL2spec: config.peerL2spec ?? config.l2spec,
    cookie: Uint8Array.fromHex(config.cookie),
    peerCookie: Uint8Array.fromHex(config.peerCookie),
    sendSeq: config.sendSeq,
    recvSeq: config.recvSeq,
    lnsMode: config.lnsMode,
    reorderTimeoutMs: config.reorderTimeoutMs,
    restartAfterMs: config.restartAfterMs,
    restartRun: config.restartRun,
  };
}

/** What the frames' way to the peer depends on. */
type Path = Pick<TunnelEntry, "config" | "pathMtu">;

/** Octets that pass at once where nobody says how many: what passes in 50 ms, and some frames at least. */
function burstFor({ rx = 0, tx = 0 }: RateLimit): number {
  const octetsPerMs = Math.max(rx, tx) / 8;
  return Math.min(0xffff_ffff, Math.max(65_536, Math.round(50 * octetsPerMs)));
}

function policyOf(tunnel: Path, config: SessionConfig): SessionPolicy {
  const { mssClamp, rateLimit } = config;
  const frame = () => frameMtu(tunnel.config, config, tunnel.pathMtu);
  return {
    ...(rateLimit && { rateLimit: { burst: burstFor(rateLimit), ...rateLimit } }),
    ...(mssClamp !== undefined && mssClamp !== "off" &&
      { mss: mssClamp === "auto" ? { frame: frame() } : mssClamp }),
  };
}

const liveKeys = [
  "sendSeq",
  "recvSeq",
  "lnsMode",
  "reorderTimeoutMs",
  "restartAfterMs",
  "restartRun",
  "cookie",
  "peerCookie",
  "policy",
] as const;

/** What the datapath changes while frames flow, and how to go back. */
function liveChange(
  tunnel: Path,
  before: SessionConfig,
  after: SessionConfig,
): [SessionChange, SessionChange] {
  const [old, next] = [specOf(tunnel, before), specOf(tunnel, after)];
  const changed = liveKeys.filter((key) => !isDeepStrictEqual(old[key], next[key]));
  const pick = (spec: SessionSpec): SessionChange =>
    Object.fromEntries(changed.map((key) => [key, spec[key]]));
  return [pick(next), pick(old)];
}
