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
import type { CallAvps, CallEnd, CallMessage } from "./wire/call_avps.ts";
import type { AvpValues } from "./wire/catalogue.ts";
import type { CallsOwner, ConnectionHost } from "./connection_host.ts";
import { hasEnded } from "./connection_states.ts";
import { ApiMisuse, CdnResult, ErrorCode, type PeerError, type Result } from "./errors.ts";
import type { CallCause, CallHandle } from "./events.ts";
import type { ControlHeader } from "./wire/header.ts";
import type { AnyMessage, MessageType } from "./wire/message.ts";
import { Line } from "./queues.ts";
import { reasonOf } from "./refusals.ts";
import type { CallParameters, PeerSettings, SessionParameters } from "./settings.ts";
import { assertSendable, endSaidBy, othersToSay, saidBy, toSay } from "./wire/saying.ts";
import type { CallSnapshot, ConnectionSnapshot } from "./snapshot.ts";
import { compareTies } from "./ties.ts";

/** How many calls of ours are set up at once; the others wait their turn. */
const PENDING_LIMIT = 256;
/** What we ask with, by our part in the call. */
const requests = { "incoming-caller": "ICRQ", "outgoing-caller": "OCRQ" } as const;

export class Calls {
  readonly #connection: CallsOwner;
  readonly #host: ConnectionHost;
  readonly #calls: CallTable;
  /** Calls of ours that wait for the connection, or for others to be set up. */
  readonly #waiting = new Line<Call>();
  /** Calls that have a deadline, the earliest first: all are given the same time. */
  readonly #timed = new Line<Call>();
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
   * @throws {UnsendableAvp} where the request cannot say it all; there is no call then
   */
  place(
    role: "incoming-caller" | "outgoing-caller",
    parameters: CallParameters,
    now: number,
  ): number | undefined {
    const { hides, settings: { callLimit, version } } = this.#connection;
    const { say } = parameters;
    if (say) assertSendable(toSay(version, requests[role], say), othersToSay(version, say), hides);
    const full = this.#calls.size >= callLimit;
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
    for (let call = this.#waiting.first; call; call = this.#waiting.first) {
      if (this.#connection.state !== "established" || this.#pending >= PENDING_LIMIT) return;
      const impossible = unwanted(settings, peer, call.parameters!);
      if (impossible) {
        this.#forget(call, { by: "local", result: impossible }, now);
        continue;
      }
      this.#waiting.delete(call);
      this.#enter(call, "wait-reply", now);
      this.#announce(call);
      this.#send(requests[call.role as keyof typeof requests], call, call.parameters!.say ?? {});
    }
  }

  /**
   * Accepts a call that the peer requested, and waits for {@linkcode proceed}; false: it has ended.
   * @throws {ApiMisuse} where it waits for no decision
   */
  accept(localId: number, parameters: CallParameters, now: number): boolean {
    const call = this.#calls.get(localId);
    if (!call) return false;
    if (call.state !== "deciding") throw new ApiMisuse(`session ${localId} waits for no decision`);
    call.parameters = parameters;
    this.#agreed(call, "wait-proceed", now);
    return true;
  }

  /**
   * Tells the peer to go on: ICRP, OCRP or ICCN. False: the call has ended.
   * @throws {ApiMisuse} where the peer does not wait for that
   * @throws {UnsendableAvp} where the message cannot say it all; nothing has changed then
   */
  proceed(localId: number, say: CallAvps, now: number): boolean {
    const call = this.#calls.get(localId);
    if (!call) return false;
    if (call.state !== "wait-proceed") {
      throw new ApiMisuse(`session ${localId} does not wait to proceed`);
    }
    if (isCaller(call.role)) {
      this.#send("ICCN", call, say);
      this.#establish(call, now);
      return true;
    }
    const incoming = call.role === "incoming-answerer";
    this.#send(incoming ? "ICRP" : "OCRP", call, say);
    this.#enter(call, incoming ? "wait-connect" : "wait-cs-answer", now);
    this.#announce(call);
    return true;
  }

  /**
   * The outgoing call which the peer requested was answered: OCCN. False: it has ended.
   * @throws {ApiMisuse} where it is no such call
   * @throws {UnsendableAvp} where the message cannot say it all; nothing has changed then
   */
  connected(localId: number, say: CallAvps, now: number): boolean {
    const call = this.#calls.get(localId);
    if (!call) return false;
    if (call.state !== "wait-cs-answer") {
      throw new ApiMisuse(`session ${localId} places no outgoing call`);
    }
    this.#send("OCCN", call, say);
    this.#establish(call, now);
    return true;
  }

  /** Ends a call, with a CDN where the peer knows of it. */
  close(call: Call, end: CallEnd, cause: CallCause, now: number): void {
    if (call.state === "closed") return;
    if (call.state !== "idle") {
      const { dialect, settings: { version } } = this.#connection;
      const others = othersToSay(version, end);
      this.#connection.send("CDN", dialect.disconnect(call, end), call.remoteId, others);
    }
    this.#forget(call, cause, now);
  }

  /** Call Serial Number of the last call of ours. */
  get serial(): number {
    return this.#calls.serial;
  }

  /** The calls that are up, as plain data. */
  snapshot(): CallSnapshot[] {
    const up = [...this.#calls.values()].filter(({ state }) => state === "established");
    return up.map(({ role, localId, remoteId, serial, parameters, toldActive, peer, said }) => (
      { role, localId, remoteId, serial, parameters: parameters!, toldActive, peer, said }
    ));
  }

  /** Goes on with calls that are up. */
  resume({ calls, serial }: Pick<ConnectionSnapshot, "calls" | "serial">): void {
    for (const saved of calls) {
      const call = this.#calls.adopt(saved);
      if (!call) continue;
      const session = sessionParameters(call, this.#connection.settings.version);
      this.#announce(call, { session, said: call.said });
    }
    this.#calls.serial = serial;
  }

  /** The connection goes on in v2. */
  fallBack(settings: PeerSettings, now: number): void {
    this.#calls.fallBack(settings, now);
  }

  /** All calls end with their connection. */
  closeAll(cause: CallCause, now: number): void {
    for (const call of [...this.#calls.values()]) this.#forget(call, cause, now);
  }

  /** Tells the peer that the circuit behind a call went up or down (RFC 3931 §5.4.5); v2 has no way to. */
  setActive(localId: number, active: boolean): void {
    const call = this.#calls.get(localId);
    if (!call?.parameters || call.parameters.active === active) return;
    call.parameters = { ...call.parameters, active };
    this.#tellStatus(call);
  }

  /**
   * Sends an SLI or WEN for a call that is up; false: there is none.
   * @throws {UnsendableAvp} where the message cannot say it all
   */
  tell(localId: number, type: "SLI" | "WEN", say: CallAvps): boolean {
    const call = this.#calls.get(localId);
    if (call?.state !== "established") return false;
    this.#send(type, call, say);
    return true;
  }

  /** A message for a call, in its turn. */
  take(header: ControlHeader, message: AnyMessage, now: number): void {
    const { type, avps, others } = message;
    if (type === "ICRQ" || type === "OCRQ") return this.#request(message, now);
    const call = this.#find(header, avps);
    if (!call) return this.#disown(header, message);
    const action = callTable[call.role][call.state]?.[type];
    if (action === undefined) return this.#breach(call, `${type} in state ${call.state}`, now);
    if (action === "close") {
      const result = endSaidBy(avps, others, { result: CdnResult.GeneralError });
      return this.#forget(call, { by: "peer", result }, now);
    }
    const wasActive = call.peer.active;
    if (!this.#learn(call, avps)) return this.#breach(call, "the session id is in use", now);
    const said = saidBy(avps, others);
    // News may come without end: of what they say only the latest is kept.
    call.said = action === "hear" ? { ...call.said, ...saidBy(avps, []) } : merged(call.said, said);
    if (action === "hear") return this.#hear(call, type as "SLI" | "WEN", said, wasActive);
    const refused = refusedRequirements(this.#connection.settings, call.peer, avps);
    if (refused) return this.close(call, refused, { by: "protocol", result: refused }, now);
    if (action === "agree") return this.#agreed(call, "wait-proceed", now, said);
    if (action === "await-connect") return this.#agreed(call, "wait-connect", now, said);
    this.#establish(call, now, said);
  }

  /**
   * A message for a call that must not be acted on: it costs that call, and no other (RFC 2661 §4.2, RFC 3931 §5.2).
   * One that does not even say which call it is for is acknowledged, and nothing else comes of it.
   */
  refuse(
    header: ControlHeader,
    type: MessageType | undefined,
    avps: AvpValues,
    error: PeerError,
    now: number,
  ): void {
    const result = error.outcome;
    const because = error.avp === undefined ? {} : { avp: error.avp };
    const isRequest = type === "ICRQ" || type === "OCRQ";
    const known = isRequest ? undefined : this.#find(header, avps);
    if (known && type === "CDN") {
      this.#forget(known, { by: "peer", result: avps.resultCode ?? result }, now);
    } else if (known) {
      this.close(known, result, { by: "protocol", result, ...because }, now);
    } else {
      const remoteId = this.#connection.dialect.remoteSession(avps);
      if (isRequest && remoteId !== undefined) this.#turnAway(avps, result, now, error.avp);
      else this.#host.drop(isRequest ? "malformed" : "unknown-call");
    }
  }

  deadline(): number | undefined {
    return this.#timed.first?.deadline;
  }

  timeout(now: number): void {
    for (let call = this.#timed.first; call; call = this.#timed.first) {
      if (call.deadline! > now) return;
      // Whoever does not answer may not be there at all.
      if (call.state === "wait-reply") this.#connection.unreachable(now);
      const { version } = this.#connection.settings;
      const result = version === 2
        ? { result: CdnResult.TimedOut }
        : { result: CdnResult.FsmError, error: ErrorCode.None, message: "not established in time" };
      this.close(call, result, { by: "timeout", result }, now);
    }
  }

  /** ICRQ or OCRQ: the peer wants a call. */
  #request({ avps, type, others }: AnyMessage, now: number): void {
    const { dialect, settings } = this.#connection;
    const remoteId = dialect.remoteSession(avps)!;
    // RFC 3931 §7.3.2: a request for a session that exists clears it.
    const existing = this.#calls.byRemoteId(remoteId);
    if (existing) return this.#breach(existing, `${type} in state ${existing.state}`, now);
    const peer = dialect.learn(undefined, avps);
    const refused = refusedRequest(settings, peer, avps);
    if (refused) return this.#turnAway(avps, refused, now);
    if (this.#breakTie(peer, avps.tieBreaker, now)) {
      return this.#turnAway(avps, { result: CdnResult.LostTie }, now);
    }
    const role = type === "ICRQ" ? "incoming-answerer" : "outgoing-answerer";
    const full = this.#calls.size >= settings.callLimit;
    const call = full ? undefined : this.#calls.create(role, undefined);
    if (!call) return this.#turnAway(avps, { result: CdnResult.NoFacilitiesNow }, now);
    this.#calls.meet(call, remoteId);
    call.peer = peer;
    call.said = saidBy(avps, others);
    this.#enter(call, "deciding", now);
    this.#announce(call, { said: call.said });
    const { said } = call;
    this.#host.event({
      type: "call-requested",
      call: this.#handle(call),
      role,
      request: peer,
      said,
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

  #hear(call: Call, message: "SLI" | "WEN", said: CallAvps, wasActive: boolean): void {
    const handle = this.#handle(call);
    if (call.state === "established" && call.peer.active !== wasActive) {
      this.#host.event({ type: "circuit-status", call: handle, active: call.peer.active });
    }
    this.#host.event({ type: "call-news", call: handle, message, said });
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
  #turnAway(avps: AvpValues, result: Result, now: number, avp?: number): void {
    const { dialect, handle, path, peer, settings } = this.#connection;
    const remoteId = dialect.remoteSession(avps)!;
    const localId = this.#calls.idToRefuseWith(now);
    this.#host.refuse({
      stage: "call",
      path,
      reason: reasonOf(result, avp),
      connection: handle,
      peer: settings.name,
      call: dialect.learn(undefined, avps).name,
      ...(peer && { hostName: peer.hostName }),
      ...(result.message !== undefined && { message: result.message }),
    }, now);
    this.#connection.send("CDN", dialect.disconnect({ localId, remoteId }, result), remoteId);
  }

  #breach(call: Call, message: string, now: number): void {
    const { version } = this.#connection.settings;
    const code = version === 2 ? CdnResult.GeneralError : CdnResult.FsmError;
    const result = { result: code, error: ErrorCode.None, message };
    this.close(call, result, { by: "protocol", result }, now);
  }

  /** @throws {UnsendableAvp} and nothing has changed */
  #send(type: CallMessage, call: Call, say: CallAvps): void {
    const { dialect, settings: { version }, hides } = this.#connection;
    const active = say.circuitStatus?.active ?? call.parameters!.active;
    const parameters = { ...call.parameters!, active };
    const avps = dialect.call(type, { ...call, parameters }, say);
    const others = othersToSay(version, say);
    if (Object.keys(say).length > 0) assertSendable(avps, others, hides);
    call.parameters = parameters;
    if (avps.circuitStatus) call.toldActive = avps.circuitStatus.active;
    this.#connection.send(type, avps, call.remoteId, others);
  }

  /** SLI, where the peer was told otherwise. */
  #tellStatus(call: Call): void {
    const { active } = call.parameters!;
    const told = this.#connection.settings.version === 2 || call.toldActive === active;
    if (told || call.state !== "established") return;
    this.#send("SLI", call, { circuitStatus: { active, new: false } });
  }

  #enter(call: Call, state: Call["state"], now: number): void {
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
    if (was && !is) this.start(now);
  }

