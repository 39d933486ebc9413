/**
 * A control connection's way into the datapath: its tunnel, and a session for each of its calls. Nothing here waits
 * for one call before it begins the next, so that thousands come up at once.
 *
 * @module
 */

import type { Connection } from "../../core/connection.ts";
import { CdnResult, ErrorCode, StopResult } from "../../core/errors.ts";
import type { TunnelId } from "../../core/ids.ts";
import type { CallEnd } from "../../core/wire/call_avps.ts";
import { damped, type Timing } from "../../plugins/host/damped.ts";
import type { Clock } from "../../plugins/host/leaves.ts";
import { CircuitRefusal, LET_GO } from "../circuits/circuits.ts";
import type { SocketId } from "../datapath/datapath.ts";
import type { Logger } from "../log/log.ts";
import type { ManagedTunnelConfig, TunnelConfig } from "../config/model.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { SocketLease, Sockets } from "../sessions/sockets.ts";
import type { SessionEntry, TunnelEntry } from "../sessions/table.ts";
import { makeLimit, transaction } from "../appliance/transaction.ts";
import type { Tunnels } from "../sessions/tunnels.ts";
import { endFor } from "./call_ends.ts";
import type {
  CallTemplate,
  ManagedCall,
  ManagedConnection,
  ManagedConnections,
  ManagedTunnel,
  PlacedCall,
} from "./context.ts";
import type { Driver } from "./driver.ts";
import { changedSession, sessionConfig } from "./parameters.ts";

export interface ManagedConnectionDependencies {
  readonly clock: Clock;
  readonly driver: Driver;
  readonly log: Logger;
  readonly sessions: Sessions;
  readonly sockets: Sockets;
  readonly tunnels: Tunnels;
  /** Is told of each tunnel's connection. */
  readonly linkOf: WeakMap<TunnelEntry, ManagedConnection>;
  /** What the outer headers to a peer of that name shall say. */
  outerOf(peer: string): Pick<TunnelConfig, "dscp" | "ttl">;
}

/** A connection without a tunnel. */
export function makeManagedConnection(
  { handle, settings }: Connection,
  name: string,
  managed: ManagedTunnel | undefined,
  lease: SocketLease | undefined,
): ManagedConnection {
  return {
    handle,
    peer: settings.name,
    version: settings.version,
    name,
    managed,
    calls: new Map(),
    names: new Set(),
    lease,
    established: false,
    waiting: undefined,
    establishedAt: undefined,
    upSince: undefined,
    opening: undefined,
    entry: undefined,
    closing: undefined,
    leaving: new Set(),
    cause: undefined,
    reason: undefined,
    gone: Promise.withResolvers(),
  };
}

/** A call without a session, in its connection from here on. */
export function makeManagedCall(
  link: ManagedConnection,
  localSessionId: number,
  name: string,
  template: CallTemplate,
  placed: PlacedCall | undefined,
): ManagedCall {
  const call: ManagedCall = {
    handle: { connection: link.handle, localSessionId },
    name,
    template,
    placed,
    owner: undefined,
    circuit: undefined,
    work: undefined,
    closed: false,
    follow: undefined,
    rest: undefined,
    expected: false,
    upSince: undefined,
    onSettled: undefined,
    onGone: undefined,
  };
  link.calls.set(localSessionId, call);
  template.calls.set(call, link);
  link.names.add(name);
  return call;
}

/** How many calls leave at a time. */
const LEAVING = 64;

export function makeManagedConnections(
  dependencies: ManagedConnectionDependencies,
): ManagedConnections {
  return new DatapathConnections(dependencies);
}

class DatapathConnections implements ManagedConnections {
  readonly #dependencies: ManagedConnectionDependencies;
  /** Calls that leave: of very many that end together, what the datapath answers would be a turn's work for seconds. */
  readonly #leaving = makeLimit(LEAVING);

  constructor(dependencies: ManagedConnectionDependencies) {
    this.#dependencies = dependencies;
  }

  open(
    link: ManagedConnection,
    { initiator, localId, path, peerId, settings }: Connection,
    before?: Promise<void>,
  ): void {
    const { outerOf, sockets } = this.#dependencies;
    const { encap, local, mark, remote, socket } = path;
    const lease = sockets.hold(socket as SocketId);
    if (!lease) return this.#endConnection(link, "its socket is closed");
    const config: TunnelConfig = {
      name: link.name,
      version: settings.version,
      tunnelId: localId as TunnelId,
      peerTunnelId: peerId as TunnelId,
      encap,
      local: { address: local, port: lease.local.port },
      remote,
      checksum: { udp: encap === "udp", zero6Tx: false, zero6Rx: false },
      ...(initiator && link.managed && wayOf(link.managed.config)),
      ...(mark !== 0 && { mark }),
      ...outerOf(link.peer),
      sessions: [],
    };
    link.opening = (before ?? Promise.resolve())
      .then(() => this.#openTunnel(link, config, lease));
  }

  close(link: ManagedConnection): void {
    link.closing ??= this.#closeTunnel(link);
  }

  expectCall(link: ManagedConnection, call: ManagedCall): void {
    call.expected = true;
    this.#expect(link, call, true);
  }

  /** Calls are placed in tunnels only that are there. */
  #expect(link: ManagedConnection, { handle: { localSessionId } }: ManagedCall, on: boolean): void {
    if (link.entry) this.#dependencies.sessions.expect(link.entry, localSessionId, on);
  }

