/** What becomes of a control connection's states: tunnels, managed tunnels that are up or down, events, log lines. @module */

import { StopResult } from "../../core/errors.ts";
import type { LcceEvent } from "../../core/events.ts";
import { formatEndpoint } from "../../core/endpoint.ts";
import type { Connection } from "../../core/connection.ts";
import type { Lcce } from "../../core/lcce.ts";
import type { SocketId } from "../datapath/datapath.ts";
import type { ControlContext } from "./control.ts";
import type { Slot } from "./dialer.ts";
import { endingOf } from "./events.ts";
import { globMatches } from "./glob.ts";
import { type Link, makeLink } from "./link.ts";

type ConnectionEvent = Extract<LcceEvent, { type: "connection-state" }>;

/** Beyond the time for which a closed connection still acknowledges, in milliseconds. */
const LINGER_SLACK_MS = 1000;

export function makeConnectionHandler(
  { bus, dialer, driver, links, log, sockets, state, wallClock }: ControlContext,
  lcce: Lcce,
): (event: ConnectionEvent, now: number) => void {
  /** The managed tunnel that an accepted connection is: one of this peer that has none, or that this one replaces. */
  const slotFor = (link: Link, connection: Connection): Slot | undefined => {
    let replaced: Slot | undefined;
    for (const slot of state.slots.values()) {
      if (slot.config.peer !== link.peer || slot.gone) continue;
      if (!slot.link) return slot;
      const former = lcce.connection(slot.link.handle);
      if (former && sameEnd(former, connection)) replaced ??= slot;
    }
    return replaced;
  };

  /** A connection that the peer dialed becomes the managed tunnel that is configured for it. */
  const adopt = (link: Link, connection: Connection, now: number) => {
    const slot = slotFor(link, connection);
    if (!slot) return;
    const former = slot.link;
    slot.link = link;
    link.slot = slot;
    link.name = slot.config.name;
    if (!former) return;
    former.slot = undefined;
    const result = {
      result: StopResult.Clear,
      message: "replaced by a newer control connection",
    };
    lcce.closeConnection(former.handle, result, now);
    if (former.closing) return;
    // Its calls are over now, so that the newer one's find their circuits free.
    for (const call of former.calls.values()) links.closeCall(former, call);
    links.close(former);
    slot.leaving = former.closing;
  };

  const established = (link: Link, connection: Connection, now: number) => {
    if (!link.slot) adopt(link, connection, now);
    link.established = true;
    count(link, 1);
    link.upSince = now;
    link.version = connection.settings.version;
    link.establishedAt = wallClock();
    links.open(link, connection, link.slot?.leaving);
    if (link.slot) dialer.up(link.slot);
  };

  const ended = (link: Link) => {
    if (link.established) count(link, -1);
    link.established = false;
    links.close(link);
    if (link.slot) link.slot.leaving = link.closing;
  };
  const count = ({ peer }: Link, change: number) =>
    void state.established.set(peer, (state.established.get(peer) ?? 0) + change);

  /** Whether who answered our dialing calls itself something else than its peer must; callers were asked before. */
  const isSomebodyElse = ({ initiator, peer, settings }: Connection) => {
    const expected = state.config.peers.find(({ name }) => name === settings.name)?.hostName;
    return initiator && expected !== undefined && !globMatches(expected, peer?.hostName ?? "");
  };

  /** The socket is kept while what the peer says again is still acknowledged. */
  const forget = (link: Link, connection: Connection | undefined, now: number) => {
    const lingerMs = 4 * (connection?.settings.retransmitCapMs ?? 0) + LINGER_SLACK_MS;
    const due = () => {
      state.links.delete(link.handle);
      void link.lease?.[Symbol.asyncDispose]();
    };
    driver.schedule({ due }, now + lingerMs);
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
    const link = makeLink(connection, acceptedName(event, connection), undefined, lease);
    state.links.set(event.connection, link);
    return link;
  };

  return (event, now) => {
    const connection = lcce.connection(event.connection);
    const link = linkOf(event, connection, now);
    const ending = event.cause && endingOf(event.cause);
    if (link && ending) link.reason = ending.reason;
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
        if (link.slot) dialer.down(link.slot, link, event.cause?.by === "tie");
        forget(link, connection, now);
      }
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
    const notable = event.state === "established" || wasUp || link?.slot !== undefined;
    const suspicious = event.cause?.by === "protocol";
    log[suspicious ? "warn" : notable ? "info" : "debug"](`control connection ${event.state}`, {
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

/** Whether two connections are with one and the same program at the peer: the newer one tells that it was restarted. */
function sameEnd(a: Connection, b: Connection): boolean {
  return !a.initiator && !b.initiator &&
    a.path.remote.address === b.path.remote.address &&
    a.path.remote.port === b.path.remote.port &&
    a.peer?.hostName === b.peer?.hostName;
}
