/** The calls of one control connection: which message is for which, and what it does to it. @module */

import {
  type Call,
  type CallRole,
  callTable,
  isPending,
  type PeerCall,
  sessionParameters,
} from "./call.ts";
import type { AvpValues } from "./catalogue.ts";
import type { Connection, ConnectionHost } from "./connection.ts";
import { ApiMisuse, CdnResult, ErrorCode, type PeerError, type Result } from "./errors.ts";
import type { CallHandle, Cause } from "./events.ts";
import type { ControlHeader } from "./header.ts";
import type { AnyMessage, MessageType } from "./message.ts";
import type { CallParameters } from "./settings.ts";

/** How many calls are set up at once; the others wait their turn. */
const PENDING_LIMIT = 256;

export class Calls {
  readonly #connection: Connection;
  readonly #host: ConnectionHost;
  readonly #calls = new Map<number, Call>();
  readonly #byRemoteId = new Map<number, Call>();
  /** Calls of ours that wait for the connection, or for others to be set up. */
  readonly #waiting = new Set<Call>();
  /** Calls that have a deadline, the earliest first: all are given the same time. */
  readonly #timed = new Set<Call>();
  #pending = 0;
  #serial = 0;

  constructor(connection: Connection, host: ConnectionHost) {
    this.#connection = connection;
    this.#host = host;
  }

  get size(): number {
    return this.#calls.size;
  }

  get(localId: number): Call | undefined {
    return this.#calls.get(localId);
  }

  values(): IterableIterator<Call> {
    return this.#calls.values();
  }

  /** Requests a call of the peer, as soon as the connection is up. @throws {ApiMisuse} at the limit */
  place(
    role: "incoming-caller" | "outgoing-caller",
    parameters: CallParameters,
    now: number,
  ): Call {
    const call = this.#create(role, parameters);
    if (!call) throw new ApiMisuse(`no more than ${this.#connection.settings.callLimit} calls`);
    this.#waiting.add(call);
    this.#announce(call);
    this.start(now);
    return call;
  }

