/** Sessions: in the datapath, joined to their circuits. Every function is to be called from the tunnel's queue. @module */

import { ApplianceError, asApplianceErrors } from "../appliance/errors.ts";
import type { Transaction } from "../appliance/transaction.ts";
import type { CallFacts, RunningCircuit } from "../circuits/circuits.ts";
import { checkSession } from "../config/checks.ts";
import type { Origin, SessionConfig, TunnelConfig } from "../config/model.ts";
import { type Datapath, DatapathError } from "../datapath/datapath.ts";
import type { Keepalives } from "../keepalive/keepalives.ts";
import type { Logger } from "../log/log.ts";
import { frameMtu } from "./frame_mtu.ts";
import {
  dropCircuit,
  makeSessionCircuits,
  NO_CIRCUIT,
  type SessionCircuitDependencies,
  type SessionCircuits,
} from "./session_circuit.ts";
import { makeSessionPorts, NO_PORT, type SessionPorts } from "./session_port.ts";
import { liveChange, policyOf, specOf } from "./datapath_words.ts";
import {
  noteOutage,
  outageOf,
  type Outages,
  reaches,
  type SessionEntry,
  sessionPath,
  type TunnelEntry,
} from "./table.ts";

/** What sessions are made with. */
export interface SessionDependencies extends SessionCircuitDependencies {
  readonly datapath: Datapath;
  readonly keepalives: Keepalives;
  readonly log: Logger;
  /** Unix milliseconds. */
  readonly wallClock: () => number;
  /** What a session's keepalive says has changed: {@linkcode Sessions.suffer} is to hear it in the tunnel's queue. */
  silence(tunnel: TunnelEntry, session: SessionEntry): void;
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
  /** A session of this id is asked for, or is not any more: what its peer sends before it is opened is kept. Never fails. */
  expect(tunnel: TunnelEntry, sessionId: number, on: boolean): void;
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
  /** Somebody says why frames cannot flow now, or that they can. The circuit's own word is its plugin's `carrier`. */
  suffer(
    tunnel: TunnelEntry,
    session: SessionEntry,
    of: Exclude<keyof Outages, "circuit">,
    reason: string | undefined,
  ): void;
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

/** Why a session is down whose peer says so (RFC 3931 §5.4.5). */
const PEER_CIRCUIT_DOWN = "the peer's circuit is down";

/** The operations on sessions. */
export function makeSessions(dependencies: SessionDependencies): Sessions {
  const circuits = makeSessionCircuits(dependencies);
  const calls = makeCallSessions(dependencies, circuits);
  const ports = makeSessionPorts(dependencies, calls.suffer);
  return {
    ...makeComings(dependencies, circuits, ports),
    ...makeChanges(dependencies, circuits, ports),
    ...calls,
    releaseCircuit: circuits.releaseCircuit,
    revive: (tunnel, session, tx) => circuits.attachCircuit(tunnel, session, session.config, tx),
    async breakDown(tunnel, session, { circuit }, reason) {
      if (!circuit || session.circuit !== circuit) return;
      await dropCircuit(session);
      session.reason = reason.message;
      dependencies.changed(tunnel, session);
      if (session.origin === "config") dependencies.waiting(tunnel, session, reason);
      dependencies.log.warn("session down", {
        path: sessionPath(tunnel.config, session.config),
        reason: reason.message,
      });
    },
  };
}

/** How sessions come and go. */
function makeComings(
  dependencies: SessionDependencies,
  { attachOrWait, restoreCircuit }: SessionCircuits,
  { enter, leave, watch }: SessionPorts,
): Pick<Sessions, "check" | "add" | "remove" | "takeOut"> {
  const { circuits, log, wallClock } = dependencies;

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
      const session: SessionEntry = {
        config,
        origin,
        createdAt: wallClock(),
        port: NO_PORT,
        circuit: undefined,
        reason: undefined,
      };
      watch(tunnel, session);
      tx.undo(() => session.keepalive?.end());
      await asApplianceErrors(undefined, () => enter(tunnel, session, config));
      tx.undo(() => leave(session));
      await attachOrWait(tunnel, session, config, tx, origin === "config");
      tunnel.sessions.add(session);
      tx.undo(() => tunnel.sessions.delete(session));
    },
    async remove(tunnel, session) {
      dependencies.changed(tunnel, session, true);
      // One that was never joined is not in the table, where its id may be another's by now.
      if (tunnel.sessions.byId(session.config.sessionId) === session) {
        tunnel.sessions.delete(session);
      }
      await dropCircuit(session);
      try {
        await leave(session, true);
      } catch (error) {
        if (error instanceof DatapathError && error.code === "stopped") return;
        log.warn("cannot remove a session in order", {
          path: sessionPath(tunnel.config, session.config),
          error: String(error),
        });
      }
    },
    async takeOut(tunnel, session, tx) {
      tx.commit(async () => {
        dependencies.changed(tunnel, session, true);
        await session.keepalive?.end();
      });
      if (session.circuit) {
        await dropCircuit(session);
        tx.undo(() => restoreCircuit(tunnel, session));
      }
      await leave(session);
      tx.undo(() => enter(tunnel, session, session.config));
      tunnel.sessions.delete(session);
      tx.undo(() => tunnel.sessions.add(session));
    },
  };
}

