/**
 * An LCCE: all control connections of one appliance, sans I/O. Datagrams, timeouts and requests go in, each with the
 * time; after each, drain {@linkcode Lcce.poll} until it is empty, then wait for {@linkcode Lcce.deadline}.
 *
 * Nothing here knows a clock, a socket or a source of randomness: all of these come in as values.
 *
 * @module
 */

import { deriveDigestKey, deriveHidingKey, verify } from "./authentication.ts";
import type { Call } from "./call.ts";
import { compareTies } from "./calls.ts";
import { Connection, type ConnectionHost } from "./connection.ts";
import type { AvpValues } from "./catalogue.ts";
import { dialects, messageOf } from "./dialect.ts";
import { ApiMisuse, PeerError, type Result, StopResult } from "./errors.ts";
import type { CallHandle, ConnectionHandle, ControlDrop, LcceEvent, Output } from "./events.ts";
import { CONTROL_HEADER, type ControlHeader, emitMessage, parseHeader } from "./header.ts";
import { IdPool } from "./ids_pool.ts";
import { Admission, type AdmissionLimits } from "./limits.ts";
import { type AnyMessage, emitBody, parseBody, type Parsed } from "./message.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import { Schedule } from "./schedule.ts";
import type { CallParameters, Path, PeerSettings } from "./settings.ts";

/** What a would-be peer says of itself, before anything of it is believed. */
export interface ConnectionRequest {
  readonly version: ProtoVersion;
  readonly path: Path;
  readonly hostName: string;
  readonly vendorName: string;
  readonly routerId?: number;
}

/** Whether to talk to a peer: with these settings; with a StopCCN; or with silence. */
export type Verdict =
  | { readonly kind: "accept"; readonly settings: PeerSettings }
  | { readonly kind: "refuse"; readonly result: Result }
  | { readonly kind: "ignore" };

export interface LcceOptions {
  /** Decides on a peer; pure and quick: it runs for every SCCRQ. */
  readonly policy: (request: ConnectionRequest) => Verdict;
  /** Unpredictable octets. */
  readonly random: (length: number) => Uint8Array;
  readonly limits: AdmissionLimits;
}