  /** Sends the requests that wait, as many as may be pending. */
  start(now: number): void {
    if (this.#connection.state !== "established") return;
    for (const call of this.#waiting) {
      if (this.#pending >= PENDING_LIMIT) return;
      this.#waiting.delete(call);
      this.#enter(call, "wait-reply", now);
      this.#send(call.role === "incoming-caller" ? "ICRQ" : "OCRQ", call);
    }
  }

  /** Accepts a call that the peer requested. @throws {ApiMisuse} where it waits for no decision */
  accept(localId: number, parameters: CallParameters, now: number): void {
    const call = this.#calls.get(localId);
    if (call?.state !== "deciding") throw new ApiMisuse(`session ${localId} waits for no decision`);
    call.parameters = parameters;
    const incoming = call.role === "incoming-answerer";
    this.#send(incoming ? "ICRP" : "OCRP", call);
    this.#enter(call, incoming ? "wait-connect" : "wait-cs-answer", now);
  }

  /** Says that the outgoing call which the peer requested was answered. @throws {ApiMisuse} */
  connected(localId: number, now: number): void {
    const call = this.#calls.get(localId);
    if (call?.state !== "wait-cs-answer") {
      throw new ApiMisuse(`session ${localId} places no outgoing call`);
    }
    this.#send("OCCN", call);
    this.#establish(call, now);
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

  /** All calls end with their connection. */
  closeAll(cause: Cause, now: number): void {
    for (const call of [...this.#calls.values()]) this.#forget(call, cause, now);
  }

  /** Tells the peer that the circuit behind a call went up or down (RFC 3931 §5.4.5); v2 has no way to. */
  setActive(localId: number, active: boolean): void {
    const call = this.#calls.get(localId);
    if (!call?.parameters || call.parameters.active === active) return;
    call.parameters = { ...call.parameters, active };
    const { settings, dialect } = this.#connection;
    if (settings.version !== 3 || call.state !== "established") return;
    this.#connection.send(
      "SLI",
      { ...dialect.naming(call), circuitStatus: { active, new: false } },
      0,
    );
  }

  /** A message for a call, in its turn. */
  take(header: ControlHeader, message: AnyMessage, now: number): void {
    if (message.type === "ICRQ" || message.type === "OCRQ") return this.#request(message, now);
    const call = this.#find(header, message.avps);
    if (!call) return this.#host.drop("unknown-call");
    const action = callTable[call.role][call.state]?.[message.type];
    if (action === undefined) {
      const result = {
        result: this.#fsmError(),
        error: ErrorCode.None,
        message: `${message.type} in state ${call.state}`,
      };
      return this.close(call, result, { by: "protocol", result }, now);
    }
    if (action === "close") {
      const result = message.avps.resultCode ?? { result: CdnResult.GeneralError };
      return this.#forget(call, { by: "peer", result }, now);
    }
    const wasActive = call.peer.active;
    this.#learn(call, message.avps);
    switch (action) {
      case "connect":
        if (this.#unsequenceable(call, now)) return;
        this.#send("ICCN", call);
        return this.#establish(call, now);
      case "await-connect":
        return this.#enter(call, "wait-connect", now);
      case "establish":
        if (this.#unsequenceable(call, now)) return;
        return this.#establish(call, now);
      case "link-info":
        return this.#linkInfo(call, message.avps, wasActive);
      case "error-info":
        this.#host.event({
          type: "call-errors",
          call: this.#handle(call),
          errors: message.avps.callErrors!,
        });
    }
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
    if (known) {
      this.close(known, result, { by: "protocol", result }, now);
      return true;
    }
    const remoteId = this.#connection.dialect.remoteSession(avps);
    if ((type !== "ICRQ" && type !== "OCRQ") || remoteId === undefined) return false;
    this.#turnAway(remoteId, result, now);
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
  #request(message: AnyMessage, now: number): void {
    const { avps, type, vendorAvps } = message;
    const { dialect, settings } = this.#connection;
    const remoteId = dialect.remoteSession(avps)!;
    const peer = dialect.learn(undefined, avps);
    if (this.#byRemoteId.has(remoteId)) {
      return this.#turnAway(remoteId, {
        result: CdnResult.GeneralError,
        error: ErrorCode.InvalidSessionId,
        message: "this session id is in use",
      }, now);
    }
    if (settings.version === 3 && !settings.pseudowires.includes(peer.pseudowireType)) {
      return this.#turnAway(remoteId, { result: CdnResult.UnsupportedPseudowire }, now);
    }
    if (settings.version === 3 && peer.sequencing && peer.l2spec === "none") {
      return this.#turnAway(remoteId, { result: CdnResult.SequencingWithoutSublayer }, now);
    }
    const role = type === "ICRQ" ? "incoming-answerer" : "outgoing-answerer";
    const lost = this.#breakTie(peer, avps.tieBreaker, now);
    if (lost) return this.#turnAway(remoteId, { result: CdnResult.LostTie }, now);
    const call = this.#create(role, undefined);
    if (!call) {
      return this.#turnAway(remoteId, { result: CdnResult.NoFacilitiesNow }, now);
    }
    call.remoteId = remoteId;
    call.peer = peer;
    this.#byRemoteId.set(remoteId, call);
    this.#enter(call, "deciding", now);
    this.#host.event({
      type: "call-requested",
      call: this.#handle(call),
      role,
      request: peer,
      vendorAvps,
    });
  }

  /** v3: both ends request the same circuit at once; the lower value wins (RFC 3931 §5.4.4). True: the peer's request lost. */
  #breakTie(peer: PeerCall, theirs: Uint8Array | undefined, now: number): boolean {
    if (this.#connection.settings.version !== 3 || peer.name === "") return false;
    for (const call of this.#calls.values()) {
      if (call.role !== "incoming-caller" || call.parameters?.name !== peer.name) continue;
      if (call.state === "established") continue;
      const order = compareTies(call.tieBreaker, theirs);
      if (order < 0 && call.state === "wait-reply") return true;
      const result = { result: CdnResult.LostTie };
      if (order === 0) this.close(call, result, { by: "tie", result }, now);
      else this.#forget(call, { by: "tie", result }, now);
      return order === 0;
    }
    return false;
  }

