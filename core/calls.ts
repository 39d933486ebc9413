/** The calls of one control connection: which message is for which, and what it does to it. @module */

import {
  type Call,
  callTable,
  isCaller,
  isPending,
  type PeerCall,
  sessionParameters,
} from "./call.ts";
import { CallTable } from "./call_table.ts";
import { refusedRequest, refusedRequirements, unwanted } from "./call_checks.ts";
import type { AvpValues } from "./catalogue.ts";
import type { CallsOwner, ConnectionHost } from "./connection_host.ts";
import { hasEnded } from "./connection_states.ts";
import { ApiMisuse, CdnResult, ErrorCode, type PeerError, type Result } from "./errors.ts";
import type { CallHandle, Cause } from "./events.ts";
import type { ControlHeader } from "./header.ts";
import type { AnyMessage, MessageType } from "./message.ts";
import type { VendorAvp } from "./vendor_avp.ts";
import type { CallParameters, PeerSettings } from "./settings.ts";
import { compareTies } from "./ties.ts";

/** How many calls of ours are set up at once; the others wait their turn. */
const PENDING_LIMIT = 256;

export class Calls {
  readonly #connection: CallsOwner;
  readonly #host: ConnectionHost;
  readonly #calls: CallTable;
  /** Calls of ours that wait for the connection, or for others to be set up. */
  readonly #waiting = new Set<Call>();
  /** Calls that have a deadline, the earliest first: all are given the same time. */
  readonly #timed = new Set<Call>();
  /** Calls of ours that are being set up. */
  #pending = 0;

  constructor(connection: CallsOwner, host: ConnectionHost) {
    this.#connection = connection;
    this.#host = host;
    const { 2: v2, 3: v3 } = connection.ids;
    this.#calls = new CallTable(connection.settings, host, v2 !== undefined && v3 !== undefined);
  }

  /** Calls on their way, up, and waiting. */
  get size(): number {
    return this.#calls.size;
  }

  get(localId: number): Call | undefined {
    return this.#calls.get(localId);
  }

  values(): IterableIterator<Call> {
    return this.#calls.values();
  }

