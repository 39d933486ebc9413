/**
 * The way between one control connection's messages and its datagrams: the reliable channel, who is let in and by which
 * path, digests and hidden AVPs.
 *
 * @module
 */

import type { Authenticator } from "./authenticator.ts";
import type { AvpValues } from "./catalogue.ts";
import { type ChannelCounters, ReliableChannel } from "./channel.ts";
import { dialects, messageOf } from "./dialect.ts";
import type { ControlDrop } from "./events.ts";
import { type ControlHeader, emitMessage } from "./header.ts";
import { type AnyMessage, emitBody, type MessageType, parseBody, type Parsed } from "./message.ts";
import { mayAnswer, samePath } from "./path.ts";
import type { RawAvp } from "./raw_avp.ts";
import type { Path, PeerSettings } from "./settings.ts";

/** What a transport needs from the LCCE. */
export interface TransportHost {
  transmit(path: Path, data: Uint8Array): void;
  drop(reason: ControlDrop): void;
  knowsVendor(vendorId: number, type: number): boolean;
}

/** What came, in its turn. */
export interface Incoming {
  readonly header: ControlHeader;
  readonly parsed: Exclude<Parsed, { kind: "zlb" }>;
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
  readonly #channel: ReliableChannel<Outgoing, Incoming>;
  /** We dialed: the answer may come from any port of the peer (RFC 2661 §8.1). */
  readonly #initiator: boolean;
  #overflown = false;
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
  begin(header: ControlHeader, message: AnyMessage, now: number): void {
    this.#channel.receive(header.ns, header.nr, {
      header,
      parsed: { kind: "message", message },
    }, now);
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
    const verdict = this.authenticator.check(datagram, body);
    if (verdict !== "valid") return this.#drop(`digest-${verdict}`);
    const { hidingKey } = this.authenticator;
    const parsed = parseBody(body, {
      version: this.#settings.version,
      knowsVendor: this.#host.knowsVendor,
      ...(hidingKey && { hidingKey }),
    });
    const isAck = parsed.kind === "zlb" ||
      (parsed.kind === "message" && parsed.message.type === "ACK");
    const incoming = isAck ? undefined : { header, parsed };
    const delivered = this.#channel.receive(header.ns, header.nr, incoming, now);
    if (this.#initiator && this.peerId === 0 && delivered.length > 0) this.path = path;
    return delivered;
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
    for (let next = this.#channel.poll(now, hold); next; next = this.#channel.poll(now, hold)) {
      const { type, body, sessionId } = next.payload ?? this.#acknowledgement();
      const datagram = emitMessage({
        version: type === "SCCRQ" && this.#offered ? 2 : this.#settings.version,
        connectionId: type === "SCCRQ" ? 0 : this.peerId,
        sessionId,
        ns: next.ns,
        nr: next.nr,
      }, body);
      this.authenticator.sign(datagram, type);
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

/** How many messages may wait for the window: a few for each call, and those of the connection. */
function queueLimit({ callLimit }: PeerSettings): number {
  return 4 * callLimit + 64;
}