  /** RFC 3931 §5.4.4: numbers can be asked for only with a sublayer that carries them. */
  #unsequenceable(call: Call, now: number): boolean {
    if (
      this.#connection.settings.version === 2 || !call.peer.sequencing ||
      call.peer.l2spec !== "none"
    ) return false;
    const result = { result: CdnResult.SequencingWithoutSublayer };
    this.close(call, result, { by: "protocol", result }, now);
    return true;
  }

  #linkInfo(call: Call, avps: AvpValues, wasActive: boolean): void {
    const handle = this.#handle(call);
    if (avps.accm) this.#host.event({ type: "accm", call: handle, ...avps.accm });
    if (call.peer.active !== wasActive) {
      this.#host.event({ type: "circuit-status", call: handle, active: call.peer.active });
    }
  }

  #learn(call: Call, avps: AvpValues): void {
    const { dialect } = this.#connection;
    call.peer = dialect.learn(call.peer, avps);
    const remoteId = dialect.remoteSession(avps);
    if (remoteId === undefined || call.remoteId !== 0) return;
    call.remoteId = remoteId;
    this.#byRemoteId.set(remoteId, call);
  }

  #find(header: ControlHeader, avps: AvpValues): Call | undefined {
    const { dialect } = this.#connection;
    const localId = dialect.localSession(header, avps);
    if (localId !== 0) return this.#calls.get(localId);
    const remoteId = dialect.remoteSession(avps);
    return remoteId === undefined ? undefined : this.#byRemoteId.get(remoteId);
  }

  #create(role: CallRole, parameters: CallParameters | undefined): Call | undefined {
    const { settings } = this.#connection;
    if (this.#calls.size >= settings.callLimit) return undefined;
    const localId = this.#host.allocateSessionId(settings.version, (id) => this.#calls.has(id));
    if (localId === undefined) return undefined;
    const call: Call = {
      role,
      localId,
      serial: ++this.#serial,
      tieBreaker: settings.version === 3 && settings.tieBreaker && parameters
        ? this.#host.random(8)
        : undefined,
      parameters,
      state: "idle",
      remoteId: 0,
      peer: this.#connection.dialect.learn(undefined, {}),
      deadline: undefined,
    };
    this.#calls.set(localId, call);
    return call;
  }

  /** Refuses a request without having made a call of it: the CDN needs an id of ours all the same. */
  #turnAway(remoteId: number, result: Result, now: number): void {
    const { dialect, settings } = this.#connection;
    const localId = this.#host.allocateSessionId(settings.version, (id) => this.#calls.has(id));
    if (localId === undefined) return this.#host.drop("unknown-call");
    this.#host.releaseSessionId(settings.version, localId, now);
    this.#connection.send("CDN", dialect.disconnect({ localId, remoteId }, result), remoteId);
  }

  #send(type: MessageType, call: Call): void {
    this.#connection.send(type, this.#connection.dialect.call(type, call), call.remoteId);
  }

  #enter(call: Call, state: Call["state"], now: number): void {
    const was = isPending(call);
    call.state = state;
    const is = isPending(call);
    this.#pending += Number(is) - Number(was);
    this.#timed.delete(call);
    if (is) {
      call.deadline = now + this.#connection.settings.callMs;
      this.#timed.add(call);
    }
    if (state !== "established" && state !== "closed") this.#announce(call);
    if (was && !is) this.start(now);
  }

  #establish(call: Call, now: number): void {
    this.#enter(call, "established", now);
    const session = sessionParameters(call, this.#connection.settings.version);
    this.#host.event({
      type: "call-state",
      call: this.#handle(call),
      state: "established",
      session,
    });
  }

  #forget(call: Call, cause: Cause, now: number): void {
    this.#waiting.delete(call);
    this.#calls.delete(call.localId);
    if (this.#byRemoteId.get(call.remoteId) === call) this.#byRemoteId.delete(call.remoteId);
    this.#host.releaseSessionId(this.#connection.settings.version, call.localId, now);
    this.#enter(call, "closed", now);
    this.#host.event({ type: "call-state", call: this.#handle(call), state: "closed", cause });
  }

  #fsmError(): number {
    return this.#connection.settings.version === 2 ? CdnResult.GeneralError : CdnResult.FsmError;
  }

  #handle({ localId }: Call): CallHandle {
    return { connection: this.#connection.handle, localSessionId: localId };
  }

  #announce(call: Call): void {
    this.#host.event({ type: "call-state", call: this.#handle(call), state: call.state });
  }
}

/** The lower value wins, and having one wins over having none; neither, or equal: both lose. */
export function compareTies(ours: Uint8Array | undefined, theirs: Uint8Array | undefined): number {
  if (!ours || !theirs) return Number(ours === undefined) - Number(theirs === undefined);
  for (let i = 0; i < ours.length; i++) if (ours[i] !== theirs[i]) return ours[i]! - theirs[i]!;
  return 0;
}
