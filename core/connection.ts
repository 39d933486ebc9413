/**
 * A control connection: its way up, keepalive, and its way down (RFC 2661 §5 and §7.2, RFC 3931 §3.3 and §7.2). Both
 * versions; what differs stands in `dialect.ts`, what proves who the peer is in `authenticator.ts`, and what happens to
 * calls in `calls.ts`, how it ends in `farewell.ts`.
 *
 * @module
 */

import { type Authenticator, messageTypeOf } from "./authenticator.ts";
import { Calls } from "./calls.ts";
import type { AvpValues } from "./wire/catalogue.ts";
import { type ChannelCounters, retransmissionCycle } from "./channel.ts";
import { Stage } from "./connection_stage.ts";
import { connectionTable, hasEnded, isCallMessage } from "./connection_states.ts";
import type { Dialect } from "./dialect.ts";
import { ErrorCode, type Result, StopResult } from "./errors.ts";
import type { Cause, ConnectionHandle, ConnectionState, PeerIdentity } from "./events.ts";
import type { CallsOwner, ConnectionHost } from "./connection_host.ts";
import { Farewell, fsmError } from "./farewell.ts";
import { type ConnectionIds, Handshake } from "./handshake.ts";
import type { ControlHeader } from "./wire/header.ts";
import { type AnyMessage, type MessageType, messageTypes, type Parsed } from "./wire/message.ts";
import { Keepalive, type KeepaliveHost } from "./keepalive.ts";
import type { RawAvp } from "./wire/raw_avp.ts";
import { livingSettings } from "./living_settings.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import type { Path, PeerSettings } from "./settings.ts";
import type { ConnectionSnapshot } from "./snapshot.ts";
import { type Incoming, Transport } from "./transport.ts";

/** Messages that our side replies to once it is ready. */
const replied: ReadonlySet<MessageType> = new Set(["ICRQ", "OCRQ", "ICRP"]);
/** For so long at most, in milliseconds, an acknowledgement waits for a reply. */
const LONGEST_REPLY_MS = 100;

/** For so long an SCCRQ may come late that was answered and is up, in milliseconds; later it is that of a new start. */
const STRAY_MS = 1000;

/** One control connection. Its owner reads it; what changes it goes through the LCCE. */
export class Connection implements CallsOwner {
  /** Never reused within the LCCE. */
  readonly handle: ConnectionHandle;
  /** We sent the SCCRQ. */
  readonly initiator: boolean;
  /** Its calls. */
  readonly calls: Calls;
  readonly #stage: Stage;
  readonly #host: ConnectionHost;
  readonly #transport: Transport;
  readonly #handshake: Handshake;
  readonly #keepalive: Keepalive;
  readonly #farewell: Farewell;

