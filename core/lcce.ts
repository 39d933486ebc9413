/**
 * An LCCE: all control connections of one appliance, sans I/O. Datagrams, timeouts and requests go in, each with the
 * time; after each, drain {@linkcode Lcce.poll} until it is empty, then wait for {@linkcode Lcce.deadline}.
 *
 * Nothing here knows a clock, a socket or a source of randomness: all of these come in as values. Nothing that a peer
 * sends makes any method throw.
 *
 * @module
 */

import { Authenticator, messageTypeOf } from "./authenticator.ts";
import type { Call } from "./call.ts";
import type { CallAvps, CallEnd } from "./call_avps.ts";
import { Connection } from "./connection.ts";
import type { ConnectionHost } from "./connection_host.ts";
import { hasEnded } from "./connection_states.ts";
import { ApiMisuse, CdnResult, ErrorCode, PeerError, type Result, StopResult } from "./errors.ts";
import type { CallHandle, ConnectionHandle, ControlDrop, Output } from "./events.ts";
import type { ConnectionIds } from "./handshake.ts";
import { CONTROL_HEADER, type ControlHeader, parseHeader } from "./header.ts";
import { IdPool } from "./ids_pool.ts";
import type { AdmissionLimits } from "./limits.ts";
import { messageTypes } from "./message.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import { ConnectionRegistry } from "./registry.ts";
import { type ConnectionRequest, offeredVersion, Requests, type Verdict } from "./requests.ts";
import { Schedule } from "./schedule.ts";
import type { CallParameters, Path, PeerSettings } from "./settings.ts";

export type { AdmissionLimits, ConnectionRequest, Verdict };
export type { Call, Connection };

/** What an LCCE is made with. */
export interface LcceOptions {
  /** Decides on a peer; pure and quick: it runs for every SCCRQ. */
  readonly policy: (request: ConnectionRequest) => Verdict;
  /** Unpredictable octets. */
  readonly random: (length: number) => Uint8Array;
  /** What strangers may cost. */
  readonly limits: AdmissionLimits;
  /**
   * Whether some plugin understands a vendor's AVP: it is passed on in events, and may be mandatory. Those that nobody
   * understands are passed on too, unless mandatory: these refuse the message (RFC 2661 §4.2). Absent: none is known.
   */
  readonly knowsVendor?: (vendorId: number, type: number) => boolean;
}

/** For so many datagrams acknowledgements are held back at most: a peer's window must not stand still meanwhile. */
const HOLD_LIMIT = 64;

/** All control connections of one appliance, and their calls. */
export class Lcce {
  readonly #registry: ConnectionRegistry;
  readonly #requests: Requests;
  readonly #schedule = new Schedule<Connection>();
  readonly #outputs: Output[] = [];
  readonly #drops = new Map<ControlDrop, number>();
  readonly #sessionIds: Readonly<Record<ProtoVersion, IdPool>>;
  /** v3 session ids are the LCCE's, not the connection's (RFC 3931 §4.1). */
  readonly #sessions3 = new Set<number>();
  /** A peer that started anew with the id of old: which connection its new one is instead of. */
  readonly #replaces = new WeakMap<Connection, Connection>();
  readonly #host: ConnectionHost;
  /** Connections whose bare acknowledgements wait for what comes next. */
  readonly #owing = new Set<Connection>();
  #holding = false;
  /** Datagrams taken since acknowledgements were last sent. */
  #held = 0;
  #read = 0;

