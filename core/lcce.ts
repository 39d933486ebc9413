/**
 * An LCCE: all control connections of one appliance, sans I/O. Datagrams, timeouts and requests go in, each with the
 * time; after each, drain {@linkcode Lcce.poll} until it is empty, then wait for {@linkcode Lcce.deadline}.
 *
 * Nothing here knows a clock, a socket or a source of randomness: all of these come in as values. Nothing that a peer
 * sends makes any method throw.
 *
 * @module
 */

import { Authenticator } from "./authenticator.ts";
import type { Call } from "./call.ts";
import { OutstandingChallenges } from "./challenges.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionHost } from "./connection_host.ts";
import { Connections } from "./connections.ts";
import { ApiMisuse, CdnResult, type Result } from "./errors.ts";
import type {
  CallHandle,
  ConnectionHandle,
  ConnectionRequest,
  ControlDrop,
  Output,
  RefusalReason,
} from "./events.ts";
import type { AdmissionLimits, Expected } from "./limits.ts";
import { Outbox } from "./outbox.ts";
import { Reception, type Sender } from "./reception.ts";
import { ConnectionRegistry } from "./registry.ts";
import { type Decision, type Policy, Requests, type Verdict } from "./requests.ts";
import { SessionIds } from "./session_ids.ts";
import type { CallParameters, Path, PeerSettings } from "./settings.ts";
import { type ConnectionSnapshot, type LcceSnapshot, SNAPSHOT_VERSION } from "./snapshot.ts";
import { whose } from "./whose.ts";
import type { CallAvps, CallEnd } from "./wire/call_avps.ts";

export type { AdmissionLimits, ConnectionRequest, Decision, Expected, Sender, Verdict };
export type { Call, Connection };

/** What an LCCE is made with. */
export interface LcceOptions extends Policy {
  /** Unpredictable octets. */
  readonly random: (length: number) => Uint8Array;
  /** What strangers may cost. */
  readonly limits: AdmissionLimits;
  /** Whether the owner knows when something last came in a connection's sessions, and wants to be asked. Absent: no. */
  readonly hearsSessions?: boolean;
  /**
   * Whether some plugin understands a vendor's AVP: it is passed on in events, and may be mandatory. Those that nobody
   * understands are passed on too, unless mandatory: these refuse the message (RFC 2661 §4.2). Absent: none is known.
   */
  readonly knowsVendor?: (vendorId: number, type: number) => boolean;
}

/** All control connections of one appliance, and their calls. */
export class Lcce {
  readonly #host: ConnectionHost;
  readonly #connections: Connections;
  readonly #reception: Reception;
  readonly #outbox = new Outbox();
  readonly #sessionIds: SessionIds;

  /** An LCCE without connections. */
  constructor({ expects, hearsSessions, random, policy, limits, knowsVendor }: LcceOptions) {
    const outbox = this.#outbox;
    const sessionIds = this.#sessionIds = new SessionIds(random);
    const challenges = new OutstandingChallenges();
    this.#host = {
      random,
      knowsVendor: knowsVendor ?? (() => false),
      hearsSessions: hearsSessions ?? false,
      event: (event) => outbox.event(event),
      transmit: (path, data) => outbox.transmit(path, data),
      drop: (reason) => outbox.drop(reason),
      refuse: (refusal, now) => outbox.refuse(refusal, now),
      allocateSessionId: (narrow) => sessionIds.allocate(narrow),
      releaseSessionId: (id, now) => sessionIds.release(id, now),
      claimSessionId: (id) => sessionIds.claim(id),
      challenges,
    };
    const who = { policy, ...(expects && { expects }) };
    const registry = new ConnectionRegistry(random);
    const requests = new Requests(this.#host, registry, who, limits, challenges);
    this.#connections = new Connections(this.#host, registry, (one) => requests.closed(one));
    this.#reception = new Reception(this.#connections, requests, outbox);
  }

  /**
   * Takes a control message: what followed the UDP header, or the all-zero session id of protocol 115.
   * @param more another one waits and will be taken at once: what can be acknowledged with it, or with a message of
   *   ours until then, needs no acknowledgement of its own
   */
  receive(datagram: Uint8Array, path: Path, now: number, more = false): void {
    this.#connections.hold(more);
    this.#reception.receive(datagram, path, now);
    this.#connections.release(now);
  }

  /**
   * Whose a datagram is, at next to no cost: so that those of proven connections can go first. Undefined: it was looked
   * at no further, and dropped; {@linkcode receive} would do the same.
   */
  sort(datagram: Uint8Array, path: Path, now: number): Sender | undefined {
    return this.#reception.sort(datagram, path, now);
  }