  /** Both ends have said what they require of the session. */
  #agreed(call: Call, state: "wait-proceed" | "wait-connect", now: number, said?: CallAvps): void {
    this.#enter(call, state, now);
    const session = sessionParameters(call, this.#connection.settings.version);
    this.#announce(call, { session, ...(said && { said }) });
  }

  #establish(call: Call, now: number, said?: CallAvps): void {
    this.#enter(call, "established", now);
    const session = sessionParameters(call, this.#connection.settings.version);
    this.#announce(call, { session, ...(said && { said }) });
    if (!call.peer.active) {
      this.#host.event({ type: "circuit-status", call: this.#handle(call), active: false });
    }
    this.#tellStatus(call);
  }

  #forget(call: Call, cause: CallCause, now: number): void {
    this.#waiting.delete(call);
    this.#calls.remove(call, now);
    this.#enter(call, "closed", now);
    this.#announce(call, { cause });
  }

  #handle({ localId }: Call): CallHandle {
    return { connection: this.#connection.handle, localSessionId: localId };
  }

  #announce(
    call: Call,
    more: { session?: SessionParameters; cause?: CallCause; said?: CallAvps } = {},
  ): void {
    const { state } = call;
    this.#host.event({ type: "call-state", call: this.#handle(call), state, ...more });
  }
}

/** What a call's peer said before and now. */
function merged(before: CallAvps, now: CallAvps): CallAvps {
  const others = [...before.others ?? [], ...now.others ?? []];
  return { ...before, ...now, ...(others.length > 0 && { others }) };
}