  openCall: ManagedConnections["openCall"] = (link, call, agreed, facts, ready) => {
    const { driver, sessions } = this.#dependencies;
    const config = sessionConfig(call.name, call.template.call, agreed);
    call.expected = false;
    const opened = link.entry
      ? sessions.open(link.entry, config)
      : (link.opening ?? Promise.resolve(undefined)).then((entry) =>
        entry && !call.closed ? sessions.open(entry, config) : undefined
      );
    call.work = opened.catch((error) => void this.#endCall(link, call, error));
    this.#then(link, call, async (session, tunnel) => {
      call.circuit = call.owner ?? call.template.circuit?.share((why) => {
        const end = endFor(link.version, why);
        driver.act((lcce, now) => lcce.closeCall(call.handle, end, now));
      });
      await sessions.join(tunnel, session, call.circuit, facts);
      if (!call.closed) ready(call.circuit?.attachment ?? {});
    });
  };

  establishCall: ManagedConnections["establishCall"] = (link, call, agreed, up) => {
    const config = sessionConfig(call.name, call.template.call, agreed);
    this.#then(
      link,
      call,
      (session, tunnel) => this.#dependencies.sessions.establish(tunnel, session, config, up),
    );
  };

  changeCall(link: ManagedConnection, call: ManagedCall): void {
    const { log, sessions } = this.#dependencies;
    this.#then(link, call, async (session, tunnel) => {
      const next = changedSession(session.config, call.template.call);
      // The circuit has taken its new options already.
      session.config = { ...session.config, ...(next.circuit && { circuit: next.circuit }) };
      await transaction(log, (tx) => sessions.change(tunnel, session, next, tx));
    });
  }

  closeCall(
    link: ManagedConnection,
    call: ManagedCall,
    why?: CallEnd,
    lost = false,
  ): Promise<void> {
    call.closed = true;
    call.rest?.[Symbol.dispose]();
    if (call.expected) this.#expect(link, call, false);
    // Before its port goes: that would be a fault.
    call.owner?.closed(why ?? LET_GO, lost);
    call.onSettled?.();
    link.calls.delete(call.handle.localSessionId);
    call.template.calls.delete(call);
    const leave = async () => {
      // It may still be asking its circuit.
      void call.circuit?.detach(why);
      const session = await call.work;
      if (session && link.entry) await this.#dependencies.sessions.remove(link.entry, session);
      // Only now: until here the name stood for this session.
      link.names.delete(call.name);
      call.onGone?.();
    };
    // What a plugin placed goes at once: another call's end may wait for it.
    const left = call.owner ? leave() : this.#leaving.run(leave);
    link.leaving.add(left);
    return left.finally(() => link.leaving.delete(left));
  }

  hear: ManagedConnections["hear"] = (link, call, message, said) =>
    this.#then(link, call, () => call.circuit?.hear(message, said));

  follow: ManagedConnections["follow"] = (link, call, active) => {
    call.follow ??= damped(this.#timingOf(call), (up) =>
      this.#then(
        link,
        call,
        (session, tunnel) => this.#dependencies.sessions.follow(tunnel, session, up),
      ));
    call.follow(active);
  };

  #timingOf(call: ManagedCall): Timing {
    const { clock } = this.#dependencies;
    return {
      get over() {
        return call.closed;
      },
      after: (ms, due) => void (call.rest = clock.timer(clock.now() + ms, due)),
    };
  }

  async #openTunnel(
    link: ManagedConnection,
    config: TunnelConfig,
    lease: SocketLease,
  ): Promise<TunnelEntry | undefined> {
    const { log, tunnels } = this.#dependencies;
    try {
      await transaction(log, (tx) => tunnels.add(config, "control", [], tx, lease));
      link.entry = tunnels.all.get(config.name);
      if (link.entry) this.#dependencies.linkOf.set(link.entry, link);
      return link.entry;
    } catch (error) {
      this.#endConnection(link, messageOf(error));
      return undefined;
    }
  }

  async #closeTunnel(link: ManagedConnection): Promise<void> {
    const entry = await link.opening;
    while (link.leaving.size > 0) await Promise.all(link.leaving);
    if (entry) await this.#dependencies.tunnels.remove(entry);
    link.entry = undefined;
    link.gone.resolve();
  }

  /** Does more with the session of a call, once all before is done; what fails ends the call. */
  #then(
    link: ManagedConnection,
    call: ManagedCall,
    more: (session: SessionEntry, tunnel: TunnelEntry) => Promise<void> | void,
  ): void {
    call.work = call.work?.then(async (session) => {
      if (!session || !link.entry || call.closed) return session;
      try {
        await more(session, link.entry);
      } catch (error) {
        this.#endCall(link, call, error);
      }
      return session;
    });
  }

  #endConnection(link: ManagedConnection, message: string): void {
    const { driver, log } = this.#dependencies;
    log.warn("cannot create a tunnel", { path: `tunnels/${link.name}`, reason: message });
    const result = { result: StopResult.GeneralError, error: ErrorCode.NoResources, message };
    driver.act((lcce, now) => lcce.closeConnection(link.handle, result, now));
  }

  #endCall(link: ManagedConnection, call: ManagedCall, error: unknown): void {
    const { driver, log } = this.#dependencies;
    const message = messageOf(error);
    const path = `tunnels/${link.name}/sessions/${call.name}`;
    // Of a call that is over already, its end was told.
    log[call.closed ? "debug" : "warn"]("cannot create a session", { path, reason: message });
    const end = error instanceof CircuitRefusal
      ? endFor(link.version, error.end)
      : { result: CdnResult.NoFacilitiesNow, message };
    driver.act((lcce, now) => lcce.closeCall(call.handle, end, now));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The way that was dialed by, but for its mark, which is part of the path. */
function wayOf({ df, device }: ManagedTunnelConfig): Pick<TunnelConfig, "df" | "device"> {
  return { ...(df !== undefined && { df }), ...(device !== undefined && { device }) };
}
