/**
 * The way between one control connection's messages and its datagrams: the reliable channel, who is let in and by which
 * path, digests and hidden AVPs.
 *
 * @module
 */

import { type Authenticator, messageTypeOf } from "./authenticator.ts";
import { readU16 } from "./wire/bytes.ts";
import type { AvpValues } from "./wire/catalogue.ts";
import { type ChannelCounters, ReliableChannel } from "./channel.ts";
import type { OutstandingChallenges } from "./challenges.ts";
import { dialects, messageOf } from "./dialect.ts";
import type { ControlDrop, Refusal } from "./events.ts";
import { CONTROL_HEADER, type ControlHeader, emitMessage } from "./wire/header.ts";
import {
  emitBody,
  type MessageType,
  messageTypes,
  parseBody,
  type Parsed,
} from "./wire/message.ts";
import { mayAnswer, samePath } from "./path.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import type { RawAvp } from "./wire/raw_avp.ts";
import type { Path, PeerSettings } from "./settings.ts";
import type { ConnectionSnapshot } from "./snapshot.ts";
import { Allowance, EARLY_OCTETS, PROVEN_EARLY_OCTETS } from "./unproven.ts";

/** What a transport needs from the LCCE. */
export interface TransportHost {
  transmit(path: Path, data: Uint8Array): void;
  drop(reason: ControlDrop): void;
  /** Counts what was refused, and tells of it. */
  refuse(refusal: Refusal, now: number): void;
  knowsVendor(vendorId: number, type: number): boolean;
  /** Those of all its connections. */
  readonly challenges: OutstandingChallenges;
}

/** What came, in its turn. */
export interface Incoming {
  readonly header: ControlHeader;
  readonly parsed: Exclude<Parsed, { kind: "zlb" }>;
}

/** What came, as it is kept until its turn. */
interface Unread {
  readonly header: ControlHeader;
  readonly body: Uint8Array;
}

/** A message on its way: its body, and the session that v2's header names. */
interface Outgoing {
  readonly type: MessageType;
  readonly body: Uint8Array;
  readonly sessionId: number;
}

/** The Receive Window Size of a peer that says none (RFC 2661 §4.4.3, RFC 3931 §5.4.3). */
const DEFAULT_RECEIVE_WINDOW = 4;
const EMPTY = new Uint8Array(0);

export class Transport {
  /** The peer's id; 0 until it has told it. */
  peerId = 0;
  /** Where the peer is: until it has answered an SCCRQ, where that was sent. */
  path: Path;
  #authenticator: Authenticator;
  readonly #host: TransportHost;
  #settings: PeerSettings;
  readonly #channel: ReliableChannel<Outgoing, Unread>;
  /** We dialed: the answer may come from any port of the peer (RFC 2661 §8.1). */
  readonly #initiator: boolean;
  #overflown = false;
  /** What may be sent to a peer that dialed us; undefined: as much as there is, it is proven or we dialed. */
  #allowance: Allowance | undefined;
  /** The last datagram that was sent to one that has an allowance, if one may end with it. */
  #lastWord: Uint8Array | undefined;
  /** Our SCCRQ is for both versions: its header says 2. */
  #offered = false;

  constructor(
    host: TransportHost,
    { settings, path, authenticator, initiator }: {
      readonly settings: PeerSettings;
      readonly path: Path;
      readonly authenticator: Authenticator;
      readonly initiator: boolean;
    },
  ) {
    this.#host = host;
    this.#settings = settings;
    this.path = path;
    this.#authenticator = authenticator;
    this.#initiator = initiator;
    this.#channel = new ReliableChannel({ ...settings, queueLimit: queueLimit(settings) });
    this.#channel.earlyLimit = EARLY_OCTETS;
    this.#allowance = initiator ? undefined : new Allowance();
  }

  /** The peer is proven: it may send and have what it likes. */
  trust(): void {
    this.#allowance = undefined;
    this.#lastWord = undefined;
    this.#channel.earlyLimit = PROVEN_EARLY_OCTETS;
  }

  /** What an unproven peer was told last. */
  get lastWord(): Uint8Array | undefined {
    return this.#lastWord;
  }