  /**
   * Requests a call of the peer, as soon as the connection is up. Where the connection has ended or is full, the call
   * ends at once: an event says so. Returns our session id; undefined where none is free.
   */
  place(
    role: "incoming-caller" | "outgoing-caller",
    parameters: CallParameters,
    now: number,
  ): number | undefined {
    const full = this.#calls.size >= this.#connection.settings.callLimit;
    const call = this.#calls.create(role, parameters);
    if (!call) return undefined;
    if (full || hasEnded(this.#connection.state)) {
      const result = { result: CdnResult.NoFacilitiesNow };
      this.#forget(call, { by: full ? "local" : "connection", result }, now);
      return call.localId;
    }
    this.#waiting.add(call);
    this.#announce(call);
    this.start(now);
    return call.localId;
  }

  /** Sends the requests that wait, as many as may be pending. */
  start(now: number): void {
    const { settings, peer } = this.#connection;
    for (const call of this.#waiting) {
      if (this.#connection.state !== "established" || this.#pending >= PENDING_LIMIT) return;
      const impossible = unwanted(settings, peer, call.parameters!);
      if (impossible) {
        this.#forget(call, { by: "local", result: impossible }, now);
        continue;
      }
      this.#waiting.delete(call);
      this.#enter(call, "wait-reply", now);
      this.#send(call.role === "incoming-caller" ? "ICRQ" : "OCRQ", call);
    }
  }

  /** Accepts a call that the peer requested; false: it has ended. @throws {ApiMisuse} where it waits for no decision */
  accept(localId: number, parameters: CallParameters, now: number): boolean {
    const call = this.#calls.get(localId);
    if (!call) return false;
    if (call.state !== "deciding") throw new ApiMisuse(`session ${localId} waits for no decision`);
    call.parameters = parameters;
    const incoming = call.role === "incoming-answerer";
    this.#send(incoming ? "ICRP" : "OCRP", call);
    this.#enter(call, incoming ? "wait-connect" : "wait-cs-answer", now);
    return true;
  }

  /** The outgoing call which the peer requested was answered; false: it has ended. @throws {ApiMisuse} where it is no such call */
  connected(localId: number, now: number): boolean {
    const call = this.#calls.get(localId);
    if (!call) return false;
    if (call.state !== "wait-cs-answer") {
      throw new ApiMisuse(`session ${localId} places no outgoing call`);
    }
    this.#send("OCCN", call);
    this.#establish(call, [], now);
    return true;
  }

  /** Ends a call, with a CDN where the peer knows of it. */
  close(call: Call, result: Result, cause: Cause, now: number): void {
    if (call.state === "closed") return;
    if (call.state !== "idle") {
      const { dialect } = this.#connection;
      this.#connection.send("CDN", dialect.disconnect(call, result), call.remoteId);
    }
    this.#forget(call, cause, now);
  }

  /** The connection goes on in v2. */
  fallBack(settings: PeerSettings, now: number): void {
    this.#calls.fallBack(settings, now);
  }

  /** All calls end with their connection. */
  closeAll(cause: Cause, now: number): void {
    for (const call of [...this.#calls.values()]) this.#forget(call, cause, now);
  }

  /** Tells the peer that the circuit behind a call went up or down (RFC 3931 §5.4.5); v2 has no way to. */
  setActive(localId: number, active: boolean): void {
    const call = this.#calls.get(localId);
    if (!call?.parameters || call.parameters.active === active) return;
    call.parameters = { ...call.parameters, active };
    this.#tellStatus(call);
  }

  /** Sends an SLI or WEN for a call that is up. */
  tell(localId: number, type: "SLI" | "WEN", avps: AvpValues): void {
    const call = this.#calls.get(localId);
    if (call?.state !== "established") return;
    this.#connection.send(
      type,
      { ...this.#connection.dialect.naming(call), ...avps },
      call.remoteId,
    );
  }

  /** A message for a call, in its turn. */
  take(header: ControlHeader, message: AnyMessage, now: number): void {
    const { type, avps, vendorAvps } = message;
    if (type === "ICRQ" || type === "OCRQ") return this.#request(message, now);
    const call = this.#find(header, avps);
    if (!call) return this.#disown(header, message);
    const action = callTable[call.role][call.state]?.[type];
    if (action === undefined) return this.#breach(call, `${type} in state ${call.state}`, now);
    if (action === "close") {
      const result = avps.resultCode ?? { result: CdnResult.GeneralError };
      return this.#forget(call, { by: "peer", result }, now, vendorAvps);
    }
    const wasActive = call.peer.active;
    if (!this.#learn(call, avps)) return this.#breach(call, "the session id is in use", now);
    if (action === "link-info") return this.#linkInfo(call, avps, wasActive);
    if (action === "error-info") {
      const errors = avps.callErrors!;
      return this.#host.event({ type: "call-errors", call: this.#handle(call), errors });
    }
    const refused = refusedRequirements(this.#connection.settings, call.peer, avps);
    if (refused) return this.close(call, refused, { by: "protocol", result: refused }, now);
    if (action === "await-connect") return this.#enter(call, "wait-connect", now, vendorAvps);
    if (action === "connect") this.#send("ICCN", call);
    this.#establish(call, vendorAvps, now);
  }

  /**
   * A message for a call that must not be acted on: the call is cleared (RFC 2661 §4.2). False: nobody knows which call,
   * and it is the connection that is wrong.
   */
  refuse(
    header: ControlHeader,
    type: MessageType,
    avps: AvpValues,
    error: PeerError,
    now: number,
  ): boolean {
    const result = error.outcome;
    const known = this.#find(header, avps);
    if (type === "CDN") {
      if (known) this.#forget(known, { by: "peer", result: avps.resultCode ?? result }, now);
      else this.#host.drop("unknown-call");
      return true;
    }
    if (known && type !== "ICRQ" && type !== "OCRQ") {
      this.close(known, result, { by: "protocol", result }, now);
      return true;
    }
    const { dialect } = this.#connection;
    const remoteId = dialect.remoteSession(avps);
    if (type === "ICRQ" || type === "OCRQ") {
      if (remoteId === undefined) return false;
      this.#turnAway(remoteId, result, now);
      return true;
    }
    // It names a call that is gone already.
    if (dialect.localSession(header, avps) === 0) return false;
    this.#host.drop("unknown-call");
    return true;
  }

  deadline(): number | undefined {
    return this.#timed.values().next().value?.deadline;
  }

  timeout(now: number): void {
    for (const call of this.#timed) {
      if (call.deadline! > now) return;
      const { version } = this.#connection.settings;
      const result = version === 2
        ? { result: CdnResult.TimedOut }
        : { result: CdnResult.FsmError, error: ErrorCode.None, message: "not established in time" };
      this.close(call, result, { by: "timeout", result }, now);
    }
  }

  /** ICRQ or OCRQ: the peer wants a call. */
  #request({ avps, type, vendorAvps }: AnyMessage, now: number): void {
    const { dialect, settings } = this.#connection;
    const remoteId = dialect.remoteSession(avps)!;
    // RFC 3931 §7.3.2: a request for a session that exists clears it.
    const existing = this.#calls.byRemoteId(remoteId);
    if (existing) return this.#breach(existing, `${type} in state ${existing.state}`, now);
    const peer = dialect.learn(undefined, avps);
    const refused = refusedRequest(settings, peer, avps);
    if (refused) return this.#turnAway(remoteId, refused, now);
    if (this.#breakTie(peer, avps.tieBreaker, now)) {
      return this.#turnAway(remoteId, { result: CdnResult.LostTie }, now);
    }
    const role = type === "ICRQ" ? "incoming-answerer" : "outgoing-answerer";
    const full = this.#calls.size >= settings.callLimit;
    const call = full ? undefined : this.#calls.create(role, undefined);
    if (!call) return this.#turnAway(remoteId, { result: CdnResult.NoFacilitiesNow }, now);
    this.#calls.meet(call, remoteId);
    call.peer = peer;
    this.#enter(call, "deciding", now, vendorAvps);
    this.#host.event({
      type: "call-requested",
      call: this.#handle(call),
      role,
      request: peer,
      vendorAvps,
    });
  }

  /** v3: both ends request the same circuit at once (RFC 3931 §5.4.4). True: the peer's request lost. */
  #breakTie(peer: PeerCall, theirs: Uint8Array | undefined, now: number): boolean {
    const ours = this.#calls.requested(peer.name);
    if (!ours) return false;
    const order = compareTies(ours.tieBreaker, theirs);
    // A request that was not sent yet ties with nothing: it gives way.
    if (order < 0 && ours.state !== "idle") return true;
    const result = { result: CdnResult.LostTie };
    if (order === 0) this.close(ours, result, { by: "tie", result }, now);
    else this.#forget(ours, { by: "tie", result }, now);
    return order === 0;
  }

  #linkInfo(call: Call, avps: AvpValues, wasActive: boolean): void {
    const handle = this.#handle(call);
    if (avps.accm) this.#host.event({ type: "accm", call: handle, ...avps.accm });
    if (call.peer.active !== wasActive) {
      this.#host.event({ type: "circuit-status", call: handle, active: call.peer.active });
    }
  }

  /** Takes over what a message says of a call. False: it gives the call the session id of another. */
  #learn(call: Call, avps: AvpValues): boolean {
    const { dialect } = this.#connection;
    call.peer = dialect.learn(call.peer, avps);
    const remoteId = dialect.remoteSession(avps);
    if (remoteId === undefined || call.remoteId !== 0) return true;
    return this.#calls.meet(call, remoteId);
  }

