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
import { globMatches } from "./glob.ts";
import { makeManagedConnection } from "./managed_connection.ts";
import { makePlaces } from "./places.ts";

type ConnectionEvent = Extract<LcceEvent, { type: "connection-state" }>;

/** How often it is looked whether a closed connection still acknowledges, at most, in milliseconds. */
const LINGER_LOOK_MS = 1000;

export function makeConnectionHandler(
  context: ControlContext,
  lcce: Lcce,
): (event: ConnectionEvent, now: number) => void {
  const { bus, dialer, driver, failures, links, log, sockets, state, takeover, wallClock } =
    context;
  const open = (link: ManagedConnection, connection: Connection) => {
    links.open(link, connection, link.managed?.leaving);
    if (link.managed) dialer.up(link.managed);
  };
  const findPlace = makePlaces(context, lcce, open);

  const established = (link: ManagedConnection, connection: Connection, now: number) => {
    link.established = true;
    count(link, 1);
    link.upSince = now;
    link.version = connection.settings.version;
    link.establishedAt = wallClock();
    if (link.managed) open(link, connection);
    else findPlace(link, connection, now);
  };

  const ended = (link: ManagedConnection) => {
    if (link.established) count(link, -1);
    link.established = false;
    links.close(link);
    if (link.managed) link.managed.leaving = link.closing;
  };
  const count = ({ peer }: ManagedConnection, change: number) =>
    void state.established.set(peer, (state.established.get(peer) ?? 0) + change);

  /** Whether who answered our dialing calls itself something else than its peer must; callers were asked before. */
  const isSomebodyElse = ({ initiator, peer, settings }: Connection) => {
    const expected = state.peers.get(settings.name)?.config.hostName;
    return initiator && expected !== undefined && !globMatches(expected, peer?.hostName ?? "");
  };

  /** The socket is kept while what the peer says again is still acknowledged. */
  const forget = (link: ManagedConnection, now: number) => {
    const item = {
      due(now: number) {
        const lingers = lcce.connection(link.handle)?.deadline();
        if (lingers !== undefined) {
          return driver.schedule(item, Math.max(lingers, now + LINGER_LOOK_MS));
        }
        state.links.delete(link.handle);
        void link.lease?.[Symbol.asyncDispose]();
      },
    };
    item.due(now);
  };

  /** What is kept of a connection: nothing of one that somebody only began, for there may be very many. */
  const linkOf = (event: ConnectionEvent, connection: Connection | undefined, now: number) => {
    const known = state.links.get(event.connection);
    if (known || event.state !== "established" || !connection) return known;
    if (!state.peers.has(event.peer)) {
      // The configuration changed while it came up.
      lcce.closeConnection(event.connection, { result: StopResult.NotAuthorized }, now);
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
  };

  return (event, now) => {
    const connection = lcce.connection(event.connection);
    const link = linkOf(event, connection, now);
    const ending = event.cause && endingOf(event.cause);
    if (link && ending) Object.assign(link, { reason: ending.reason, cause: event.cause });
    const wasUp = link?.established;
    if (link && connection && event.state === "established") {
      if (isSomebodyElse(connection)) {
        const message = "the Host Name is not that of the peer who was dialed";
        lcce.closeConnection(event.connection, { result: StopResult.NotAuthorized, message }, now);
        return;
      }
      established(link, connection, now);
    }
    if (link && (event.state === "stopping" || event.state === "closed")) {
      ended(link);
      if (event.state === "closed") {
        if (link.managed) dialer.down(link.managed, link, link.cause);
        forget(link, now);
      }
      takeover.ended(link);
    }
    const name = link?.name ?? acceptedName(event, connection);
    bus.publish({
      type: "connection-state",
      tunnel: name,
      peer: event.peer,
      tunnelId: connection?.localId ?? 0,
      state: event.state,
      ...(ending && { ending }),
    });
    if (event.cause && isFailure(event.cause, wasUp === true)) {
      const failed = failedWith("tunnel", event.cause, event, name);
      failures.note(failed, event.path.remote.address);
    }
    const notable = event.state === "established" || wasUp || link?.managed !== undefined;
    log[notable ? "info" : "debug"](`control connection ${event.state}`, {
      path: `tunnels/${name}`,
      peer: event.peer,
      ...(connection && { remote: formatEndpoint(connection.path.remote) }),
      ...(ending && { reason: ending.reason }),
    });
  };
}

/** The tunnel of a connection that the peer dialed and that is no tunnel of the configuration. */
function acceptedName({ peer }: ConnectionEvent, connection: Connection | undefined): string {
  return connection ? `${peer}-${connection.localId}` : peer;
}
