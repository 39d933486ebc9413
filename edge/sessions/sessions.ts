/** Sessions: in the datapath, joined to their circuits. Every function is to be called from the tunnel's queue. @module */

import { isDeepStrictEqual } from "node:util";
import { frameTypeOf } from "../../core/pseudowire.ts";
import type { CircuitError } from "../../plugins/plugin.ts";
import type { SessionSpec } from "../../wasm/mod.ts";
import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import type { Circuits, RunningCircuit } from "../circuits/circuits.ts";
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
    reason: CircuitError,
  ): void;
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
  ): Promise<void>;
  /** A joined session is up, as it was agreed on in the end: everybody sees it. @throws {ApplianceError} */
  establish(
    tunnel: TunnelEntry,
    session: SessionEntry,
    config: SessionConfig,
    up: boolean,
  ): Promise<void>;
  /** The peer says whether the circuit behind its end is up. */
  follow(session: SessionEntry, up: boolean): void;
  /** Never fails; what goes wrong is logged. */
  remove(tunnel: TunnelEntry, session: SessionEntry): Promise<void>;
  /**
   * The first half of a change: hands changed options to the circuit, or lets go of a circuit that cannot take them.
   * Circuits may thus trade what they hold.
   */
  releaseCircuit(
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ): Promise<void>;
  /** The second half: whatever else changes, and a new circuit where one is missing. */
  change(
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ): Promise<void>;
  /** Takes a session out of the datapath while its tunnel is replaced there; its circuit keeps its devices. */
  lift(tunnel: TunnelEntry, session: SessionEntry, tx: Transaction): Promise<void>;
  /** Puts a lifted session into its tunnel again. */
  land(tunnel: TunnelEntry, session: SessionEntry, tx: Transaction): Promise<void>;
  /** Tells the circuit of a changed path or header. */
  refreshMtu(tunnel: TunnelEntry, session: SessionEntry): void;
  /** Takes a session down whose circuit broke, unless it has another one by now. */
  breakDown(
    tunnel: TunnelEntry,
    session: SessionEntry,
    broken: { readonly circuit?: RunningCircuit },
    reason: CircuitError,
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
  ) => {
    await session.circuit?.attach({
      tunnel: tunnel.config.name,
      name: config.name,
      version: tunnel.config.version,
      tunnelId: tunnel.config.tunnelId,
      sessionId: config.sessionId,
      pseudowireType: config.pseudowireType,
      frameType: frameTypeOf(config.pseudowireType),
      port: session.port,
      frameMtu: frameMtu(tunnel.config, config, tunnel.pathMtu),
      up,
    });
    session.reason = undefined;
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
      const made: { circuit?: RunningCircuit } = {};
      made.circuit = await circuits.provision(
        sessionPath(tunnel.config, config),
        config.circuit,
        (reason) => dependencies.broken(tunnel, session, made, reason),
      );
      session.circuit = made.circuit;
      tx.undo(() => dropCircuit(session));
    }
    if (session.circuit.attachment) return;
    await attach(tunnel, session, config);
    tx.undo(() => session.circuit?.detach());
  };

  /** Goes back to the circuit of before; the session is down where that cannot be. */
  const restoreCircuit = async (tunnel: TunnelEntry, session: SessionEntry) => {
    try {
      await attachCircuit(tunnel, session, session.config, { undo() {}, commit() {} });
    } catch (error) {
      await dropCircuit(session);
      session.reason = `the circuit could not be restored: ${(error as Error).message}`;
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
    tx.undo(async () => session.port = await datapath.addSession(tunnel.handle, specOf(config)));
  };

  /** Puts a session into the datapath that was lifted out of it. */
  const place = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ) => {
    session.port = await datapath.addSession(tunnel.handle, specOf(next));
    tx.undo(() => datapath.removePort(session.port));
  };

  const changeFrameMtu = (
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ) => {
    const before = frameMtu(tunnel.config, session.config, tunnel.pathMtu);
    const after = frameMtu(tunnel.config, next, tunnel.pathMtu);
    if (before === after) return;
    session.circuit?.setFrameMtu(after);
    tx.undo(() => session.circuit?.setFrameMtu(before));
  };

  const refreshMtu: Sessions["refreshMtu"] = (tunnel, session) =>
    session.circuit?.setFrameMtu(frameMtu(tunnel.config, session.config, tunnel.pathMtu));

  const follow: Sessions["follow"] = (session, up) => {
    const { attachment } = session.circuit ?? {};
    if (!attachment) return;
    session.reason = up ? undefined : PEER_CIRCUIT_DOWN;
    attachment.onStatus?.(up);
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
        () => datapath.addSession(tunnel.handle, specOf(config)),
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
      await attachCircuit(tunnel, session, config, tx);
      tunnel.sessions.add(session);
      tx.undo(() => tunnel.sessions.delete(session));
    },
    async open(tunnel, config) {
      const port = await asApplianceErrors(
        undefined,
        () => datapath.addSession(tunnel.handle, specOf(config)),
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
    async join(tunnel, session, circuit) {
      session.circuit = circuit;
      session.reason = circuit ? undefined : NO_CIRCUIT;
      if (circuit) await attach(tunnel, session, session.config, false);
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
      refreshMtu(tunnel, session);
      follow(session, up);
    },
    follow,
    async remove(tunnel, session) {
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
    async releaseCircuit(tunnel, session, next, tx) {
      const { circuit, config } = session;
      if (!circuit || isDeepStrictEqual(config.circuit, next.circuit)) return;
      if (next.circuit && await circuit.reconfigure(next.circuit)) {
        tx.undo(() => circuit.reconfigure(config.circuit!));
        return;
      }
      await dropCircuit(session);
      tx.undo(() => restoreCircuit(tunnel, session));
    },
    change: (tunnel, session, next, tx) =>
      asApplianceErrors(undefined, async () => {
        const { config: before, reason } = session;
        tx.undo(() => session.reason = reason);
        const sublayers = before.l2spec !== next.l2spec || before.peerL2spec !== next.peerL2spec;
        if (before.peerSessionId !== next.peerSessionId || sublayers) {
          // The datapath takes these for a new session only.
          await lift(tunnel, session, tx);
          await place(tunnel, session, next, tx);
        } else {
          const [forth, back] = liveChange(before, next);
          if (Object.keys(forth).length > 0) {
            await datapath.changeSession(session.port, forth);
            tx.undo(() => datapath.changeSession(session.port, back));
          }
        }
        changeFrameMtu(tunnel, session, next, tx);
        await attachCircuit(tunnel, session, next, tx);
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

function specOf(config: SessionConfig): SessionSpec {
  return {
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

const liveKeys = [
  "sendSeq",
  "recvSeq",
  "lnsMode",
  "reorderTimeoutMs",
  "restartAfterMs",
  "restartRun",
  "cookie",
  "peerCookie",
] as const;

/** What the datapath changes while frames flow, and how to go back. */
function liveChange(before: SessionConfig, after: SessionConfig): [SessionChange, SessionChange] {
  const changed = liveKeys.filter((key) => before[key] !== after[key]);
  const pick = (config: SessionConfig): SessionChange => {
    const spec = specOf(config);
    return Object.fromEntries(changed.map((key) => [key, spec[key]]));
  };
  return [pick(after), pick(before)];
}