/** How sessions change while they are there. */
function makeChanges(
  { datapath }: SessionDependencies,
  { attach, attachCircuit, changeCircuit, changeFrameMtu }: SessionCircuits,
  { changeKeepalive, enter, leave }: SessionPorts,
): Pick<Sessions, "change" | "lift" | "land"> {
  /** Takes a session out of the datapath; its circuit stays as it is, without it. */
  const lift = async (tunnel: TunnelEntry, session: SessionEntry, tx: Transaction) => {
    const { config } = session;
    if (session.circuit?.attachment) {
      await session.circuit.detach();
      tx.undo(() => session.circuit && attach(tunnel, session, config));
    }
    await leave(session);
    tx.undo(() => enter(tunnel, session, config));
  };

  /** Puts a session into the datapath that was lifted out of it. */
  const place = async (
    tunnel: TunnelEntry,
    session: SessionEntry,
    next: SessionConfig,
    tx: Transaction,
  ) => {
    await enter(tunnel, session, next);
    tx.undo(() => leave(session));
  };

  return {
    change: (tunnel, session, next, tx, patient = false) =>
      asApplianceErrors(undefined, async () => {
        const { config: before, reason } = session;
        tx.undo(() => session.reason = reason);
        await changeKeepalive(tunnel, session, next, tx);
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
  };
}

/** The sessions of calls, whose ids a control connection gives out. */
function makeCallSessions(
  { changed, datapath, log, outage, wallClock }: SessionDependencies,
  { attach }: SessionCircuits,
): Pick<Sessions, "expect" | "open" | "join" | "establish" | "follow" | "suffer" | "refreshMtu"> {
  const refreshMtu: Sessions["refreshMtu"] = async (tunnel, session) => {
    await session.circuit?.setFrameMtu(frameMtu(tunnel.config, session.config, tunnel.pathMtu));
    if (session.config.mssClamp !== "auto") return;
    const policy = policyOf(tunnel, session.config);
    datapath.changeSession(session.port, { policy }).catch((error) => {
      log.warn("cannot follow the path with the TCP segment size", {
        path: sessionPath(tunnel.config, session.config),
        error: String(error),
      });
    });
  };

  const suffer: Sessions["suffer"] = (tunnel, session, of, reason) => {
    if (noteOutage(session, of, reason)) outage(tunnel, session, of);
    if (!session.circuit?.attachment) return;
    session.reason = outageOf(session);
    session.circuit.setUp(reaches(session));
    changed(tunnel, session);
  };
  const follow: Sessions["follow"] = (tunnel, session, up) =>
    suffer(tunnel, session, "peer", up ? undefined : PEER_CIRCUIT_DOWN);

  return {
    expect: (tunnel, sessionId, on) =>
      void datapath.expectSession(tunnel.handle, sessionId, on).catch((error) =>
        log.debug("cannot keep what comes before a session", { error: String(error) })
      ),
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
      session.facts = facts;
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
    suffer,
    refreshMtu,
  };
}