export class Lcce {
  readonly #options: LcceOptions;
  readonly #connections = new Map<ConnectionHandle, Connection>();
  readonly #byId: Readonly<Record<ProtoVersion, Map<number, Connection>>> = {
    2: new Map(),
    3: new Map(),
  };
  /** By where the peer is and what it calls itself: SCCRQs come again. */
  readonly #byPeer = new Map<string, Connection>();
  readonly #schedule = new Schedule<Connection>();
  readonly #outputs: Output[] = [];
  readonly #drops = new Map<ControlDrop, number>();
  readonly #admission: Admission<Connection>;
  readonly #connectionIds: Readonly<Record<ProtoVersion, IdPool>>;
  readonly #sessionIds: Readonly<Record<ProtoVersion, IdPool>>;
  /** v3 session ids are the LCCE's, not the connection's (RFC 3931 §4.1). */
  readonly #sessions3 = new Set<number>();
  readonly #host: ConnectionHost;
  #nextHandle: ConnectionHandle = 1;
  #read = 0;

  constructor(options: LcceOptions) {
    const { random } = options;
    this.#options = options;
    this.#admission = new Admission(options.limits);
    this.#connectionIds = { 2: new IdPool(2, random), 3: new IdPool(3, random) };
    this.#sessionIds = { 2: new IdPool(2, random), 3: new IdPool(3, random) };
    this.#host = {
      random,
      event: (event) => this.#event(event),
      transmit: (path, data) => void this.#outputs.push({ type: "transmit", path, data }),
      drop: (reason) => this.#drop(reason),
      allocateSessionId: (version, taken) => this.#allocateSession(version, taken),
      releaseSessionId: (version, id, now) => {
        if (version === 3) this.#sessions3.delete(id);
        this.#sessionIds[version].release(id, now);
      },
    };
  }

  /** Takes a control message: what followed the UDP header, or the all-zero session id of protocol 115. */
  receive(datagram: Uint8Array, path: Path, now: number): void {
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
    const connection = this.#byId[header.version].get(header.connectionId);
    if (!connection) return this.#drop("unknown-connection");
    connection.receive(header, body, message, path, now);
    this.#settle(connection, now);
  }

  /** Dials a peer. */
  dial(settings: PeerSettings, path: Path, now: number): ConnectionHandle {
    const connection = this.#create(settings, path, true, now);
    if (!connection) throw new ApiMisuse("no connection id is free");
    connection.dial();
    this.#settle(connection, now);
    return connection.handle;
  }

  /** Requests a call; it waits until its connection is up. @throws {ApiMisuse} */
  placeCall(
    connection: ConnectionHandle,
    role: "incoming-caller" | "outgoing-caller",
    parameters: CallParameters,
    now: number,
  ): CallHandle {
    const owner = this.#owner(connection);
    const { localId } = owner.calls.place(role, parameters, now);
    this.#settle(owner, now);
    return { connection, localSessionId: localId };
  }

  /** Accepts a requested call. @throws {ApiMisuse} where it is no longer there: events tell when a call ends. */
  acceptCall(
    { connection, localSessionId }: CallHandle,
    parameters: CallParameters,
    now: number,
  ): void {
    const owner = this.#owner(connection);
    owner.calls.accept(localSessionId, parameters, now);
    this.#settle(owner, now);
  }

  /** An outgoing call that the peer requested was answered. @throws {ApiMisuse} */
  callConnected({ connection, localSessionId }: CallHandle, now: number): void {
    const owner = this.#owner(connection);
    owner.calls.connected(localSessionId, now);
    this.#settle(owner, now);
  }

  /** Ends a call, requested or up, with a CDN. One that has ended already is left alone. */
  closeCall({ connection, localSessionId }: CallHandle, result: Result, now: number): void {
    const owner = this.#connections.get(connection);
    const call = owner?.calls.get(localSessionId);
    if (!owner || !call) return;
    owner.calls.close(call, result, { by: "local", result }, now);
    this.#settle(owner, now);
  }

  /** Tells the peer whether the circuit behind a call is up. */
  setCircuitStatus({ connection, localSessionId }: CallHandle, active: boolean, now: number): void {
    const owner = this.#connections.get(connection);
    if (!owner) return;
    owner.calls.setActive(localSessionId, active);
    this.#settle(owner, now);
  }

  /** Ends a connection with a StopCCN, and its calls with it. */
  closeConnection(handle: ConnectionHandle, result: Result, now: number): void {
    const connection = this.#connections.get(handle);
    if (!connection) return;
    connection.close(result, { by: "local", result }, now);
    this.#settle(connection, now);
  }

  /** The next thing to do. */
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

  timeout(now: number): void {
    for (let due = this.#schedule.take(now); due; due = this.#schedule.take(now)) {
      due.timeout(now);
      this.#settle(due, now);
    }
  }

  /** A connection as it is; its members change as it goes on. */
  connection(handle: ConnectionHandle): Connection | undefined {
    return this.#connections.get(handle);
  }

  call({ connection, localSessionId }: CallHandle): Call | undefined {
    return this.#connections.get(connection)?.calls.get(localSessionId);
  }

  connections(): IterableIterator<Connection> {
    return this.#connections.values();
  }

  /** Datagrams that came to nothing, by reason. */
  drops(): ReadonlyMap<ControlDrop, number> {
    return this.#drops;
  }

  /** A message to connection id 0: an SCCRQ, or a StopCCN of a peer that does not know our id. */
  #receiveUnaddressed(
    header: ControlHeader,
    body: Uint8Array,
    datagram: Uint8Array,
    path: Path,
    now: number,
  ): void {
    const parsed = parseBody(body, { version: header.version });
    const type = parsed.kind === "message"
      ? parsed.message.type
      : parsed.kind === "refused"
      ? parsed.type
      : undefined;
    if (type !== "SCCRQ" && type !== "StopCCN") return this.#drop("not-a-request");
    const peerId = dialects[header.version].assignedId(avpsOf(parsed));
    const known = peerId === undefined
      ? undefined
      : this.#byPeer.get(peerKey(header.version, path, peerId));
    if (known) {
      known.receive(header, body, datagram, path, now);
      return this.#settle(known, now);
    }
    if (type === "StopCCN") return this.#drop("unknown-connection");
    this.#receiveRequest(header, body, datagram, path, now);
  }

  /** An SCCRQ that is new: limits first, then who it is, then a connection. */
  #receiveRequest(
    header: ControlHeader,
    body: Uint8Array,
    datagram: Uint8Array,
    path: Path,
    now: number,
  ): void {
    const { version } = header;
    const refused = this.#admission.request(path.remote.address, now);
    if (refused) return this.#drop(refused);
    const said = avpsOf(parseBody(body, { version }));
    if (said.hostName === undefined) return this.#drop("malformed");
    const verdict = this.#options.policy({
      version,
      path,
      hostName: said.hostName,
      vendorName: said.vendorName ?? "",
      ...(said.routerId !== undefined && { routerId: said.routerId }),
    });
    if (verdict.kind === "ignore") return this.#drop("unknown-peer");
    if (verdict.kind === "refuse") {
      this.#drop("unknown-peer");
      return this.#turnAway(header, said, verdict.result, path);
    }
    const { settings } = verdict;
    if (settings.version !== version) {
      this.#drop("wrong-version");
      const result = { result: StopResult.VersionNotSupported, error: settings.version };
      return this.#turnAway(header, said, result, path);
    }
    if (!this.#signed(datagram, settings)) return;
    const parsed = parseBody(body, { version, ...hidingKeyOf(settings) });
    if (parsed.kind === "refused") {
      return this.#turnAway(header, parsed.avps, parsed.error.outcome, path);
    }
    if (parsed.kind !== "message") return this.#drop("malformed");
    if (version === 3 && !settings.secret && said.nonce) {
      this.#drop("unknown-peer");
      return this.#turnAway(header, said, { result: StopResult.NotAuthorized }, path);
    }
    if (this.#losesTie(parsed.message, path, now)) return this.#drop("lost-tie");
    this.#admit(header, parsed.message, settings, path, now);
  }

  #admit(
    header: ControlHeader,
    message: AnyMessage,
    settings: PeerSettings,
    path: Path,
    now: number,
  ): void {
    const evicted = this.#admission.makeRoom();
    if (evicted) {
      const result = {
        result: StopResult.GeneralError,
        error: 4,
        message: "too many half-open connections",
      };
      evicted.discard({ by: "local", result }, now);
      this.#forget(evicted, now);
      this.#drop("half-open-limit");
    }
    const connection = this.#create(settings, path, false, now);
    if (!connection) return this.#drop("request-limit");
    this.#admission.opened(connection, path.remote.address);
    connection.accept(header, message, now);
    this.#byPeer.set(peerKey(header.version, path, connection.peerId), connection);
    this.#settle(connection, now);
  }

  /** Refuses an SCCRQ and keeps nothing of it: where the StopCCN is lost, the SCCRQ comes again. */
  #turnAway(header: ControlHeader, avps: AvpValues, result: Result, path: Path): void {
    const { version } = header;
    const dialect = dialects[version];
    const connectionId = dialect.assignedId(avps);
    const localId = this.#connectionIds[version].allocate((id) => this.#byId[version].has(id));
    if (connectionId === undefined || localId === undefined) return;
    const body = emitBody(messageOf(version, "StopCCN", dialect.stop(localId, result)));
    const reply = { version, connectionId, sessionId: 0, ns: 0, nr: (header.ns + 1) & 0xffff };
    this.#outputs.push({ type: "transmit", path, data: emitMessage(reply, body) });
  }

  /** v3 with a secret: whether an SCCRQ is signed with it. Nothing is kept or said where it is not. */
  #signed(datagram: Uint8Array, { version, secret, otherSecret }: PeerSettings): boolean {
    if (version === 2 || !secret) return true;
    const keys = [secret, otherSecret].filter((key) => key !== undefined).map(deriveDigestKey);
    const verdict = verify(datagram, keys, [NO_NONCE, NO_NONCE]);
    if (verdict !== "valid") this.#drop(`digest-${verdict}`);
    return verdict === "valid";
  }

  /**
   * Both sides dial at once (RFC 2661 §4.4.3): the lower tie breaker's connection stays. True: the peer's request lost;
   * otherwise ours is discarded, or there was no tie.
   */
  #losesTie({ avps, version }: AnyMessage, path: Path, now: number): boolean {
    for (const ours of this.#dialing) {
      if (ours.settings.version !== version || ours.path.remote.address !== path.remote.address) {
        continue;
      }
      if (ours.state !== "wait-ctl-reply" || (!ours.tieBreaker && !avps.tieBreaker)) continue;
      const order = compareTies(ours.tieBreaker, avps.tieBreaker);
      if (order < 0) return true;
      ours.discard({ by: "tie", result: { result: StopResult.AlreadyExists } }, now);
      this.#settle(ours, now);
      if (order === 0) return true;
    }
    return false;
  }

  /** Connections of ours that the peer has not answered. */
  readonly #dialing = new Set<Connection>();

  #create(
    settings: PeerSettings,
    path: Path,
    initiator: boolean,
    now: number,
  ): Connection | undefined {
    const ids = this.#byId[settings.version];
    const localId = this.#connectionIds[settings.version].allocate((id) => ids.has(id));
    if (localId === undefined) return undefined;
    const handle = this.#nextHandle++;
    const connection = new Connection(
      this.#host,
      { handle, settings, localId, path, initiator },
      now,
    );
    this.#connections.set(handle, connection);
    ids.set(localId, connection);
    if (initiator) this.#dialing.add(connection);
    return connection;
  }

  /** After every input: hand out what can be sent, and note when the connection is next due. */
  #settle(connection: Connection, now: number): void {
    connection.flush(now);
    if (connection.state !== "wait-ctl-reply" && this.#dialing.delete(connection)) {
      this.#byPeer.set(
        peerKey(connection.settings.version, connection.path, connection.peerId),
        connection,
      );
    }
    if (connection.state !== "wait-ctl-conn") this.#admission.closed(connection);
    if (connection.finished) this.#forget(connection, now);
    else this.#schedule.set(connection, connection.deadline());
  }

  #forget(connection: Connection, now: number): void {
    const { settings, localId, handle, path, peerId } = connection;
    this.#connections.delete(handle);
    this.#byId[settings.version].delete(localId);
    this.#connectionIds[settings.version].release(localId, now);
    this.#dialing.delete(connection);
    const key = peerKey(settings.version, path, peerId);
    if (this.#byPeer.get(key) === connection) this.#byPeer.delete(key);
  }

  #owner(handle: ConnectionHandle): Connection {
    const connection = this.#connections.get(handle);
    if (!connection) throw new ApiMisuse(`no connection ${handle}`);
    return connection;
  }

  #allocateSession(version: ProtoVersion, taken: (id: number) => boolean): number | undefined {
    const id = this.#sessionIds[version].allocate(
      version === 2 ? taken : (id) => this.#sessions3.has(id),
    );
    if (version === 3 && id !== undefined) this.#sessions3.add(id);
    return id;
  }

  #event(event: LcceEvent): void {
    this.#outputs.push({ type: "event", event });
  }

  #drop(reason: ControlDrop): void {
    this.#drops.set(reason, (this.#drops.get(reason) ?? 0) + 1);
  }
}

const NO_NONCE = new Uint8Array(0);

function peerKey(version: ProtoVersion, { encap, remote }: Path, peerId: number): string {
  return `${version} ${encap} ${remote.address} ${remote.port} ${peerId}`;
}

/** What could be read of a message. */
function avpsOf(parsed: Parsed): AvpValues {
  return parsed.kind === "message"
    ? parsed.message.avps
    : parsed.kind === "refused"
    ? parsed.avps
    : {};
}

function hidingKeyOf({ version, secret }: PeerSettings): { hidingKey?: Uint8Array } {
  return secret ? { hidingKey: version === 2 ? secret : deriveHidingKey(secret) } : {};
}
