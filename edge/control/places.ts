/**
 * The place of a connection that the peer dialed: a managed tunnel that is configured for it, or one more of the peer's
 * tunnels. Where others have the place, see `takeover.ts`; its calls wait for what comes of that.
 *
 * @module
 */

import type { Connection } from "../../core/connection.ts";
import { hasEnded } from "../../core/connection_states.ts";
import { ErrorCode, type Result, StopResult } from "../../core/errors.ts";
import type { Lcce } from "../../core/lcce.ts";
import type { ControlContext, ManagedConnection, ManagedTunnel } from "./context.ts";
import { isProvenSame } from "./takeover.ts";

/** What a peer is told that has all the tunnels that it may have. */
export const TUNNEL_LIMIT: Result = {
  result: StopResult.GeneralError,
  error: ErrorCode.NoResources,
  message: "no more tunnels for this peer",
};

const REPLACED: Result = {
  result: StopResult.Clear,
  message: "replaced by a newer control connection",
};

/**
 * Finds places. `found` is called for a connection once it has its place, and may have been waiting for it: its
 * {@linkcode ManagedConnection.managed} says which.
 */
export function makePlaces(
  { driver, links, log, state, takeover }: Pick<
    ControlContext,
    "driver" | "links" | "log" | "state" | "takeover"
  >,
  lcce: Lcce,
  found: (link: ManagedConnection, connection: Connection) => void,
): (link: ManagedConnection, connection: Connection, now: number) => void {
  const placesOf = (peer: string) =>
    [...state.managedTunnels.values()].filter(({ config, gone }) => config.peer === peer && !gone);

  const formerOf = ({ link }: ManagedTunnel) => link && lcce.connection(link.handle);

  const take = (link: ManagedConnection, managed: ManagedTunnel, now: number) => {
    const former = managed.link;
    managed.link = link;
    link.managed = managed;
    link.name = managed.config.name;
    if (!former) return;
    former.managed = undefined;
    lcce.closeConnection(former.handle, REPLACED, now);
    if (!former.closing) {
      // Its calls are over now, so that the newer one's find their circuits free.
      for (const call of former.calls.values()) links.closeCall(former, call);
      links.close(former);
    }
    managed.leaving = former.closing;
  };

  /** Goes on where a question ended; the connection may have ended meanwhile. */
  const resume = (link: ManagedConnection, work: (connection: Connection, now: number) => void) =>
    driver.defer((lcce, now) => {
      const connection = lcce.connection(link.handle);
      if (link.established && connection?.state === "established") work(connection, now);
    });

  const done = (link: ManagedConnection, connection: Connection) => {
    const { waiting } = link;
    link.waiting = undefined;
    found(link, connection);
    for (const request of waiting ?? []) driver.defer(request);
  };

  /** At the limit: the peer's others are asked, one round at a time, and the newer one goes where all are there. */
  const askForRoom = (
    link: ManagedConnection,
    others: readonly ManagedConnection[],
    now: number,
  ) => {
    const { peer } = link;
    const refuse = (now: number) => lcce.closeConnection(link.handle, TUNNEL_LIMIT, now);
    if (state.asking.has(peer)) return refuse(now);
    state.asking.add(peer);
    log.info("the tunnel limit is reached: asking this peer's tunnels whether they are there", {
      path: `tunnels/${link.name}`,
      peer,
    });
    takeover.ask(others, (ended) => {
      state.asking.delete(peer);
      resume(link, (connection, now) => ended ? settle(link, connection, now) : refuse(now));
    });
  };

  /** A managed tunnel of the peer is there, and another connection has it: it keeps it if it answers. */
  const askForPlace = (link: ManagedConnection, holders: readonly ManagedConnection[]) =>
    takeover.ask(holders, (ended) =>
      resume(link, (connection, now) => {
        if (ended) settle(link, connection, now);
        else done(link, connection);
      }));

  /** Of the places that the peer itself has, as is proven, the one that it has had for longest. */
  const oldestOf = (places: readonly ManagedTunnel[], connection: Connection) =>
    places
      .filter((place) => {
        const former = formerOf(place);
        return former && isProvenSame(connection, former);
      })
      .sort((a, b) => (a.link?.upSince ?? 0) - (b.link?.upSince ?? 0))[0];

  const settle = (link: ManagedConnection, connection: Connection, now: number) => {
    link.waiting ??= [];
    const places = placesOf(link.peer);
    const limit = state.peers.get(link.peer)?.config.tunnelLimit ?? 0;
    // This one is counted already.
    const beyond = (state.established.get(link.peer) ?? 0) > limit;
    const free = places.find((place) => {
      const former = formerOf(place);
      return !place.link || !former || hasEnded(former.state);
    });
    const place = (beyond ? undefined : free) ?? oldestOf(places, connection);
    if (place) {
      take(link, place, now);
      return done(link, connection);
    }
    if (beyond) {
      const others = [...state.links.values()].filter((other) =>
        other !== link && other.peer === link.peer && other.established
      );
      return askForRoom(link, others, now);
    }
    const holders = places.flatMap(({ link }) => link?.established ? [link] : []);
    if (holders.length > 0) askForPlace(link, holders);
    else done(link, connection);
  };
  return settle;
}
