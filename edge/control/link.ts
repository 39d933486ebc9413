/**
 * A control connection's way into the datapath: its tunnel, and a session for each of its calls. Nothing here waits
 * for one call before it begins the next, so that thousands come up at once.
 *
 * @module
 */

import type { Connection } from "../../core/connection.ts";
import { CdnResult, ErrorCode, type Result, StopResult } from "../../core/errors.ts";
import type { CallHandle, ConnectionHandle } from "../../core/events.ts";
import type { TunnelId } from "../../core/ids.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { SessionParameters } from "../../core/settings.ts";
import type { SocketId } from "../datapath/datapath.ts";
import type { Logger } from "../log.ts";
import type { TunnelConfig } from "../config/model.ts";
import type { Sessions } from "../sessions/sessions.ts";
import type { SocketLease, Sockets } from "../sessions/sockets.ts";
import type { SessionEntry, TunnelEntry } from "../appliance/state.ts";
import { transaction } from "../appliance/transaction.ts";
import type { Tunnels } from "../sessions/tunnels.ts";
import type { Placement, Slot } from "./dialer.ts";
import type { Driver } from "./driver.ts";
import { sessionConfig } from "./parameters.ts";
import type { Stanza } from "./stanza.ts";

/** A control connection and what it carries. */
export interface Link {
  readonly handle: ConnectionHandle;
  /** The peer's name in the configuration. */
  readonly peer: string;
  /** That of the offer, until the connection is established: it may fall back (RFC 3931 §4.7.3). */
  version: ProtoVersion;
  /** The tunnel's name; that of accepted ones may still change until they are established. */
  name: string;
  /** The managed tunnel that it is; undefined: the peer dialed, and we configured no tunnel for it. */
  slot: Slot | undefined;
  /** By our session id. */
  readonly calls: Map<number, LinkCall>;
  /** Names of its sessions. */
  readonly names: Set<string>;
  /** Keeps the socket open until the peer's last message was acknowledged. */
  lease: SocketLease | undefined;
  established: boolean;
  /** When it was established: Unix and monotonic milliseconds. */
  establishedAt: number | undefined;
  upSince: number | undefined;
  /** The tunnel, on its way into the datapath. */
  opening: Promise<TunnelEntry | undefined> | undefined;
  entry: TunnelEntry | undefined;
  /** Its way out again. */
  closing: Promise<void> | undefined;
  /** Sessions on their way out. */
  readonly leaving: Set<Promise<unknown>>;
  /** Why it ended, for operators. */
  reason: string | undefined;
  /** Resolves once the tunnel has left the datapath. */
  readonly gone: PromiseWithResolvers<void>;
}

/** A call and its session. */
export interface LinkCall {
  readonly handle: CallHandle;
  readonly name: string;
  readonly stanza: Stanza;
  /** What we configured for it; undefined: the peer called, and it is among what the peer may. */
  readonly placement: Placement | undefined;
  /** The session, after all that was asked for so far is done; undefined: it did not come to one. */
  work: Promise<SessionEntry | undefined> | undefined;
  closed: boolean;
  upSince: number | undefined;
  /** Called when the session has left the datapath. */
  onGone: (() => void) | undefined;
}

export interface LinkDependencies {
  readonly driver: Driver;
  readonly log: Logger;
  readonly sessions: Sessions;
  readonly sockets: Sockets;
  readonly tunnels: Tunnels;
}

export interface Links {
  /** The tunnel of an established connection; where it cannot be, the connection is ended. @param before is waited for */
  open(link: Link, connection: Connection, before?: Promise<void>): void;
  /** Takes the tunnel out again. */
  close(link: Link): void;
  /**
   * It is agreed on what the session of a call is like: it comes into the datapath and to its circuit, and `ready` is
   * called once it carries frames. Where it cannot be, the call is ended.
   */
  openCall(link: Link, call: LinkCall, agreed: SessionParameters, ready: () => void): void;
  /** The call is established: its session is up, unless the peer's circuit is not. */
  establishCall(link: Link, call: LinkCall, agreed: SessionParameters, up: boolean): void;
  closeCall(link: Link, call: LinkCall): void;
  /** The peer says whether its circuit is up. */
  follow(link: Link, call: LinkCall, active: boolean): void;
}

