/** What becomes of a control connection's states: tunnels, managed tunnels that are up or down, events, log lines. @module */

import { StopResult } from "../../core/errors.ts";
import type { LcceEvent } from "../../core/events.ts";
import { formatEndpoint } from "../../core/endpoint.ts";
import type { Connection } from "../../core/connection.ts";
import type { Lcce } from "../../core/lcce.ts";
import type { SocketId } from "../datapath/datapath.ts";
import type { ControlContext, ManagedConnection } from "./context.ts";
import { endingOf } from "./events.ts";
import { failedWith, isFailure } from "./failures.ts";
import { globMatches } from "../../plugins/glob.ts";
import { makeManagedConnection } from "./managed_connection.ts";
import { makePlaces } from "./places.ts";

type ConnectionEvent = Extract<LcceEvent, { type: "connection-state" }>;

/** How often it is looked whether a closed connection still acknowledges, at most, in milliseconds. */
const LINGER_LOOK_MS = 1000;

export function makeConnectionHandler(
  context: ControlContext,
  lcce: Lcce,
): (event: ConnectionEvent, now: number) => void {
  const handler = new ConnectionHandler(context, lcce);
  return (event, now) => handler.handle(event, now);
}

class ConnectionHandler {
  readonly #context: ControlContext;
  readonly #lcce: Lcce;
  readonly #findPlace: ReturnType<typeof makePlaces>;

  constructor(context: ControlContext, lcce: Lcce) {
    this.#context = context;
    this.#lcce = lcce;
    this.#findPlace = makePlaces(
      context,
      lcce,
      (link, connection) => this.#open(link, connection),
    );
  }

  handle(event: ConnectionEvent, now: number): void {
    const { dialer, takeover } = this.#context;
    const connection = this.#lcce.connection(event.connection);
    const link = this.#linkOf(event, connection, now);
    const ending = event.cause && endingOf(event.cause);
    if (link && ending) Object.assign(link, { reason: ending.reason, cause: event.cause });
    const wasUp = link?.established;
    if (link && connection && event.state === "established") {
      if (this.#isSomebodyElse(connection)) {
        const message = "the Host Name is not that of the peer who was dialed";
        const result = { result: StopResult.NotAuthorized, message };
        return this.#lcce.closeConnection(event.connection, result, now);
      }
      this.#established(link, connection, now);
    }
    if (link && (event.state === "stopping" || event.state === "closed")) {
      this.#ended(link);
      if (event.state === "closed") {
        if (link.managed) dialer.down(link.managed, link, link.cause);
        this.#forget(link, now);
      }
      takeover.ended(link);
    }
    this.#tell(event, connection, link, wasUp === true);
  }

  /** What is kept of a connection: nothing of one that somebody only began, for there may be very many. */
  #linkOf(
    event: ConnectionEvent,
    connection: Connection | undefined,
    now: number,
  ): ManagedConnection | undefined {
    const { sockets, state } = this.#context;
    const known = state.links.get(event.connection);
    if (known || event.state !== "established" || !connection) return known;
    if (!state.peers.has(event.peer)) {
      // The configuration changed while it came up.
      this.#lcce.closeConnection(event.connection, { result: StopResult.NotAuthorized }, now);
      return undefined;
    }
    const lease = sockets.hold(connection.path.socket as SocketId);
    const link = makeManagedConnection(
      connection,
      acceptedName(event, connection),
      undefined,
      lease,
    );
    state.links.set(event.connection, link);
    return link;
  }

  /** Whether who answered our dialing calls itself something else than its peer must; callers were asked before. */
  #isSomebodyElse({ initiator, peer, settings }: Connection): boolean {
    const { peers, servers } = this.#context.state;
    const { name } = settings;
    const expected = (peers.get(name)?.config ?? servers.get(name)?.peer)?.hostName;
    return initiator && expected !== undefined && !globMatches(expected, peer?.hostName ?? "");
  }

  #established(link: ManagedConnection, connection: Connection, now: number): void {
    link.established = true;
    this.#count(link, 1);
    link.upSince = now;
    link.version = connection.settings.version;
    link.establishedAt = this.#context.wallClock();
    if (link.managed) this.#open(link, connection);
    else this.#findPlace(link, connection, now);
  }

  #open(link: ManagedConnection, connection: Connection): void {
    const { dialer, links } = this.#context;
    links.open(link, connection, link.managed?.leaving);
    if (link.managed) dialer.up(link.managed);
  }

  #ended(link: ManagedConnection): void {
    if (link.established) this.#count(link, -1);
    link.established = false;
    this.#context.links.close(link);
    if (link.managed) link.managed.leaving = link.closing;
  }

  #count({ peer }: ManagedConnection, change: number): void {
    const { established } = this.#context.state;
    established.set(peer, (established.get(peer) ?? 0) + change);
  }

  /** The socket is kept while what the peer says again is still acknowledged. */
  #forget(link: ManagedConnection, now: number): void {
    const { driver, state } = this.#context;
    const item = {
      due: (now: number) => {
        const lingers = this.#lcce.connection(link.handle)?.deadline();
        if (lingers !== undefined) {
          return driver.schedule(item, Math.max(lingers, now + LINGER_LOOK_MS));
        }
        state.links.delete(link.handle);
        void link.lease?.[Symbol.asyncDispose]();
      },
    };
    item.due(now);
  }

  /** Tells programs and operators of a state. @param wasUp the connection, before it */
  #tell(
    event: ConnectionEvent,
    connection: Connection | undefined,
    link: ManagedConnection | undefined,
    wasUp: boolean,
  ): void {
    const { bus, failures, log } = this.#context;
    const name = link?.name ?? acceptedName(event, connection);
    const ending = event.cause && endingOf(event.cause);
    bus.publish({
      type: "connection-state",
      tunnel: name,
      peer: event.peer,
      tunnelId: connection?.localId ?? 0,
      state: event.state,
      ...(ending && { ending }),
    });
    if (event.cause && isFailure(event.cause, wasUp)) {
      const failed = failedWith("tunnel", event.cause, event, name);
      failures.note(failed, event.path.remote.address, { wasUp });
    }
    const notable = event.state === "established" || wasUp || link?.managed !== undefined;
    // A peer that was lost is news: nobody decided on that.
    const lost = wasUp && event.cause !== undefined && isFailure(event.cause, wasUp);
    log[lost ? "warn" : notable ? "info" : "debug"](`control connection ${event.state}`, {
      path: `tunnels/${name}`,
      peer: event.peer,
      ...(connection && { remote: formatEndpoint(connection.path.remote) }),
      ...(event.state === "established" && connection && whoIs(connection)),
      ...(ending && { reason: ending.reason }),
    });
  }
}

/** What the other end says of itself. */
function whoIs({ peer, settings: { version } }: Connection): Record<string, string | number> {
  return {
    ...(peer && { "host-name": peer.hostName }),
    ...(peer?.vendorName && { "vendor-name": peer.vendorName }),
    "proto-version": version,
  };
}

/** The tunnel of a connection that the peer dialed and that is no tunnel of the configuration. */
function acceptedName({ peer }: ConnectionEvent, connection: Connection | undefined): string {
  return connection ? `${peer}-${connection.localId}` : peer;
}