  /** An LCCE without connections. */
  constructor({ random, policy, limits, knowsVendor }: LcceOptions) {
    this.#sessionIds = { 2: new IdPool(2, random), 3: new IdPool(3, random) };
    this.#registry = new ConnectionRegistry(random);
    this.#host = {
      random,
      knowsVendor: knowsVendor ?? (() => false),
      event: (event) => void this.#outputs.push({ type: "event", event }),
      transmit: (path, data) => void this.#outputs.push({ type: "transmit", path, data }),
      drop: (reason) => this.#drop(reason),
      allocateSessionId: (version, taken, narrow) => this.#allocateSession(version, taken, narrow),
      releaseSessionId: (version, id, now) => {
        if (version === 3) this.#sessions3.delete(id);
        this.#sessionIds[version].release(id, now);
      },
    };
    this.#requests = new Requests(this.#host, this.#registry, policy, limits);
  }

  /**
   * Takes a control message: what followed the UDP header, or the all-zero session id of protocol 115.
   * @param more another one waits and will be taken at once: what can be acknowledged with it, or with a message of
   *   ours until then, needs no acknowledgement of its own
   */
  receive(datagram: Uint8Array, path: Path, now: number, more = false): void {
    this.#holding = more && this.#held < HOLD_LIMIT;
    this.#held++;
    this.#receive(datagram, path, now);
    if (!this.#holding) this.#acknowledge(now);
    this.#holding = false;
  }

  #receive(datagram: Uint8Array, path: Path, now: number): void {
    let header: ControlHeader, body: Uint8Array;
    try {
      ({ header, body } = parseHeader(datagram));
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      return this.#drop("malformed");
    }
    const message = datagram.subarray(0, CONTROL_HEADER + body.length);
    if (header.connectionId === 0) {
      return this.#receiveUnaddressed(header, body, message, path, now);
    }
    const connection = this.#registry.byId(header.version, header.connectionId);
    if (!connection) return this.#drop("unknown-connection");
    connection.receive(header, body, message, path, now);
    this.#settle(connection, now);
  }

  /** Dials a peer. @throws {ApiMisuse} where nearly all connection ids are in use */
  dial(settings: PeerSettings, path: Path, now: number): ConnectionHandle {
    const authenticator = new Authenticator(settings, path.encap, this.#host.random);
    const connection = this.#create(settings, path, authenticator, true, now);
    if (!connection) throw new ApiMisuse("no connection id is free");
    connection.dial();
    this.#settle(connection, now);
    return connection.handle;
  }

  /** Gives a living connection its peer's new settings, as far as they need no agreement; the next one has them all. */
  reconfigure(connection: ConnectionHandle, settings: PeerSettings, now: number): void {
    const owner = this.#registry.get(connection);
    if (!owner) return;
    owner.reconfigure(settings, now);
    this.#settle(owner, now);
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
    const owner = this.#owner(connection);
    const localSessionId = owner?.calls.place(role, parameters, now);
    if (owner) this.#settle(owner, now);
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
    const owner = this.#owner(connection);
    if (!owner?.calls.accept(localSessionId, parameters, now)) return false;
    this.#settle(owner, now);
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
    const owner = this.#owner(connection);
    if (!owner?.calls.proceed(localSessionId, say, now)) return false;
    this.#settle(owner, now);
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
    const owner = this.#owner(connection);
    if (!owner?.calls.connected(localSessionId, say, now)) return false;
    this.#settle(owner, now);
    return true;
  }

  /** Ends a call, requested or up, with a CDN. One that has ended already is left alone. */
  closeCall({ connection, localSessionId }: CallHandle, result: CallEnd, now: number): void {
    const owner = this.#registry.get(connection);
    const call = owner?.calls.get(localSessionId);
    if (!owner || !call) return;
    owner.calls.close(call, result, { by: "local", result }, now);
    this.#settle(owner, now);
  }

  /** Tells the peer whether the circuit behind a call is up; of a call not yet up, once it is. */
  setCircuitStatus({ connection, localSessionId }: CallHandle, active: boolean, now: number): void {
    const owner = this.#registry.get(connection);
    if (!owner) return;
    owner.calls.setActive(localSessionId, active);
    this.#settle(owner, now);
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
    const owner = this.#registry.get(connection);
    if (!owner?.calls.tell(localSessionId, message, say)) return false;
    this.#settle(owner, now);
    return true;
  }

  /** Ends a connection with a StopCCN, and its calls with it. One that has ended already is left alone. */
  closeConnection(handle: ConnectionHandle, result: Result, now: number): void {
    const connection = this.#registry.get(handle);
    if (!connection) return;
    connection.close(result, { by: "local", result }, now);
    this.#settle(connection, now);
  }

  /** Gives up a connection that we dial and that nobody answered yet; an answer that comes late is told so. */
  giveUp(handle: ConnectionHandle, result: Result, now: number): void {
    const connection = this.#registry.get(handle);
    if (!connection) return;
    connection.giveUp(result, now);
    this.#settle(connection, now);
  }

  /**
   * Asks the peer of an established connection by HELLO, at a quick pace, whether it is there. An event says that it
   * answered; where it is silent for `silenceMs` the connection ends.
   */
  ask(handle: ConnectionHandle, silenceMs: number, now: number): void {
    const connection = this.#registry.get(handle);
    if (!connection) return;
    connection.ask(silenceMs, now);
    this.#settle(connection, now);
  }

  /** Something valid came in the sessions of a connection, as the datapath says. */
  heard(handle: ConnectionHandle, now: number): void {
    const connection = this.#registry.get(handle);
    if (!connection) return;
    connection.heard(now);
    this.#settle(connection, now);
  }

  /**
   * Somebody says that whom we talk to by this path cannot be reached (ICMP). That may be forged: peers are asked by
   * HELLO, and what we dial is sent again sooner.
   */
  unreachable(path: Path, now: number): void {
    for (const connection of this.#registry.reachedBy(path)) {
      connection.unreachable(now);
      this.#settle(connection, now);
    }
  }

  /** The next thing to do; undefined: nothing until the next input. */
  poll(): Output | undefined {
    if (this.#read < this.#outputs.length) return this.#outputs[this.#read++];
    this.#outputs.length = 0;
    this.#read = 0;
    return undefined;
  }

  /** When {@linkcode timeout} is wanted; perhaps too early, never too late. */
  deadline(): number | undefined {
    return this.#schedule.next();
  }

  /** Does what is due, for so many connections at `most`; {@linkcode deadline} is still in the past where more are. */
  timeout(now: number, most = Infinity): void {
    for (let done = 0; done < most; done++) {
      const due = this.#schedule.take(now);
      if (!due) return;
      due.timeout(now);
      this.#settle(due, now);
    }
  }

  /** A connection as it is; its members change as it goes on. */
  connection(handle: ConnectionHandle): Connection | undefined {
    return this.#registry.get(handle);
  }

  /** A call as it is; its members change as it goes on. */
  call({ connection, localSessionId }: CallHandle): Call | undefined {
    return this.#registry.get(connection)?.calls.get(localSessionId);
  }

  /** All connections, also those that have ended and still acknowledge what comes again. */
  connections(): IterableIterator<Connection> {
    return this.#registry.values();
  }

  /** Datagrams that came to nothing, by reason. */
  drops(): ReadonlyMap<ControlDrop, number> {
    return this.#drops;
  }

  /** Sends the acknowledgements that were held back and that no message has carried since. */
  #acknowledge(now: number): void {
    this.#held = 0;
    for (const connection of this.#owing) {
      if (connection.state === "established") connection.flush(now);
    }
    this.#owing.clear();
  }

  /** A message to connection id 0: an SCCRQ, or a StopCCN of a peer that does not know our id or does not care. */
  #receiveUnaddressed(
    header: ControlHeader,
    body: Uint8Array,
    datagram: Uint8Array,
    path: Path,
    now: number,
  ): void {
    const { version } = header;
    const type = messageTypeOf(body);
    if (type !== messageTypes.SCCRQ && type !== messageTypes.StopCCN) {
      return this.#drop("not-a-request");
    }
    const known = this.#registry.addressed(version, path, body) ??
      (offeredVersion(header, body) === version
        ? undefined
        : this.#registry.addressed(3, path, body));
    if (type === messageTypes.StopCCN) {
      const meant = known ?? this.#registry.onlyDialed(version, path);
      if (!meant) return this.#drop("unknown-connection");
      meant.receive(header, body, datagram, path, now);
      return this.#settle(meant, now);
    }
    if (known?.answers(body, now)) {
      known.receive(header, body, datagram, path, now);
      return this.#settle(known, now);
    }
    const request = { header, body, datagram, path };
    const admitted = this.#requests.judge(request, now, (loser) => {
      loser.discard({ by: "tie", result: { result: StopResult.AlreadyExists } }, now);
      this.#settle(loser, now);
    });
    if (!admitted) return;
    this.#makeRoom(now);
    const { settings, authenticator, message } = admitted;
    const connection = this.#create(settings, path, authenticator, false, now);
    if (!connection) return this.#drop("request-limit");
    connection.accept(header, message, body, now);
    if (known && !hasEnded(known.state)) this.#replaces.set(connection, known);
    this.#requests.opened(connection);
    this.#registry.meet(connection);
    this.#settle(connection, now);
  }

  /** Makes room for a half-open connection: the oldest goes, without a word, as a forged request's would. */
  #makeRoom(now: number): void {
    const evicted = this.#requests.makeRoom();
    if (!evicted) return;
    const message = "too many half-open connections";
    const result = { result: StopResult.GeneralError, error: ErrorCode.NoResources, message };
    evicted.discard({ by: "local", result }, now);
    this.#drop("half-open-limit");
    this.#settle(evicted, now);
  }

  #create(
    settings: PeerSettings,
    path: Path,
    authenticator: Authenticator,
    initiator: boolean,
    now: number,
  ): Connection | undefined {
    const ids = this.#connectionIds(settings, path, initiator);
    if (!ids) return undefined;
    const handle = this.#registry.nextHandle();
    const options = { handle, settings, ids, path, authenticator, initiator };
    const connection = new Connection(this.#host, options, now);
    this.#registry.add(connection);
    return connection;
  }

  /** Ids for a new connection: in both versions where it is open which one is spoken. Undefined: none is free. */
  #connectionIds(
    { version, fallback }: PeerSettings,
    { encap }: Path,
    initiator: boolean,
  ): ConnectionIds | undefined {
    const id = this.#registry.allocateId(version);
    if (id === undefined) return undefined;
    if (version === 2 || !fallback || encap === "ip" || !initiator) return { [version]: id };
    const spare = this.#registry.allocateId(2);
    return spare === undefined ? undefined : { 2: spare, 3: id };
  }

  /** After every input: hand out what can be sent, and note when the connection is next due. */
  #settle(connection: Connection, now: number): void {
    connection.flush(now, this.#holding);
    if (this.#holding) this.#owing.add(connection);
    this.#registry.update(connection, now);
    if (connection.state !== "wait-ctl-conn") this.#requests.closed(connection);
    if (connection.state === "established") this.#supersede(connection, now);
    if (connection.finished) this.#registry.remove(connection, now);
    else this.#schedule.set(connection, connection.deadline());
  }

  /** A peer that started anew has proved it: what it had before is over, and says nothing to an id that is the new one's. */
  #supersede(connection: Connection, now: number): void {
    const old = this.#replaces.get(connection);
    if (!old) return;
    this.#replaces.delete(connection);
    const result = {
      result: StopResult.Clear,
      error: ErrorCode.None,
      message: "the peer started anew",
    };
    old.discard({ by: "peer", result }, now);
    this.#settle(old, now);
  }

  /** The connection of a handle; undefined where it is over. */
  #owner(handle: ConnectionHandle): Connection | undefined {
    const connection = this.#registry.get(handle);
    if (!connection && !this.#registry.existed(handle)) {
      throw new ApiMisuse(`there never was a connection ${handle}`);
    }
    return connection;
  }

  /** A call that ends before it has begun: its connection is over, or no session id is free. */
  #stillborn(
    connection: ConnectionHandle,
    owner: Connection | undefined,
    now: number,
  ): CallHandle {
    const localSessionId = this.#sessionIds[3].allocate((id) => this.#sessions3.has(id)) ?? 0;
    this.#sessionIds[3].release(localSessionId, now);
    const call = { connection, localSessionId };
    const result = { result: CdnResult.NoFacilitiesNow };
    const by = owner ? "local" : "connection";
    this.#host.event({ type: "call-state", call, state: "closed", cause: { by, result } });
    return call;
  }

  #allocateSession(
    version: ProtoVersion,
    taken: (id: number) => boolean,
    narrow: boolean,
  ): number | undefined {
    if (version === 2) return this.#sessionIds[2].allocate(taken);
    const id = this.#sessionIds[narrow ? 2 : 3].allocate((one) => this.#sessions3.has(one));
    if (id !== undefined) this.#sessions3.add(id);
    return id;
  }

  #drop(reason: ControlDrop): void {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
  }
}