  /** Makes a StopCCN ready that is said only if the peer still speaks after its end. */
  prepareLastWord(avps: AvpValues): void {
    const { version } = this.#settings;
    const body = emitBody(
      messageOf(version, "StopCCN", avps),
      undefined,
      this.authenticator.blankDigests(),
    );
    const { ns, nr } = this.#channel;
    const header = { version, connectionId: this.peerId, sessionId: 0, ns, nr };
    this.#lastWord = emitMessage(header, body);
    this.authenticator.sign(this.#lastWord, "StopCCN");
  }

  /** Whether a challenge or nonce of ours that waits for its response stands in what the peer says. */
  get challenges(): OutstandingChallenges {
    return this.#host.challenges;
  }

  get authenticator(): Authenticator {
    return this.#authenticator;
  }

  get counters(): Readonly<ChannelCounters> {
    return this.#channel.counters;
  }

  get window(): number {
    return this.#channel.window;
  }

  /** Whether something came that nothing of ours has acknowledged yet. */
  get owesAcknowledgement(): boolean {
    return this.#channel.owesAcknowledgement;
  }

  /** Messages that the peer has not acknowledged. */
  get outstanding(): number {
    return this.#channel.outstanding;
  }

  /** A message found no room in the queue: the peer can no longer be told the truth. */
  get overflown(): boolean {
    return this.#overflown;
  }

  /** Takes over what the peer's SCCRQ or SCCRP says of itself, and returns its Receive Window Size. */
  meet(avps: AvpValues): number {
    this.peerId = dialects[this.#settings.version].assignedId(avps) ?? 0;
    this.authenticator.meet(avps);
    const receiveWindow = avps.receiveWindowSize ?? DEFAULT_RECEIVE_WINDOW;
    this.#channel.peerWindow = receiveWindow;
    return receiveWindow;
  }

  /** Takes an SCCRQ that was let in already, as the first message of the peer. */
  begin(header: ControlHeader, body: Uint8Array, now: number): void {
    this.#allowance?.earn(CONTROL_HEADER + body.length);
    this.#channel.receive(header.ns, header.nr, { header, body }, now);
  }

  /** Takes the SCCRQ that it answers, come again: the answer was lost, or is too slow for this peer. */
  repeat(octets: number): void {
    this.#allowance?.earn(octets);
    this.#channel.repeat();
  }

  /** Whether a datagram may come this way; one that may not must not be received. */
  accepts(path: Path): boolean {
    return samePath(this.path, path) ||
      (this.#initiator && this.peerId === 0 && mayAnswer(this.path, path));
  }

  /** Takes a datagram and returns the messages whose turn has come with it. */
  receive(
    header: ControlHeader,
    body: Uint8Array,
    datagram: Uint8Array,
    path: Path,
    now: number,
  ): readonly Incoming[] | undefined {
    this.#allowance?.earn(datagram.length);
    const verdict = this.authenticator.check(datagram, body);
    if (verdict !== "valid") {
      const reason = `digest-${verdict}` as const;
      this.#host.refuse({ stage: "message", path, reason, peer: this.#settings.name }, now);
      return this.#drop(reason);
    }
    const { ns, nr } = header;
    const incoming = isAcknowledgement(this.#settings.version, body) ? undefined : {
      header,
      // What comes before its turn outlives the datagram.
      body: ns === this.#channel.nr ? body : body.slice(),
    };
    const delivered = this.#channel.receive(ns, nr, incoming, now, body.length);
    if (this.#initiator && this.peerId === 0 && delivered.length > 0) this.path = path;
    return delivered.map((one) => this.#read(one)).filter((one) => one !== undefined);
  }

  #read({ body, header }: Unread): Incoming | undefined {
    const { hidingKey } = this.authenticator;
    const parsed = parseBody(body, {
      version: this.#settings.version,
      knowsVendor: this.#host.knowsVendor,
      ...(hidingKey && { hidingKey }),
    });
    return parsed.kind === "zlb" ? undefined : { header, parsed };
  }

  /** Queues a message. Where there is no room for it, the transport is {@linkcode overflown}. */
  send(
    type: MessageType,
    avps: AvpValues,
    sessionId: number,
    others: readonly RawAvp[] = [],
  ): void {
    if (!this.#channel.hasRoom) {
      this.#overflown = true;
      return;
    }
    const message = messageOf(this.#settings.version, type, avps, others);
    const { authenticator } = this;
    const body = emitBody(message, authenticator.hiding(message), authenticator.blankDigests());
    this.#channel.send({ type, body, sessionId });
  }

  /** Queues an SCCRQ that is for both versions. */
  offer(body: Uint8Array): void {
    this.#offered = true;
    this.#channel.send({ type: "SCCRQ", body, sessionId: 0 });
  }

  /** Ns and Nr as they are now. */
  get numbers(): { readonly ns: number; readonly nr: number } {
    return { ns: this.#channel.ns, nr: this.#channel.nr };
  }

  /** Goes on with a connection that is up. */
  resume({ authentication, numbers, peer, peerId }: ConnectionSnapshot): void {
    this.trust();
    this.peerId = peerId;
    this.authenticator.resume(authentication);
    this.#channel.peerWindow = peer.receiveWindow;
    this.#channel.resume(numbers);
  }

  /** Takes the settings of a peer that was configured anew. */
  reconfigure(settings: PeerSettings): void {
    this.#settings = settings;
    this.#authenticator.reconfigure(settings, this.path.encap);
    const { retransmitMs, retransmitCapMs, attempts } = settings;
    this.#channel.reconfigure({
      retransmitMs,
      retransmitCapMs,
      attempts,
      queueLimit: queueLimit(settings),
    });
  }

  /** From here on in v2. */
  fallBack(settings: PeerSettings): void {
    this.#settings = settings;
    this.#authenticator = this.#authenticator.inV2(settings);
  }

  /** Hands out all that can be transmitted now. @param hold no bare acknowledgement yet */
  flush(now: number, hold = false): void {
    const may = (message: Outgoing | undefined) => {
      if (!this.#allowance) return true;
      const { body } = message ?? this.#acknowledgement();
      return this.#allowance.covers(CONTROL_HEADER + body.length);
    };
    for (
      let next = this.#channel.poll(now, hold, may);
      next;
      next = this.#channel.poll(now, hold, may)
    ) {
      const { type, body, sessionId } = next.payload ?? this.#acknowledgement();
      const datagram = emitMessage({
        version: type === "SCCRQ" && this.#offered ? 2 : this.#settings.version,
        connectionId: type === "SCCRQ" ? 0 : this.peerId,
        sessionId,
        ns: next.ns,
        nr: next.nr,
      }, body);
      this.authenticator.sign(datagram, type);
      if (this.#allowance) {
        this.#allowance.spend(datagram.length);
        const isLast = type === "StopCCN" || next.payload === undefined;
        this.#lastWord = isLast ? datagram : undefined;
      }
      this.#host.transmit(this.path, datagram);
    }
  }

  deadline(): number | undefined {
    return this.#channel.deadline();
  }

  /** Sends again what is due; false: the peer counts as gone. */
  timeout(now: number): boolean {
    return this.#channel.timeout(now);
  }

  /** Sends what is not acknowledged at a steady pace: see {@linkcode ReliableChannel.hurry}. */
  hurry(everyMs: number, now: number): void {
    this.#channel.hurry(everyMs, now);
  }

  /** As before {@linkcode hurry}. */
  calm(now: number): void {
    this.#channel.calm(now);
  }

  /** Forgets what was not sent yet. */
  dropWaiting(): void {
    this.#channel.dropWaiting();
    this.#overflown = false;
  }

  /** Forgets all that was to be sent; acknowledgements still go out. */
  abandon(): void {
    this.#channel.abandon();
    this.#overflown = false;
  }

  /** A bare acknowledgement: ZLB in v2, ACK in v3 (RFC 3931 §6.15). */
  #acknowledgement(): Outgoing {
    const { version } = this.#settings;
    if (version === 2) return { type: "ACK", body: EMPTY, sessionId: 0 };
    const message = messageOf(version, "ACK", {});
    const body = emitBody(message, undefined, this.authenticator.blankDigests());
    return { type: "ACK", body, sessionId: 0 };
  }

  #drop(reason: ControlDrop): undefined {
    this.#host.drop(reason);
  }
}

/** Whether a message is a bare acknowledgement: an empty body, or v3's ACK (RFC 3931 §6.15). */
export function isAcknowledgement(version: ProtoVersion, body: Uint8Array): boolean {
  return body.length === 0 ||
    (version === 3 && messageTypeOf(body) === messageTypes.ACK && readU16(body, 2) === 0);
}

/** How many messages may wait for the window: a few for each call, and those of the connection. */
function queueLimit({ callLimit }: PeerSettings): number {
  return 4 * callLimit + 64;
}