  /** A connection that has said nothing yet. `now` is in milliseconds, as everywhere. */
  constructor(
    host: ConnectionHost,
    options: {
      readonly handle: ConnectionHandle;
      readonly settings: PeerSettings;
      readonly ids: ConnectionIds;
      readonly path: Path;
      readonly initiator: boolean;
      readonly authenticator: Authenticator;
    },
    now: number,
  ) {
    const { settings } = options;
    this.handle = options.handle;
    this.initiator = options.initiator;
    this.#host = host;
    this.#stage = new Stage(options.initiator ? "wait-ctl-reply" : "wait-ctl-conn", now);
    this.#transport = new Transport(host, options);
    const tieBreaker = settings.tieBreaker && options.initiator ? host.random(8) : undefined;
    this.#handshake = new Handshake(this.#transport, options, tieBreaker);
    this.#keepalive = new Keepalive(this.#keepaliveHost());
    this.calls = new Calls(this, host);
    this.#stage.deadlines.set("establish", now + settings.establishMs);
    this.#farewell = new Farewell({
      stage: this.#stage,
      transport: this.#transport,
      handshake: this.#handshake,
      keepalive: this.#keepalive,
      calls: this.calls,
      isStranger: () => this.#isStranger,
      announce: (cause, others) => this.#announce(cause, others),
    });
  }

  /** How the peer is treated; version 2 from when it turned out to speak no other. */
  get settings(): PeerSettings {
    return this.#handshake.settings;
  }

  /** Our ids; two while it is open which version is spoken. */
  get ids(): ConnectionIds {
    return this.#handshake.ids;
  }

  /** What decides when both sides dial at once; undefined: we do not insist on one connection. */
  get tieBreaker(): Uint8Array | undefined {
    return this.#handshake.tieBreaker;
  }

  /** What the peer said of itself; undefined until it did. */
  get peer(): PeerIdentity | undefined {
    return this.#handshake.peer;
  }

  /** Our id: what the peer puts into its headers. */
  get localId(): number {
    return this.#handshake.localId;
  }

  /** How its version says things. */
  get dialect(): Dialect {
    return this.#handshake.dialect;
  }

  /** Where it is on its way. */
  get state(): ConnectionState {
    return this.#stage.state;
  }

  /** The peer's id; 0 until it has told it. */
  get peerId(): number {
    return this.#transport.peerId;
  }

  /** Where the peer is: until it has answered our SCCRQ, where that was sent. */
  get path(): Path {
    return this.#transport.path;
  }

  /** The key that unhides what the peer hides. */
  get hidingKey(): Uint8Array | undefined {
    return this.#transport.authenticator.hidingKey;
  }

  /** Whether what we say is hidden, where it may be. */
  get hides(): boolean {
    return this.settings.hideAvps && this.settings.secret !== undefined;
  }

  /** What the reliable channel did. */
  get counters(): Readonly<ChannelCounters> {
    return this.#transport.counters;
  }

  /** The messages that may be in the air, and those that wait or are. */
  get window(): { readonly size: number; readonly outstanding: number } {
    return { size: this.#transport.window, outstanding: this.#transport.outstanding };
  }

  /** When it came up; undefined: never. */
  get establishedAt(): number | undefined {
    return this.#stage.establishedAt;
  }

  /**
   * Whether the peer has shown that it hears us and, where a secret is shared, that it knows it: what it may cost and
   * change hangs on that (`unproven.ts`).
   */
  get proven(): boolean {
    return this.establishedAt !== undefined;
  }

  /** Our challenge or nonce; undefined where no secret is shared. */
  get challenge(): Uint8Array | undefined {
    return this.#transport.authenticator.drawn;
  }

  /** What the peer was told last, where it ended unproven. */
  get lastWord(): Uint8Array | undefined {
    return this.#transport.lastWord;
  }

  /**
   * Whether a StopCCN to id 0 counts, in a version. Where a secret is shared v3's digest speaks for it; in v2 nothing does,
   * and it may end no more than what somebody began here and never proved.
   */
  mayBeStoppedUnaddressed(version: ProtoVersion): boolean {
    const { authentication, secret } = this.settings;
    const signed = version === 3 && authentication !== "challenge";
    return secret === undefined || signed || this.#isStranger;
  }

  /** Whether all is over and done with: the LCCE forgets a connection that is. */
  get finished(): boolean {
    return this.state === "closed" && this.#stage.deadlines.next() === undefined;
  }

  /** Sends the SCCRQ. */
  dial(): void {
    this.#announce();
    this.#handshake.request();
  }

  /** Takes the SCCRQ that made this connection, and answers it. */
  accept(header: ControlHeader, message: AnyMessage, body: Uint8Array, now: number): void {
    this.#announce();
    this.#handshake.answer(header, message, body, now);
  }

  /**
   * Whether an SCCRQ with our peer's id is the one that this connection answers, come again, and not that of a peer
   * which has started anew and happens to use its old id.
   */
  answers(body: Uint8Array, now: number): boolean {
    if (hasEnded(this.state) || !this.#handshake.answered(body)) return false;
    return this.#stage.settledAt === undefined || now < this.#stage.settledAt + STRAY_MS;
  }

  /** Takes the SCCRQ that it {@linkcode answers}, come again. */
  receiveAgain(
    header: ControlHeader,
    body: Uint8Array,
    datagram: Uint8Array,
    path: Path,
    now: number,
  ): void {
    if (this.state === "wait-ctl-conn") this.#transport.repeat(datagram.length);
    else this.receive(header, body, datagram, path, now);
  }

  /** Whether a datagram may come this way; one that may not must not be received. */
  accepts(path: Path): boolean {
    return this.#transport.accepts(path);
  }

  /** Takes a datagram whose header names us; those too that reach us by the id of the peer: SCCRQ, StopCCN. */
  receive(
    header: ControlHeader,
    body: Uint8Array,
    datagram: Uint8Array,
    path: Path,
    now: number,
  ): void {
    if (!this.#transport.accepts(path)) return this.#host.drop("wrong-source");
    if (this.initiator && header.version < this.settings.version) {
      if (!this.#handshake.fallBack(body)) {
        const isReply = messageTypeOf(body) === messageTypes.SCCRP;
        return this.#host.drop(isReply ? "unproven-fallback" : "wrong-version");
      }
      this.calls.fallBack(this.settings, now);
    }
    const owed = this.#transport.owesAcknowledgement;
    const delivered = this.#transport.receive(header, body, datagram, path, now);
    if (!delivered) return;
    if (this.state === "established") this.#keepalive.heard(now, now);
    if (delivered.length > 0) this.#stage.deadlines.clear("acknowledge");
    if (delivered.length === 1 && !owed) this.#awaitReply(delivered[0]!, now);
    for (const incoming of delivered) this.#take(incoming, now);
    if (this.state === "stopping" && this.#transport.outstanding === 0) this.#farewell.closed(now);
  }

  /** Its peer was configured anew: what needs no agreement counts from now on, all else for the next connection. */
  reconfigure(next: PeerSettings, now: number): void {
    const { helloMs } = this.settings;
    this.#handshake.reconfigure(livingSettings(this.settings, next));
    if (this.state !== "established" || this.settings.helloMs === helloMs) return;
    this.#keepalive.restart(now, now);
  }

  /** Itself as plain data; undefined where it is not up. */
  snapshot(now: number): ConnectionSnapshot | undefined {
    if (this.state !== "established") return undefined;
    const { secret: _, otherSecret: _other, ...settings } = this.settings;
    return {
      settings,
      path: this.path,
      initiator: this.initiator,
      localId: this.localId,
      peerId: this.peerId,
      peer: this.peer!,
      age: now - this.establishedAt!,
      authentication: this.#transport.authenticator.snapshot(),
      numbers: this.#transport.numbers,
      serial: this.calls.serial,
      calls: this.calls.snapshot(),
    };
  }

  /** Is what the snapshot says, from its constructor on: up, with its calls. The peer is asked for Ns and Nr by HELLO. */
  resume(saved: ConnectionSnapshot, now: number): void {
    this.#farewell.clearDeadlines();
    this.#transport.resume(saved);
    this.#handshake.peer = saved.peer;
    this.#stage.establish(now - saved.age);
    this.#announce();
    this.calls.resume(saved);
    this.send("HELLO", {}, 0);
    this.#keepalive.start(now);
  }

  /** Queues a message to the peer. Where there is no room the connection ends: it could no longer tell its peer the truth. */
  send(
    type: MessageType,
    avps: AvpValues,
    sessionId: number,
    others: readonly RawAvp[] = [],
  ): void {
    this.#transport.send(type, avps, sessionId, others);
  }

  /** Ends the connection: StopCCN with `result`; its calls end with it. */
  close(result: Result, cause: Cause, now: number): void {
    this.#farewell.close(result, cause, now);
  }

  /** Gives up an SCCRQ that nobody answered; an answer that comes late is told so. */
  giveUp(result: Result, now: number): void {
    this.#farewell.giveUp(result, now);
  }

  /** Asks the peer by HELLO whether it is there; the connection ends where nothing is heard of it for `silenceMs`. */
  ask(silenceMs: number, now: number): void {
    if (this.state === "established") this.#keepalive.ask(silenceMs, now);
  }

  /** Somebody on the way says that the peer cannot be reached: a hint, which may be forged. */
  unreachable(now: number): void {
    if (this.state === "established") this.#keepalive.unreachable(now);
    else if (this.state === "wait-ctl-reply") {
      this.#keepalive.unreachableYet(this.#stage.beganAt + retransmissionCycle(this.settings), now);
    }
  }

  /** Sends an SCCRQ at a steady pace, for some time, as long as nobody answers it. */
  hurry(everyMs: number, forMs: number, now: number): void {
    if (this.state === "wait-ctl-reply") this.#keepalive.hurry(now, everyMs, forMs);
  }

  /** Something valid came from the peer in its sessions, at `at`; undefined: nothing that the owner knows of. */
  heard(at: number | undefined, now: number): void {
    if (this.state === "established") this.#keepalive.heard(at, now);
  }

  /** Ends a connection that is half open without a word, and has one ready for when its peer answers after all. */
  evict(result: Result, now: number): void {
    this.#farewell.evict(result, now);
  }

  /** Ends the connection without a word to the peer. */
  discard(cause: Cause, now: number): void {
    this.#farewell.discard(cause, now);
  }

  /** Hands out all that can be transmitted now. @param hold no bare acknowledgement yet */
  flush(now: number, hold = false): void {
    if (this.#transport.overflown) this.#overflow(now);
    const waits = hold || this.#stage.deadlines.get("acknowledge") !== undefined;
    this.#transport.flush(now, waits && this.state === "established");
    if (!this.#transport.owesAcknowledgement) this.#stage.deadlines.clear("acknowledge");
  }

  /**
   * A lone request is acknowledged by its reply, if that comes soon: some LACs lose a call whose bare acknowledgement is
   * there first.
   */
  #awaitReply({ parsed }: Incoming, now: number): void {
    if (parsed.kind !== "message" || !replied.has(parsed.message.type)) return;
    const waitMs = Math.min(this.settings.retransmitMs / 4, LONGEST_REPLY_MS);
    this.#stage.deadlines.set("acknowledge", now + waitMs);
  }

  /** When {@linkcode timeout} is due. */
  deadline(): number | undefined {
    return earliest(
      this.#stage.deadlines.next(),
      this.#transport.deadline(),
      this.calls.deadline(),
      this.#keepalive.deadline(),
    );
  }

  /** Does what is due. */
  timeout(now: number): void {
    if (!this.#transport.timeout(now)) this.#farewell.lost(now);
    this.calls.timeout(now);
    const lost = this.#keepalive.timeout(now);
    if (lost === "unanswered") this.#farewell.lost(now);
    else if (lost === "silent") {
      this.discard({ by: "timeout", result: fsmError("silent when asked by HELLO") }, now);
    }
    for (
      let due = this.#stage.deadlines.take(now);
      due !== undefined;
      due = this.#stage.deadlines.take(now)
    ) {
      switch (due) {
        case "establish": {
          const result = fsmError("the control connection did not come up in time");
          this.close(result, { by: "timeout", result }, now);
          break;
        }
        case "acknowledge":
          // No reply so far: what follows every input sends the bare acknowledgement.
          break;
        case "stop":
          this.#farewell.vanish();
          break;
        case "linger":
          this.#transport.abandon();
          break;
      }
    }
  }

  /** A message in its turn. */
  #take({ header, parsed }: Incoming, now: number): void {
    if (parsed.kind === "ignored") return;
    if (parsed.kind === "refused") return this.#refuse(header, parsed, now);
    const { message } = parsed;
    const action = connectionTable[this.state][message.type];
    if (action === undefined) {
      if (hasEnded(this.state)) return;
      return this.#breach(fsmError(`${message.type} in state ${this.state}`), now);
    }
    switch (action) {
      case "reply":
        return this.#establish(this.#handshake.takeReply(message), now);
      case "connected":
        return this.#establish(this.#handshake.takeConnected(message), now);
      case "stopped": {
        // A refusal may be all that the peer ever says: its acknowledgement goes to the id that it names.
        if (this.peerId === 0) this.#transport.meet(message.avps);
        const result = message.avps.resultCode ?? { result: StopResult.Clear };
        return this.#farewell.stopped({ by: "peer", result }, now, message.others);
      }
      case "call":
        return this.calls.take(header, message, now);
      case "late-reply":
        return this.#answeredLate(message);
      case "nothing":
        return;
    }
  }

  /** The answer to an SCCRQ that we have given up: the StopCCN needs it to name whom it is for. */
  #answeredLate(message: AnyMessage): void {
    if (this.peerId !== 0) return;
    this.#handshake.meet(message);
    this.#farewell.answeredLate();
  }

  /** A message that must not be acted on clears its call, where it is for one, else the connection (RFC 2661 §4.2). */
  #refuse(header: ControlHeader, parsed: Parsed & { kind: "refused" }, now: number): void {
    const { error, type, avps } = parsed;
    if (this.state === "closed") return;
    if (type === "StopCCN") {
      return this.#farewell.stopped({ by: "peer", result: avps.resultCode ?? error.outcome }, now);
    }
    if (hasEnded(this.state)) return;
    // What names a session in v2's header is for a call, whatever else is wrong with it.
    const forCall = type === undefined ? header.sessionId !== 0 : isCallMessage(type);
    if (forCall && this.state === "established") {
      return this.calls.refuse(header, type, avps, error, now);
    }
    if (type === "SCCRP" && this.peerId === 0) {
      // The StopCCN should name whom it is for, if that much could be read.
      this.#transport.meet(avps);
    }
    this.#breach(error.outcome, now);
  }

  /** It is up, unless the peer's introduction was `refused`. */
  #establish(refused: Result | undefined, now: number): void {
    if (refused) return this.#breach(refused, now);
    this.#farewell.clearDeadlines();
    this.#transport.trust();
    this.#stage.establish(now);
    this.#keepalive.start(now);
    this.#announce();
    this.calls.start(now);
  }

  #breach(result: Result, now: number): void {
    this.close(result, { by: "protocol", result }, now);
  }

  #overflow(now: number): void {
    const message = "too many messages wait for an acknowledgement";
    const result = { result: StopResult.GeneralError, error: ErrorCode.NoResources, message };
    this.close(result, { by: "local", result }, now);
  }

  /** Whether the peer dialed us and proved nothing: its end leaves a tombstone, and no connection. */
  get #isStranger(): boolean {
    return !this.initiator && !this.proven;
  }

  #keepaliveHost(): KeepaliveHost {
    // deno-lint-ignore no-this-alias
    const owner = this;
    return {
      get helloMs() {
        return owner.settings.helloMs;
      },
      fraction: () => this.#host.random(1)[0]! / 255,
      hello: () => {
        if (this.#transport.outstanding === 0) this.send("HELLO", {}, 0);
      },
      hurry: (everyMs, now) => this.#transport.hurry(everyMs, now),
      calm: (now) => this.#transport.calm(now),
      silent: () => {
        if (!this.#host.hearsSessions) return false;
        this.#host.event({ type: "connection-silent", connection: this.handle });
        return true;
      },
      answered: () => this.#host.event({ type: "connection-answered", connection: this.handle }),
    };
  }

  #announce(cause?: Cause, others: readonly RawAvp[] = []): void {
    this.#host.event({
      type: "connection-state",
      connection: this.handle,
      peer: this.settings.name,
      path: this.path,
      ...(this.peer && { hostName: this.peer.hostName }),
      state: this.state,
      ...(cause && { cause }),
      ...(others.length > 0 && { others }),
    });
  }
}

function earliest(...times: readonly (number | undefined)[]): number | undefined {
  const set = times.filter((time) => time !== undefined);
  return set.length === 0 ? undefined : Math.min(...set);
}
