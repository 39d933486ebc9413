/**
 * A control connection: its states and transitions (RFC 2661 §7.2, RFC 3931 §7.2), authentication, keepalive, and the
 * way between calls and messages. Both versions; what differs stands in `dialect.ts`.
 *
 * @module
 */

import {
  challengeResponse,
  deriveDigestKey,
  deriveHidingKey,
  sign,
  verify,
} from "./authentication.ts";
import { equalConstantTime } from "./bytes.ts";
import { Calls } from "./calls.ts";
import { type AvpName, catalogue } from "./catalogue.ts";
import { type ChannelCounters, ReliableChannel } from "./channel.ts";
import { blankDigest, type Dialect, dialects, messageOf } from "./dialect.ts";
import { PeerError, type Result, StopResult } from "./errors.ts";
import type {
  Cause,
  ConnectionHandle,
  ConnectionState,
  ControlDrop,
  LcceEvent,
  PeerIdentity,
} from "./events.ts";
import { type ControlHeader, emitMessage } from "./header.ts";
import {
  type AnyMessage,
  emitBody,
  type Hiding,
  type MessageType,
  parseBody,
  type Parsed,
} from "./message.ts";
import type { Path, PeerSettings } from "./settings.ts";
import { Deadlines } from "./timers.ts";

/** What a connection needs from the LCCE that it belongs to. */
export interface ConnectionHost {
  random(length: number): Uint8Array;
  event(event: LcceEvent): void;
  transmit(path: Path, data: Uint8Array): void;
  drop(reason: ControlDrop): void;
  allocateSessionId(version: 2 | 3, taken: (id: number) => boolean): number | undefined;
  releaseSessionId(version: 2 | 3, id: number, now: number): void;
}

type Action = "reply" | "connected" | "stopped" | "call" | "nothing" | "again";

const calls = {
  ICRQ: "call",
  ICRP: "call",
  ICCN: "call",
  OCRQ: "call",
  OCRP: "call",
  OCCN: "call",
  CDN: "call",
  SLI: "call",
  WEN: "call",
} as const;

/** What each message means in each state; what is not here is a finite state machine error. */
export const connectionTable: Readonly<
  Record<ConnectionState, Partial<Record<MessageType, Action>>>
> = {
  "wait-ctl-reply": { SCCRP: "reply", StopCCN: "stopped", HELLO: "nothing" },
  "wait-ctl-conn": { SCCCN: "connected", StopCCN: "stopped", HELLO: "nothing" },
  established: { ...calls, HELLO: "nothing", StopCCN: "stopped" },
  stopping: {
    ...Object.fromEntries(Object.keys(calls).map((type) => [type, "nothing"])),
    StopCCN: "stopped",
    HELLO: "nothing",
    SCCRP: "nothing",
    SCCCN: "nothing",
  },
  closed: {},
};

type Deadline = "establish" | "hello" | "stop" | "linger";

/** A message on its way: its body, and whom the header names. */
interface Outgoing {
  readonly type: MessageType;
  readonly body: Uint8Array;
  readonly sessionId: number;
}

/** What came, waiting its turn in the channel. */
interface Incoming {
  readonly header: ControlHeader;
  readonly parsed: Exclude<Parsed, { kind: "zlb" }>;
}

const NO_NONCE = new Uint8Array(0);

export class Connection {
  readonly handle: ConnectionHandle;
  readonly settings: PeerSettings;
  readonly localId: number;
  /** We sent the SCCRQ. */
  readonly initiator: boolean;
  readonly calls: Calls;
  readonly dialect: Dialect;
  peerId = 0;
  peer: PeerIdentity | undefined;
  path: Path;
  readonly tieBreaker: Uint8Array | undefined;
  #state: ConnectionState;
  readonly #host: ConnectionHost;
  readonly #channel: ReliableChannel<Outgoing, Incoming>;
  readonly #deadlines = new Deadlines<Deadline>();
  readonly #nonce: Uint8Array;
  #peerNonce: Uint8Array = NO_NONCE;
  readonly #digestKeys: readonly Uint8Array[];
  readonly #hidingKey: Uint8Array | undefined;
  #establishedAt: number | undefined;