  /** The connection that a message was for, or is from, as far as that can be told: for those who look on. */
  whose(
    datagram: Uint8Array,
    path: Path,
    direction: "received" | "sent",
  ): Connection | undefined {
    return whose(this.#connections.registry, datagram, path, direction);
  }

  /**
   * Decides on a peer that a `connection-requested` told of. False: it waited too long, and asks again if it still wants to.
   */
  decide(request: number, decision: Decision, now: number): boolean {
    return this.#reception.decide(request, decision, now);
  }

  /** Dials a peer. @throws {ApiMisuse} where nearly all connection ids are in use */
  dial(settings: PeerSettings, path: Path, now: number): ConnectionHandle {
    const authenticator = new Authenticator(settings, path.encap, this.#host.random);
    const connection = this.#connections.create(settings, path, authenticator, true, now);
    if (!connection) throw new ApiMisuse("no connection id is free");
    connection.dial();
    this.#connections.settle(connection, now);
    return connection.handle;
  }

  /** Gives a living connection its peer's new settings, as far as they need no agreement; the next one has them all. */
  reconfigure(connection: ConnectionHandle, settings: PeerSettings, now: number): void {
    this.#connections.with(connection, now, (owner) => {
      owner.reconfigure(settings, now);
      // It may hide its ids with another key from now on.
      this.#connections.registry.meet(owner);
    });
  }

  /**
   * Requests a call; it waits until its connection is up. Where the connection has ended meanwhile, or carries as many
   * calls as it may, the call ends at once, and an event says so as for any other.
   * @throws {ApiMisuse} where there never was such a connection
   * @throws {UnsendableAvp} where the request cannot say what it is to; there is no call then
   */
  placeCall(
    connection: ConnectionHandle,
    role: "incoming-caller" | "outgoing-caller",
    parameters: CallParameters,
    now: number,
  ): CallHandle {
    const owner = this.#connections.owner(connection);
    const localSessionId = owner?.calls.place(role, parameters, now);
    if (owner) this.#connections.settle(owner, now);
    if (localSessionId !== undefined) return { connection, localSessionId };
    return this.#stillborn(connection, owner, now);
  }

  /**
   * Accepts a requested call: an event says what its frames will be like, and {@linkcode proceed} is waited for. False:
   * it has ended meanwhile, as an event says or said.
   * @throws {ApiMisuse} where it was accepted before, or there never was such a connection
   */
  acceptCall(
    { connection, localSessionId }: CallHandle,
    parameters: CallParameters,
    now: number,
  ): boolean {
    const owner = this.#connections.owner(connection);
    if (!owner?.calls.accept(localSessionId, parameters, now)) return false;
    this.#connections.settle(owner, now);
    return true;
  }

  /**
   * The session of a call in `wait-proceed` carries frames: tells the peer to go on (ICRP, OCRP; ICCN of a call that we
   * placed). False: the call has ended meanwhile.
   * @param say what the message carries, as far as it has a place for it
   * @throws {ApiMisuse} where the call is in another state, or there never was such a connection
   * @throws {UnsendableAvp} where `say` does not fit; nothing has changed then
   */
  proceed({ connection, localSessionId }: CallHandle, now: number, say: CallAvps = {}): boolean {
    const owner = this.#connections.owner(connection);
    if (!owner?.calls.proceed(localSessionId, say, now)) return false;
    this.#connections.settle(owner, now);
    return true;
  }

  /**
   * An outgoing call that the peer requested was answered: OCCN. False: it has ended meanwhile.
   * @param say as {@linkcode proceed}'s
   * @throws {ApiMisuse} where it is no such call, or was answered before
   * @throws {UnsendableAvp} where `say` does not fit; nothing has changed then
   */
  callConnected(
    { connection, localSessionId }: CallHandle,
    now: number,
    say: CallAvps = {},
  ): boolean {
    const owner = this.#connections.owner(connection);
    if (!owner?.calls.connected(localSessionId, say, now)) return false;
    this.#connections.settle(owner, now);
    return true;
  }

  /** Ends a call, requested or up, with a CDN. One that has ended already is left alone. */
  closeCall({ connection, localSessionId }: CallHandle, result: CallEnd, now: number): void {
    const owner = this.#connections.registry.get(connection);
    const call = owner?.calls.get(localSessionId);
    if (!owner || !call) return;
    owner.calls.close(call, result, { by: "local", result }, now);
    this.#connections.settle(owner, now);
  }

  /** Tells the peer whether the circuit behind a call is up; of a call not yet up, once it is. */
  setCircuitStatus({ connection, localSessionId }: CallHandle, active: boolean, now: number): void {
    this.#connections.with(connection, now, ({ calls }) => calls.setActive(localSessionId, active));
  }

  /**
   * Tells the peer news of a call that is up: which characters the client's line needs escaped, as a v2 LNS, or whether
   * the circuit is up, in v3 (SLI); errors on the line, as LAC, no more often than once in 60 s (WEN). False: it is
   * not up.
   * @throws {UnsendableAvp} where `say` does not fit
   */
  tell(
    { connection, localSessionId }: CallHandle,
    message: "SLI" | "WEN",
    say: CallAvps,
    now: number,
  ): boolean {
    const owner = this.#connections.registry.get(connection);
    if (!owner?.calls.tell(localSessionId, message, say)) return false;
    this.#connections.settle(owner, now);
    return true;
  }