  /** A message for a call that we do not know, or no longer: one that would make it exist is refused. */
  #disown(header: ControlHeader, { type, avps }: AnyMessage): void {
    this.#host.drop("unknown-call");
    const { dialect } = this.#connection;
    const remoteId = dialect.remoteSession(avps);
    if ((type !== "ICRP" && type !== "OCRP") || remoteId === undefined) return;
    const ids = { localId: dialect.localSession(header, avps), remoteId };
    if (ids.localId === 0) return;
    const result = { result: CdnResult.GeneralError, error: ErrorCode.InvalidSessionId };
    this.#connection.send("CDN", dialect.disconnect(ids, result), remoteId);
  }

  /** The call that a message is for: by our session id, or by the peer's where it does not know ours. */
  #find(header: ControlHeader, avps: AvpValues): Call | undefined {
    const { dialect } = this.#connection;
    const localId = dialect.localSession(header, avps);
    if (localId !== 0) return this.#calls.get(localId);
    const remoteId = dialect.remoteSession(avps);
    return remoteId === undefined ? undefined : this.#calls.byRemoteId(remoteId);
  }

  /** Refuses a request without having made a call of it: the CDN needs an id of ours all the same. */
  #turnAway(remoteId: number, result: Result, now: number): void {
    const { dialect } = this.#connection;
    const localId = this.#calls.allocateId();
    if (localId === undefined) return this.#host.drop("unknown-call");
    this.#calls.releaseId(localId, now);
    this.#connection.send("CDN", dialect.disconnect({ localId, remoteId }, result), remoteId);
  }

  #breach(call: Call, message: string, now: number): void {
    const { version } = this.#connection.settings;
    const code = version === 2 ? CdnResult.GeneralError : CdnResult.FsmError;
    const result = { result: code, error: ErrorCode.None, message };
    this.close(call, result, { by: "protocol", result }, now);
  }

  #send(type: MessageType, call: Call): void {
    if (type !== "ICCN" && type !== "OCCN") call.toldActive = call.parameters!.active;
    this.#connection.send(type, this.#connection.dialect.call(type, call), call.remoteId);
  }

  /** SLI, where the peer was told otherwise. */
  #tellStatus(call: Call): void {
    const { active } = call.parameters!;
    const told = this.#connection.settings.version === 2 || call.toldActive === active;
    if (told || call.state !== "established") return;
    call.toldActive = active;
    this.tell(call.localId, "SLI", { circuitStatus: { active, new: false } });
  }

  #enter(
    call: Call,
    state: Call["state"],
    now: number,
    vendorAvps: readonly VendorAvp[] = [],
  ): void {
    const was = isPending(call);
    call.state = state;
    const is = isPending(call);
    if (isCaller(call.role)) this.#pending += Number(is) - Number(was);
    this.#timed.delete(call);
    if (is) {
      call.deadline = now + this.#connection.settings.callMs;
      this.#timed.add(call);
    } else {
      this.#calls.decided(call);
    }
    if (state !== "established" && state !== "closed") this.#announce(call, vendorAvps);
    if (was && !is) this.start(now);
  }

  #establish(call: Call, vendorAvps: readonly VendorAvp[], now: number): void {
    this.#enter(call, "established", now);
    this.#host.event({
      type: "call-state",
      call: this.#handle(call),
      state: "established",
      session: sessionParameters(call, this.#connection.settings.version),
      ...(vendorAvps.length > 0 && { vendorAvps }),
    });
    if (!call.peer.active) {
      this.#host.event({ type: "circuit-status", call: this.#handle(call), active: false });
    }
    this.#tellStatus(call);
  }

  #forget(call: Call, cause: Cause, now: number, vendorAvps: readonly VendorAvp[] = []): void {
    this.#waiting.delete(call);
    this.#calls.remove(call, now);
    this.#enter(call, "closed", now);
    this.#host.event({
      type: "call-state",
      call: this.#handle(call),
      state: "closed",
      cause,
      ...(vendorAvps.length > 0 && { vendorAvps }),
    });
  }

  #handle({ localId }: Call): CallHandle {
    return { connection: this.#connection.handle, localSessionId: localId };
  }

  #announce(call: Call, vendorAvps: readonly VendorAvp[] = []): void {
    this.#host.event({
      type: "call-state",
      call: this.#handle(call),
      state: call.state,
      ...(vendorAvps.length > 0 && { vendorAvps }),
    });
  }
}