  constructor(
    host: ConnectionHost,
    options: {
      readonly handle: ConnectionHandle;
      readonly settings: PeerSettings;
      readonly localId: number;
      readonly path: Path;
      readonly initiator: boolean;
    },
    now: number,
  ) {
    const { settings } = options;
    this.handle = options.handle;
    this.settings = settings;
    this.localId = options.localId;
    this.initiator = options.initiator;
    this.path = options.path;
    this.dialect = dialects[settings.version];
    this.#host = host;
    this.#channel = new ReliableChannel({ ...settings, queueLimit: 4 * settings.callLimit + 64 });
    this.#nonce = host.random(16);
    this.tieBreaker = settings.tieBreaker && options.initiator ? host.random(8) : undefined;
    const secrets = [settings.secret, settings.otherSecret].filter((secret) =>
      secret !== undefined
    );
    this.#digestKeys = settings.version === 3 ? secrets.map(deriveDigestKey) : [];
    this.#hidingKey = settings.secret &&
      (settings.version === 2 ? settings.secret : deriveHidingKey(settings.secret));
    this.calls = new Calls(this, host);
    this.#state = options.initiator ? "wait-ctl-reply" : "wait-ctl-conn";
    this.#deadlines.set("establish", now + settings.establishMs);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get counters(): Readonly<ChannelCounters> {
    return this.#channel.counters;
  }