  /** Ends a connection with a StopCCN, and its calls with it. One that has ended already is left alone. */
  closeConnection(handle: ConnectionHandle, result: Result, now: number): void {
    this.#connections.with(handle, now, (one) => one.close(result, { by: "local", result }, now));
  }

  /** Gives up a connection that we dial and that nobody answered yet; an answer that comes late is told so. */
  giveUp(handle: ConnectionHandle, result: Result, now: number): void {
    this.#connections.with(handle, now, (one) => one.giveUp(result, now));
  }

  /**
   * Asks the peer of an established connection by HELLO, at a quick pace, whether it is there. An event says that it
   * answered; where it is silent for `silenceMs` the connection ends.
   */
  ask(handle: ConnectionHandle, silenceMs: number, now: number): void {
    this.#connections.with(handle, now, (one) => one.ask(silenceMs, now));
  }

  /** Sends the SCCRQ of a connection that we dial at a steady pace for some time: its peer is expected back soon. */
  hurry(handle: ConnectionHandle, everyMs: number, forMs: number, now: number): void {
    this.#connections.with(handle, now, (one) => one.hurry(everyMs, forMs, now));
  }

  /** When something valid last came in the sessions of a connection, as the datapath says; undefined: never. */
  heard(handle: ConnectionHandle, at: number | undefined, now: number): void {
    this.#connections.with(handle, now, (one) => one.heard(at, now));
  }

  /**
   * Somebody says that the peer of a connection cannot be reached (ICMP). That may be forged: the peer is asked by HELLO,
   * and an SCCRQ of ours is sent again sooner.
   */
  unreachable(handle: ConnectionHandle, now: number): void {
    this.#connections.with(handle, now, (one) => one.unreachable(now));
  }

  /** All connections that are up, and their calls, as plain data. */
  snapshot(now: number): LcceSnapshot {
    const connections = [...this.#connections.registry.values()].flatMap((one) =>
      one.snapshot(now) ?? []
    );
    return { version: SNAPSHOT_VERSION, connections };
  }

  /**
   * Goes on with the connections and calls of a snapshot: each says by events that it is up, and asks its peer by HELLO
   * where they stand; until that is known, nothing else goes out. One whose peer is not configured any more, or whose id
   * is in use here, is left out; the snapshots of those are returned.
   * @param treat how a peer is treated, by what its connection was set up with: its secrets above all
   * @param where the path of a connection here: its socket, at least
   */
  restore(
    { connections }: LcceSnapshot,
    treat: (saved: ConnectionSnapshot) => Pick<PeerSettings, "secret" | "otherSecret"> | undefined,
    where: (saved: ConnectionSnapshot) => Path,
    now: number,
  ): ConnectionSnapshot[] {
    return connections.filter((saved) => {
      const secrets = treat(saved);
      return !secrets || !this.#connections.restore(saved, secrets, where(saved), now);
    });
  }

  /** The next thing to do; undefined: nothing until the next input. */
  poll(): Output | undefined {
    return this.#outbox.poll();
  }

  /** When {@linkcode timeout} is wanted; perhaps too early, never too late. */
  deadline(): number | undefined {
    return this.#connections.deadline();
  }

  /** Does what is due, for so many connections at `most`; {@linkcode deadline} is still in the past where more are. */
  timeout(now: number, most = Infinity): void {
    this.#connections.timeout(now, most);
  }

  /** A connection as it is; its members change as it goes on. */
  connection(handle: ConnectionHandle): Connection | undefined {
    return this.#connections.registry.get(handle);
  }

  /** A call as it is; its members change as it goes on. */
  call({ connection, localSessionId }: CallHandle): Call | undefined {
    return this.#connections.registry.get(connection)?.calls.get(localSessionId);
  }

  /** All connections, also those that have ended and still acknowledge what comes again. */
  connections(): IterableIterator<Connection> {
    return this.#connections.registry.values();
  }

  /** Datagrams that came to nothing, by reason. */
  drops(): ReadonlyMap<ControlDrop, number> {
    return this.#outbox.drops;
  }

  /** What was refused that has no state to tell of, by reason: also what no event told of. */
  refusals(): ReadonlyMap<RefusalReason, number> {
    return this.#outbox.refusals;
  }

  /** A call that ends before it has begun: its connection is over, or no session id is free. */
  #stillborn(
    connection: ConnectionHandle,
    owner: Connection | undefined,
    now: number,
  ): CallHandle {
    const localSessionId = this.#sessionIds.allocate(false) ?? 0;
    this.#sessionIds.release(localSessionId, now);
    const call = { connection, localSessionId };
    const result = { result: CdnResult.NoFacilitiesNow };
    const by = owner ? "local" : "connection";
    this.#outbox.event({ type: "call-state", call, state: "closed", cause: { by, result } });
    return call;
  }
}
