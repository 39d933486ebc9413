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
import type { CallAvps, CallEnd } from "./wire/call_avps.ts";
import { Connection } from "./connection.ts";
import type { ConnectionHost } from "./connection_host.ts";
import { hasEnded } from "./connection_states.ts";
import { ApiMisuse, CdnResult, ErrorCode, type Result, StopResult } from "./errors.ts";
import type {
  CallHandle,
  ConnectionHandle,
  ConnectionRequest,
  ControlDrop,
  Output,
  Refusal,
  RefusalReason,
} from "./events.ts";
import type { ConnectionIds } from "./handshake.ts";
import { CONTROL_HEADER, type ControlHeader, tryHeader } from "./wire/header.ts";
import { IdPool } from "./ids_pool.ts";
import { offeredVersion } from "./wire/glance.ts";
import type { AdmissionLimits, Expected } from "./limits.ts";
import { messageTypes } from "./wire/message.ts";
import { SourceBudget } from "./refusals.ts";
import { ConnectionRegistry } from "./registry.ts";
import { OutstandingChallenges } from "./challenges.ts";
import { type Decision, type Policy, type Request, Requests, type Verdict } from "./requests.ts";
import { Schedule } from "./schedule.ts";
import { isAcknowledgement } from "./transport.ts";
import { Undecided } from "./undecided.ts";
import { Tombstones } from "./unproven.ts";
import { whose } from "./whose.ts";
import type { CallParameters, Path, PeerSettings } from "./settings.ts";
import { type ConnectionSnapshot, type LcceSnapshot, SNAPSHOT_VERSION } from "./snapshot.ts";

export type { AdmissionLimits, ConnectionRequest, Decision, Expected, Verdict };
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

/** Whose a datagram is, before anything of it is believed. */
export type Sender =
  /** A proven connection's, by its id and path. */
  | "proven"
  /** That of a connection on its way up or down, by its id and path, or an SCCRQ from where a peer is configured. */
  | "expected"
  /** Nobody's yet. */
  | "stranger";

/** For so many datagrams acknowledgements are held back at most: a peer's window must not stand still meanwhile. */
const HOLD_LIMIT = 64;

/** How often each source's refusals are told of. */
const TOLD = { burst: 5, everyMs: 500 };

/** All control connections of one appliance, and their calls. */
export class Lcce {
  readonly #registry: ConnectionRegistry;
  readonly #requests: Requests;
  readonly #schedule = new Schedule<Connection>();
  readonly #outputs: Output[] = [];
  readonly #drops = new Map<ControlDrop, number>();
  readonly #refusals = new Map<RefusalReason, number>();
  readonly #told = new SourceBudget(TOLD);
  readonly #undecided = new Undecided();
  /** v3's session ids are the LCCE's, not the connection's (RFC 3931 §4.1): of all widths, and such as v2 has too. */
  readonly #sessionIds: { readonly wide: IdPool; readonly narrow: IdPool };
  readonly #sessions = new Set<number>();
  readonly #challenges = new OutstandingChallenges();
  readonly #tombstones = new Tombstones();
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
  constructor({ expects, hearsSessions, random, policy, limits, knowsVendor }: LcceOptions) {
    this.#sessionIds = { wide: new IdPool(3, random), narrow: new IdPool(2, random) };
    this.#registry = new ConnectionRegistry(random);
    this.#host = {
      random,
      knowsVendor: knowsVendor ?? (() => false),
      hearsSessions: hearsSessions ?? false,
      event: (event) => void this.#outputs.push({ type: "event", event }),
      transmit: (path, data) => void this.#outputs.push({ type: "transmit", path, data }),
      drop: (reason) => this.#drop(reason),
      refuse: (refusal, now) => this.#refuse(refusal, now),
      allocateSessionId: (narrow) => this.#allocateSession(narrow),
      releaseSessionId: (id, now) => {
        this.#sessions.delete(id);
        this.#sessionIds.wide.release(id, now);
      },
      claimSessionId: (id) => !this.#sessions.has(id) && !!this.#sessions.add(id),
      challenges: this.#challenges,
    };
    const who = { policy, ...(expects && { expects }) };
    this.#requests = new Requests(this.#host, this.#registry, who, limits, this.#challenges);
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