/** A connection without a tunnel. */
export function makeLink(
  { handle, settings }: Connection,
  name: string,
  slot: Slot | undefined,
  lease: SocketLease | undefined,
): Link {
  return {
    handle,
    peer: settings.name,
    version: settings.version,
    name,
    slot,
    calls: new Map(),
    names: new Set(),
    lease,
    established: false,
    establishedAt: undefined,
    upSince: undefined,
    opening: undefined,
    entry: undefined,
    closing: undefined,
    leaving: new Set(),
    reason: undefined,
    gone: Promise.withResolvers(),
  };
}

export function makeLinks({ driver, log, sessions, sockets, tunnels }: LinkDependencies): Links {
  const endConnection = (link: Link, message: string) => {
    log.warn("a tunnel cannot be", { path: `tunnels/${link.name}`, reason: message });
    const result = { result: StopResult.GeneralError, error: ErrorCode.NoResources, message };
    driver.act((lcce, now) => lcce.closeConnection(link.handle, result, now));
  };
  const endCall = (link: Link, call: LinkCall, error: unknown) => {
    const message = messageOf(error);
    const path = `tunnels/${link.name}/sessions/${call.name}`;
    log.warn("a session cannot be", { path, reason: message });
    const result: Result = { result: CdnResult.NoFacilitiesNow, message };
    driver.act((lcce, now) => lcce.closeCall(call.handle, result, now));
  };

  const openTunnel = async (link: Link, config: TunnelConfig, lease: SocketLease) => {
    try {
      await transaction(log, (tx) => tunnels.add(config, "control", [], tx, lease));
      return link.entry = tunnels.all.get(config.name);
    } catch (error) {
      endConnection(link, messageOf(error));
    }
  };

  const closeTunnel = async (link: Link) => {
    const entry = await link.opening;
    while (link.leaving.size > 0) await Promise.all(link.leaving);
    if (entry) await tunnels.remove(entry);
    link.entry = undefined;
    link.gone.resolve();
  };

  /** Does more with the session of a call, once all before is done; what fails ends the call. */
  const then = (
    link: Link,
    call: LinkCall,
    more: (session: SessionEntry, tunnel: TunnelEntry) => Promise<void> | void,
  ) => {
    call.work = call.work?.then(async (session) => {
      if (!session || !link.entry || call.closed) return session;
      try {
        await more(session, link.entry);
      } catch (error) {
        endCall(link, call, error);
      }
      return session;
    });
  };

  return {
    open(link, { localId, path, peerId, settings }, before) {
      const { encap, local, remote, socket } = path;
      const lease = sockets.hold(socket as SocketId);
      if (!lease) return endConnection(link, "its socket is closed");
      const config: TunnelConfig = {
        name: link.name,
        version: settings.version,
        tunnelId: localId as TunnelId,
        peerTunnelId: peerId as TunnelId,
        encap,
        local: { address: local, port: lease.local.port },
        remote,
        checksum: { udp: encap === "udp", zero6Tx: false, zero6Rx: false },
        sessions: [],
      };
      link.opening = (before ?? Promise.resolve()).then(() => openTunnel(link, config, lease));
    },
    close: (link) => void (link.closing ??= closeTunnel(link)),
    openCall(link, call, agreed, ready) {
      const config = sessionConfig(call.name, call.stanza.call, agreed);
      const opened = link.entry
        ? sessions.open(link.entry, config)
        : (link.opening ?? Promise.resolve(undefined)).then((entry) =>
          entry && !call.closed ? sessions.open(entry, config) : undefined
        );
      call.work = opened.catch((error) => void endCall(link, call, error));
      then(link, call, async (session, tunnel) => {
        await sessions.join(tunnel, session, call.stanza.circuit?.share());
        if (!call.closed) ready();
      });
    },
    establishCall(link, call, agreed, up) {
      const config = sessionConfig(call.name, call.stanza.call, agreed);
      then(link, call, (session, tunnel) => sessions.establish(tunnel, session, config, up));
    },
    closeCall(link, call) {
      call.closed = true;
      link.calls.delete(call.handle.localSessionId);
      const left = (async () => {
        const session = await call.work;
        if (session && link.entry) await sessions.remove(link.entry, session);
        // Only now: until here the name stood for this session.
        link.names.delete(call.name);
        call.onGone?.();
      })();
      link.leaving.add(left);
      void left.finally(() => link.leaving.delete(left));
    },
    follow: (link, call, active) => then(link, call, (session) => sessions.follow(session, active)),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