  /** The messages that may be in the air, and those that wait or are. */
  get window(): { readonly size: number; readonly outstanding: number } {
    return { size: this.#channel.window, outstanding: this.#channel.outstanding };
  }

  get establishedAt(): number | undefined {
    return this.#establishedAt;
  }

  /** Whether all is over and done with: the LCCE forgets a connection that is. */
  get finished(): boolean {
    return this.#state === "closed" && this.#deadlines.next() === undefined;
  }

  /** Sends the SCCRQ. */
  dial(): void {
    this.#announce();
    this.send("SCCRQ", this.dialect.introduce(this.#introduction()), 0);
  }

  /** Takes a datagram whose header names us; an SCCRQ too, the first and those that come again. */
  receive(
    header: ControlHeader,
    body: Uint8Array,
    datagram: Uint8Array,
    path: Path,
    now: number,
  ): void {
    if (header.version !== this.settings.version) return this.#host.drop("wrong-version");
    if (!this.#accepts(path)) return this.#host.drop("wrong-source");
    if (!this.#authentic(datagram, body)) return;
    const parsed = parseBody(body, {
      version: header.version,
      ...(this.#hidingKey && { hidingKey: this.#hidingKey }),
    });
    const isAck = parsed.kind === "zlb" ||
      (parsed.kind === "message" && parsed.message.type === "ACK");
    if (this.#state === "established") this.#restartHello(now);
    const delivered = this.#channel.receive(
      header.ns,
      header.nr,
      isAck ? undefined : { header, parsed },
      now,
    );
    if (this.#state === "wait-ctl-reply" && delivered.length > 0) this.path = path;
    for (const incoming of delivered) this.#take(incoming, now);
    if (this.#state === "stopping" && this.#channel.outstanding === 0) this.#linger(now);
  }

  /** Queues a message to the peer. */
  send(type: MessageType, avps: AnyMessage["avps"], sessionId: number): void {
    if (!this.#channel.hasRoom) return;
    const message = messageOf(this.settings.version, type, {
      ...(this.#digestKeys.length > 0 && blankDigest(this.settings.digest)),
      ...avps,
    });
    this.#channel.send({ type, body: emitBody(message, this.#hiding(message)), sessionId });
  }

  /** Ends the connection: StopCCN with `result`; its calls end with it. */
  close(result: Result, cause: Cause, now: number): void {
    if (this.#state === "stopping" || this.#state === "closed") return;
    this.#channel.dropWaiting();
    this.send("StopCCN", this.dialect.stop(this.localId, result), 0);
    this.#deadlines.clearAll();
    this.#deadlines.set("stop", now + 3 * this.settings.retransmitCapMs);
    this.#state = "stopping";
    this.calls.closeAll({ by: "connection", result }, now);
    this.#announce(cause);
  }

  /** Ends the connection without a word: the loser of a tie (RFC 2661 §4.4.3). */
  discard(cause: Cause, now: number): void {
    this.#channel.abandon();
    this.#deadlines.clearAll();
    this.#state = "closed";
    this.calls.closeAll({ ...cause, by: "connection" }, now);
    this.#announce(cause);
  }

  /** Hands out all that can be transmitted now. */
  flush(now: number): void {
    for (let next = this.#channel.poll(now); next; next = this.#channel.poll(now)) {
      const { type, body, sessionId } = next.payload ?? this.#acknowledgement();
      const header: ControlHeader = {
        version: this.settings.version,
        connectionId: type === "SCCRQ" ? 0 : this.peerId,
        sessionId,
        ns: next.ns,
        nr: next.nr,
      };
      const datagram = emitMessage(header, body);
      const nonces = type === "SCCRQ"
        ? [NO_NONCE, NO_NONCE] as const
        : [this.#nonce, this.#peerNonce] as const;
      if (this.#digestKeys.length > 0) sign(datagram, this.#digestKeys[0]!, nonces);
      this.#host.transmit(this.path, datagram);
    }
  }

  deadline(): number | undefined {
    return earliest(this.#deadlines.next(), this.#channel.deadline(), this.calls.deadline());
  }

  /** Does what is due. */
  timeout(now: number): void {
    if (!this.#channel.timeout(now)) this.#lostPeer(now);
    this.calls.timeout(now);
    for (let due = this.#deadlines.take(now); due !== undefined; due = this.#deadlines.take(now)) {
      switch (due) {
        case "hello":
          if (this.#channel.outstanding === 0) this.send("HELLO", {}, 0);
          this.#restartHello(now);
          break;
        case "establish":
          this.close(
            {
              result: StopResult.FsmError,
              error: 0,
              message: "the control connection did not come up in time",
            },
            { by: "timeout", result: { result: StopResult.FsmError } },
            now,
          );
          break;
        case "stop":
          this.#channel.abandon();
          this.#linger(now);
          break;
        case "linger":
          break;
      }
    }
  }

  /** A message in its turn. */
  #take({ header, parsed }: Incoming, now: number): void {
    if (this.#state === "closed" || parsed.kind === "ignored") return;
    if (parsed.kind === "refused") return this.#refuse(header, parsed, now);
    const { message } = parsed;
    const action = connectionTable[this.#state][message.type];
    try {
      switch (action) {
        case "reply":
          return this.#reply(message, now);
        case "connected":
          return this.#connected(message, now);
        case "stopped":
          return this.#stopped(message, now);
        case "call":
          return this.calls.take(header, message, now);
        case "nothing":
          return;
      }
      throw new PeerError(0, `${message.type} in state ${this.#state}`);
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      const result: Result = error.error === 0
        ? { result: StopResult.FsmError, error: 0, message: error.message }
        : error.outcome;
      this.close(result, { by: "protocol", result }, now);
    }
  }

  /** A message that must not be acted on clears its call, where it is for one, else the connection (RFC 2661 §4.2). */
  #refuse(header: ControlHeader, parsed: Parsed & { kind: "refused" }, now: number): void {
    const { error, type, avps } = parsed;
    if (type !== undefined && type in calls && this.#state === "established") {
      if (this.calls.refuse(header, type, avps, error, now)) return;
    }
    if (type === "StopCCN") {
      return this.#gone({ by: "peer", result: avps.resultCode ?? error.outcome }, now);
    }
    this.close(error.outcome, { by: "protocol", result: error.outcome }, now);
  }

  /** Takes the SCCRQ that made this connection, and answers it. */
  accept(header: ControlHeader, message: AnyMessage, now: number): void {
    this.#channel.receive(
      header.ns,
      header.nr,
      { header, parsed: { kind: "message", message } },
      now,
    );
    this.#announce();
    this.#meet(message);
    this.send(
      "SCCRP",
      this.dialect.introduce({ ...this.#introduction(), ...this.#response(2, message) }),
      0,
    );
  }

  /** SCCRP: check who it is, and say SCCCN. */
  #reply(message: AnyMessage, now: number): void {
    this.#meet(message);
    if (!this.#proven(2, message)) return this.#unauthorized(now);
    const { response } = this.#response(3, message);
    this.send("SCCCN", response ? { challengeResponse: response } : {}, 0);
    this.#establish(now);
  }

  /** SCCCN: check who it is. */
  #connected(message: AnyMessage, now: number): void {
    if (!this.#proven(3, message)) return this.#unauthorized(now);
    this.#establish(now);
  }

  #stopped(message: AnyMessage, now: number): void {
    this.#gone(
      { by: "peer", result: message.avps.resultCode ?? { result: StopResult.Clear } },
      now,
    );
  }

  #establish(now: number): void {
    this.#deadlines.clear("establish");
    this.#state = "established";
    this.#establishedAt = now;
    this.#restartHello(now);
    this.#announce();
    this.calls.start(now);
  }

  /** What the peer says of itself. */
  #meet({ avps, vendorAvps }: AnyMessage): void {
    this.peerId = this.dialect.assignedId(avps)!;
    this.#peerNonce = this.dialect.nonce(avps) ?? NO_NONCE;
    const receiveWindow = avps.receiveWindowSize ?? 4;
    this.#channel.peerWindow = receiveWindow;
    this.peer = {
      hostName: avps.hostName ?? "",
      vendorName: avps.vendorName ?? "",
      ...(avps.routerId !== undefined && { routerId: avps.routerId }),
      receiveWindow,
      pseudowires: avps.pseudowireCapabilities ?? [],
      vendorAvps,
    };
  }

  #introduction() {
    return {
      settings: this.settings,
      localId: this.localId,
      ...(this.tieBreaker && { tieBreaker: this.tieBreaker }),
      ...(this.settings.secret && { nonce: this.#nonce }),
    };
  }

  /** v2: the answer to the peer's challenge (RFC 2661 §5.1.1). */
  #response(type: 2 | 3, { avps }: AnyMessage): { response?: Uint8Array } {
    if (this.settings.version !== 2 || !avps.challenge) return {};
    if (!this.settings.secret) throw new PeerError(0, "challenged, and no secret is shared");
    return { response: challengeResponse(type, this.settings.secret, avps.challenge) };
  }

  /** v2: whether the peer's answer to our challenge is right. In v3 the digest has said so. */
  #proven(type: 2 | 3, { avps }: AnyMessage): boolean {
    const { version, secret } = this.settings;
    if (version === 3 || !secret) return true;
    const expected = challengeResponse(type, secret, this.#nonce);
    return avps.challengeResponse !== undefined &&
      equalConstantTime(avps.challengeResponse, expected);
  }

  #unauthorized(now: number): void {
    const result = { result: StopResult.NotAuthorized };
    this.close(result, {
      by: "protocol",
      result: { ...result, message: "wrong challenge response" },
    }, now);
  }

  /** Whether a datagram may come this way: any port of the peer until it has answered, the same from then on (RFC 2661 §8.1). */
  #accepts({ encap, remote }: Path): boolean {
    const expected = this.path;
    if (encap !== expected.encap || remote.address !== expected.remote.address) return false;
    return remote.port === expected.remote.port || this.#state === "wait-ctl-reply";
  }

  /** v3: whether a datagram's digest is right. Only the nonce of an SCCRP is read before this is known. */
  #authentic(datagram: Uint8Array, body: Uint8Array): boolean {
    if (this.settings.version === 2) return true;
    const type = messageTypeOf(body);
    if (this.#digestKeys.length === 0) {
      const verdict = verify(datagram, [deriveDigestKey(NO_NONCE)], [NO_NONCE, NO_NONCE]);
      if (verdict === "wrong") this.#host.drop("digest-wrong");
      return verdict !== "wrong";
    }
    let nonces = [this.#peerNonce, this.#nonce] as const;
    if (type === 1) nonces = [NO_NONCE, NO_NONCE];
    if (type === 2) nonces = [peekNonce(body), this.#nonce];
    const verdict = verify(datagram, this.#digestKeys, nonces);
    if (verdict !== "valid") this.#host.drop(`digest-${verdict}`);
    return verdict === "valid";
  }

  #hiding(message: AnyMessage): Hiding | undefined {
    if (!this.settings.hideAvps || !this.#hidingKey) return undefined;
    const hidable = (Object.keys(message.avps) as AvpName[]).filter((name) =>
      catalogue[name].hidable
    );
    if (hidable.length === 0) return undefined;
    const padding = new Map(
      hidable.map((name) => [name, this.#host.random(this.#host.random(1)[0]! & 15)]),
    );
    return { key: this.#hidingKey, randomVector: this.#host.random(16), padding };
  }

  /** A bare acknowledgement: ZLB in v2, ACK in v3 (RFC 3931 §6.15). */
  #acknowledgement(): Outgoing {
    if (this.settings.version === 2) return { type: "ACK", body: NO_NONCE, sessionId: 0 };
    const digest = this.#digestKeys.length > 0 ? blankDigest(this.settings.digest) : {};
    return { type: "ACK", body: emitBody(messageOf(3, "ACK", digest)), sessionId: 0 };
  }

  /** HELLO after silence, a tenth of the time more or less so that many connections do not speak at once (RFC 3931 §4.4). */
  #restartHello(now: number): void {
    const { helloMs } = this.settings;
    if (helloMs === 0) return;
    const jitter = 0.9 + 0.2 * this.#host.random(1)[0]! / 255;
    this.#deadlines.set("hello", now + helloMs * jitter);
  }

  #lostPeer(now: number): void {
    this.#gone({
      by: "timeout",
      result: { result: StopResult.FsmError, error: 0, message: "the peer does not answer" },
    }, now);
  }

  /** The peer is gone, or said so: nothing more is sent but acknowledgements. */
  #gone(cause: Cause, now: number): void {
    const closing = this.#state === "stopping";
    this.#channel.abandon();
    this.calls.closeAll({ ...cause, by: "connection" }, now);
    if (closing) return this.#linger(now);
    this.#state = "stopping";
    this.#linger(now, cause);
  }

  /** Closed; what comes again is still acknowledged for one retransmission cycle (RFC 2661 §5.7). */
  #linger(now: number, cause?: Cause): void {
    this.#deadlines.clearAll();
    this.#deadlines.set("linger", now + 4 * this.settings.retransmitCapMs);
    this.#state = "closed";
    this.#announce(cause);
  }

  #announce(cause?: Cause): void {
    this.#host.event({
      type: "connection-state",
      connection: this.handle,
      peer: this.settings.name,
      state: this.#state,
      ...(cause && { cause }),
    });
  }
}

/** The number of a body's Message Type, by its fixed place; undefined where there is none. */
export function messageTypeOf(body: Uint8Array): number | undefined {
  return body.length >= 8 ? body[6]! << 8 | body[7]! : undefined;
}

/** The nonce of an SCCRP that is not yet believed. */
function peekNonce(body: Uint8Array): Uint8Array {
  const parsed = parseBody(body, { version: 3 });
  const avps = parsed.kind === "message"
    ? parsed.message.avps
    : parsed.kind === "refused"
    ? parsed.avps
    : {};
  return avps.nonce ?? NO_NONCE;
}

export function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const set = times.filter((time) => time !== undefined);
  return set.length === 0 ? undefined : Math.min(...set);
}