  /**
   * Whose a datagram is, at next to no cost: so that those of proven connections can go first. Undefined: it was looked
   * at no further, and dropped; {@linkcode receive} would do the same.
   */
  sort(datagram: Uint8Array, path: Path, now: number): Sender | undefined {
    const header = this.#header(datagram, path)?.header;
    if (!header) return undefined;
    const { connectionId, version } = header;
    if (connectionId === 0) {
      const type = messageTypeOf(datagram.subarray(CONTROL_HEADER));
      if (type === messageTypes.StopCCN) return "stranger";
      if (type !== messageTypes.SCCRQ) return this.#drop("not-a-request");
      const expected = this.#requests.expects(path);
      if (expected !== "nobody") return expected === "named" ? "expected" : "stranger";
      this.#refuse({ stage: "tunnel", path, reason: "unknown-peer" }, now);
      return this.#drop("unknown-peer");
    }
    const connection = this.#registry.byId(version, connectionId);
    if (!connection) {
      if (this.#tombstones.has(version, connectionId)) return "stranger";
      return this.#drop("unknown-connection");
    }
    if (!connection.accepts(path)) return this.#drop("wrong-source");
    return connection.proven ? "proven" : "expected";
  }

  /** The connection that a message was for, or is from, as far as that can be told: for those who look on. */
  whose(
    datagram: Uint8Array,
    path: Path,
    direction: "received" | "sent",
  ): Connection | undefined {
    return whose(this.#registry, datagram, path, direction);
  }

  #receive(datagram: Uint8Array, path: Path, now: number): void {
    const parsed = this.#header(datagram, path);
    if (!parsed) return;
    const { body, header } = parsed;
    const message = datagram.subarray(0, CONTROL_HEADER + body.length);
    if (header.connectionId === 0) {
      return this.#receiveUnaddressed(header, body, message, path, now);
    }
    const connection = this.#registry.byId(header.version, header.connectionId);
    if (!connection) return this.#receiveLate(header, body, path, now);
    connection.receive(header, body, message, path, now);
    this.#settle(connection, now);
  }

  /** The header of a datagram; undefined: it is no control message of ours, and was dropped. */
  #header(datagram: Uint8Array, path: Path): ReturnType<typeof tryHeader> {
    // Port 0 answers nobody (RFC 768), and L2TPv2 is at home on UDP only (RFC 2661 §8).
    if (path.encap === "udp" && path.remote.port === 0) return this.#drop("port-zero");
    const parsed = tryHeader(datagram);
    if (!parsed) return this.#drop("malformed");
    if (path.encap === "ip" && parsed.header.version === 2) return this.#drop("v2-over-ip");
    return parsed;
  }

