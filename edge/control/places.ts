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
 * So many milliseconds a connection has its place in peace: another one of the same peer that comes before is more
 * likely one of several than the same one again, and two that live would take the place from each other for ever.
 */
const PEACE_MS = 60_000;

type PlaceDependencies = Pick<ControlContext, "driver" | "links" | "log" | "state" | "takeover">;
type Found = (link: ManagedConnection, connection: Connection) => void;

/**
 * Finds places. `found` is called for a connection once it has its place, and may have been waiting for it: its
 * {@linkcode ManagedConnection.managed} says which.
 */
export function makePlaces(
  dependencies: PlaceDependencies,
  lcce: Lcce,
  found: Found,
): (link: ManagedConnection, connection: Connection, now: number) => void {
  const places = new Places(dependencies, lcce, found);
  return (link, connection, now) => places.settle(link, connection, now);
}

class Places {
  readonly #dependencies: PlaceDependencies;
  readonly #lcce: Lcce;
  readonly #found: Found;

  constructor(dependencies: PlaceDependencies, lcce: Lcce, found: Found) {
    this.#dependencies = dependencies;
    this.#lcce = lcce;
    this.#found = found;
  }

  settle(link: ManagedConnection, connection: Connection, now: number): void {
    const { state } = this.#dependencies;
    link.waiting ??= [];
    const places = this.#placesOf(link.peer);
    const limit = state.peers.get(link.peer)?.config.tunnelLimit ?? 0;
    // This one is counted already.
    const beyond = (state.established.get(link.peer) ?? 0) > limit;
    const free = places.find((place) => {
      const former = this.#formerOf(place);
      return !place.link || !former || hasEnded(former.state);
    });
    const place = (beyond ? undefined : free) ?? this.#oldestOf(places, connection, now);
    if (place) {
      this.#take(link, place, now);
      return this.#done(link, connection);
    }
    if (beyond) {
      const others = [...state.links.values()].filter((other) =>
        other !== link && other.peer === link.peer && other.established
      );
      return this.#askForRoom(link, others, now);
    }
    const holders = places.flatMap(({ link }) => link?.established ? [link] : []);
    if (holders.length > 0) this.#askForPlace(link, holders);
    else this.#done(link, connection);
  }

  #placesOf(peer: string): ManagedTunnel[] {
    return [...this.#dependencies.state.managedTunnels.ofPeer(peer)].filter(({ gone }) => !gone);
  }

  #formerOf({ link }: ManagedTunnel): Connection | undefined {
    return link && this.#lcce.connection(link.handle);
  }

  /** Of the places that the peer itself has, as is proven, and not just now, the one that it has had for longest. */
  #oldestOf(
    places: readonly ManagedTunnel[],
    connection: Connection,
    now: number,
  ): ManagedTunnel | undefined {
    return places
      .filter((place) => {
        const former = this.#formerOf(place);
        const since = place.link?.upSince ?? now;
        return former && isProvenSame(connection, former) && now - since >= PEACE_MS;
      })
      .sort((a, b) => (a.link?.upSince ?? 0) - (b.link?.upSince ?? 0))[0];
  }

  #take(link: ManagedConnection, managed: ManagedTunnel, now: number): void {
    const { links } = this.#dependencies;
    const former = managed.link;
    managed.link = link;
    link.managed = managed;
    link.name = managed.config.name;
    if (!former) return;
    former.managed = undefined;
    this.#lcce.closeConnection(former.handle, REPLACED, now);
    if (!former.closing) {
      // Its calls are over now, so that the newer one's find their circuits free.
      for (const call of former.calls.values()) links.closeCall(former, call);
      links.close(former);
    }
    managed.leaving = former.closing;
  }

  #done(link: ManagedConnection, connection: Connection): void {
    const { waiting } = link;
    link.waiting = undefined;
    this.#found(link, connection);
    for (const request of waiting ?? []) this.#dependencies.driver.defer(request);
  }

  /** At the limit: the peer's others are asked, one round at a time, and the newer one goes where all are there. */
  #askForRoom(link: ManagedConnection, others: readonly ManagedConnection[], now: number): void {
    const { log, state, takeover } = this.#dependencies;
    const { peer } = link;
    const refuse = (now: number) => this.#lcce.closeConnection(link.handle, TUNNEL_LIMIT, now);
    if (state.asking.has(peer)) return refuse(now);
    state.asking.add(peer);
    log.info("the tunnel limit is reached: asking this peer's tunnels whether they are there", {
      path: `tunnels/${link.name}`,
      peer,
    });
    takeover.ask(others, (ended) => {
      state.asking.delete(peer);
      this.#resume(
        link,
        (connection, now) => ended ? this.settle(link, connection, now) : refuse(now),
      );
    });
  }

  /** A managed tunnel of the peer is there, and another connection has it: it keeps it if it answers. */
  #askForPlace(link: ManagedConnection, holders: readonly ManagedConnection[]): void {
    this.#dependencies.takeover.ask(holders, (ended) =>
      this.#resume(link, (connection, now) => {
        if (ended) this.settle(link, connection, now);
        else this.#done(link, connection);
      }));
  }

  /** Goes on where a question ended; the connection may have ended meanwhile. */
  #resume(link: ManagedConnection, work: (connection: Connection, now: number) => void): void {
    this.#dependencies.driver.defer((lcce, now) => {
      const connection = lcce.connection(link.handle);
      if (link.established && connection?.state === "established") work(connection, now);
    });
  }
}