  /** A message for a connection that is no more: one that ended unproven has its last word said again. */
  #receiveLate(
    { connectionId, version }: ControlHeader,
    body: Uint8Array,
    path: Path,
    now: number,
  ): void {
    if (!this.#tombstones.has(version, connectionId)) return this.#drop("unknown-connection");
    if (isAcknowledgement(version, body)) return;
    const octets = CONTROL_HEADER + body.length;
    const said = this.#tombstones.answer(version, connectionId, path, octets, now);
    if (said) this.#host.transmit(said.path, said.lastWord);
    else this.#drop("unknown-connection");
  }

  /**
   * Decides on a peer that a `connection-requested` told of. False: it waited too long, and asks again if it still wants to.
   */
  decide(request: number, decision: Decision, now: number): boolean {
    const waiting = this.#undecided.take(request, now);
    if (waiting) this.#admit(waiting, decision, now);
    return waiting !== undefined;
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
    // It may hide its ids with another key from now on.
    this.#registry.meet(owner);
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

  /** Sends the SCCRQ of a connection that we dial at a steady pace for some time: its peer is expected back soon. */
  hurry(handle: ConnectionHandle, everyMs: number, forMs: number, now: number): void {
    const connection = this.#registry.get(handle);
    if (!connection) return;
    connection.hurry(everyMs, forMs, now);
    this.#settle(connection, now);
  }

  /** When something valid last came in the sessions of a connection, as the datapath says; undefined: never. */
  heard(handle: ConnectionHandle, at: number | undefined, now: number): void {
    const connection = this.#registry.get(handle);
    if (!connection) return;
    connection.heard(at, now);
    this.#settle(connection, now);
  }

  /**
   * Somebody says that the peer of a connection cannot be reached (ICMP). That may be forged: the peer is asked by HELLO,
   * and an SCCRQ of ours is sent again sooner.
   */
  unreachable(handle: ConnectionHandle, now: number): void {
    const connection = this.#registry.get(handle);
    if (!connection) return;
    connection.unreachable(now);
    this.#settle(connection, now);
  }

  /** All connections that are up, and their calls, as plain data. */
  snapshot(now: number): LcceSnapshot {
    const connections = [...this.#registry.values()].flatMap((one) => one.snapshot(now) ?? []);
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
    return connections.filter((saved) => !this.#restore(saved, treat(saved), where(saved), now));
  }

  #restore(
    saved: ConnectionSnapshot,
    secrets: Pick<PeerSettings, "secret" | "otherSecret"> | undefined,
    path: Path,
    now: number,
  ): boolean {
    const { authentication: { nonce }, initiator, localId } = saved;
    const { version } = saved.settings;
    if (!secrets || this.#registry.byId(version, localId)) return false;
    const { secret, otherSecret } = secrets;
    const settings = {
      ...saved.settings,
      ...(secret && { secret }),
      ...(otherSecret && { otherSecret }),
    };
    const authenticator = new Authenticator(settings, path.encap, this.#host.random, nonce);
    const handle = this.#registry.nextHandle();
    const ids = { [version]: localId };
    const options = { handle, settings, ids, path, authenticator, initiator };
    const connection = new Connection(this.#host, options, now);
    connection.resume(saved, now);
    this.#registry.add(connection);
    this.#registry.meet(connection);
    this.#settle(connection, now);
    return true;
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

  /** What was refused that has no state to tell of, by reason: also what no event told of. */
  refusals(): ReadonlyMap<RefusalReason, number> {
    return this.#refusals;
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
    const request = this.#requests.look(
      { header, body, datagram, path },
      type === messageTypes.SCCRQ,
      now,
    );
    if (!request) return;
    const known = this.#known(request);
    if (type === messageTypes.StopCCN) {
      const meant = known ?? this.#registry.onlyDialed(version, path);
      if (!meant) return this.#drop("unknown-connection");
      if (!meant.mayBeStoppedUnaddressed(version)) return this.#drop("unproven-stop");
      meant.receive(header, body, datagram, path, now);
      return this.#settle(meant, now);
    }
    if (known?.answers(body, now)) {
      known.receiveAgain(header, body, datagram, path, now);
      return this.#settle(known, now);
    }
    const verdict = this.#requests.judge(request);
    if (verdict.kind !== "ask") return this.#admit(request, verdict, now);
    const number = this.#undecided.add(request, now);
    if (number === "known") return;
    if (number === "full") return this.#requests.overloaded(request, now);
    const from = this.#requests.introduction(request);
    this.#host.event({ type: "connection-requested", request: number, from });
  }

  /** The connection that a message to id 0 is of, by the sender's own id. */
  #known({ body, header, path, seen }: Request): Connection | undefined {
    const { version } = header;
    return this.#registry.addressed(version, path, seen, body) ??
      (offeredVersion(header, seen) === version
        ? undefined
        : this.#registry.addressed(3, path, seen, body));
  }

  /** An SCCRQ was decided on: it gets a connection, unless there is something against it. */
  #admit(request: Request, verdict: Decision, now: number): void {
    const { body, header, path } = request;
    const known = this.#known(request);
    const admitted = this.#requests.admit(request, verdict, now, (loser) => {
      loser.discard({ by: "tie", result: { result: StopResult.AlreadyExists } }, now);
      this.#settle(loser, now);
    });
    if (!admitted) return;
    this.#makeRoom(request, now);
    const { settings, authenticator, message } = admitted;
    const connection = this.#create(settings, path, authenticator, false, now);
    if (!connection) return this.#requests.full(request, admitted);
    connection.accept(header, message, body, now);
    if (known && !hasEnded(known.state)) this.#replaces.set(connection, known);
    this.#requests.opened(request, connection, now);
    this.#registry.meet(connection);
    this.#settle(connection, now);
  }

  /** Makes room for a half-open connection: the oldest goes, and is told why if it ever answers. */
  #makeRoom(request: Request, now: number): void {
    const evicted = this.#requests.makeRoom(request);
    if (!evicted) return;
    evicted.evict({ result: StopResult.GeneralError, error: ErrorCode.NoResources }, now);
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
    if (authenticator.drawn) this.#challenges.add(authenticator.drawn);
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
    const { challenge, finished, lastWord } = connection;
    if (challenge && (connection.proven || finished)) this.#challenges.delete(challenge);
    if (finished) {
      if (this.#registry.get(connection.handle) !== connection) return;
      this.#schedule.delete(connection);
      this.#registry.remove(connection, now);
      if (!lastWord) return;
      const { localId, path, settings } = connection;
      this.#tombstones.add(settings.version, localId, path, lastWord, now);
    } else this.#schedule.set(connection, connection.deadline());
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
    const localSessionId = this.#allocateSession(false) ?? 0;
    this.#host.releaseSessionId(localSessionId, now);
    const call = { connection, localSessionId };
    const result = { result: CdnResult.NoFacilitiesNow };
    const by = owner ? "local" : "connection";
    this.#host.event({ type: "call-state", call, state: "closed", cause: { by, result } });
    return call;
  }

  #allocateSession(narrow: boolean): number | undefined {
    const id = this.#sessionIds[narrow ? "narrow" : "wide"].allocate(this.#sessions);
    if (id !== undefined) this.#sessions.add(id);
    return id;
  }

  #refuse(refusal: Refusal, now: number): void {
    const { reason, path } = refusal;
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
    if (!this.#told.take(path.remote.address, now)) return;
    this.#outputs.push({ type: "event", event: { type: "refused", refusal } });
  }

  #drop(reason: ControlDrop): undefined {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
  }
}
