/**
 * A PPP link from its first Configure-Request to its last Terminate-Ack (RFC 1661 §3.2): LCP, authentication in either
 * role, and the network protocols above them.
 *
 * No clock and no I/O: instants are handed in, frames leave by {@linkcode LinkSink.send}, and whoever drives it calls
 * {@linkcode Link.timeout} at its {@linkcode Link.deadline}. It can stop after any step and hand over what was said
 * ({@linkcode Link.said}), or begin with what another has negotiated ({@linkcode Link.adopt}).
 *
 * @module
 */

import { concat } from "../../../core/wire/bytes.ts";
import type { Asked } from "../aaa/authenticator.ts";
import type { ProxyAuth, ProxyLcp } from "../../session.ts";
import type { AuthEnd, Checker, Credentials } from "./auth.ts";
import { ChapChecker, ChapProver } from "./chap.ts";
import { AnswerBudget, Echo, type EchoSettings } from "./echo.ts";
import { authEnd, Cause, Direction, lcpEnd, type LinkEnd, normalEnd } from "./end.ts";
import { type AuthMethod, type LcpAgreed, LcpOptions, type LcpSettings } from "./lcp.ts";
import { Negotiation, type NegotiationLimits, type OptionPolicy, rejectOf } from "./negotiation.ts";
import { PapChecker, PapProver } from "./pap.ts";
import { askedOf, proxyAuthOf } from "./proxy.ts";
import {
  Code,
  emitFrame,
  emitPacket,
  numberOf,
  type Packet,
  parseFrame,
  parseOptions,
  parsePacket,
  Protocol,
  u16,
  u32,
} from "./wire.ts";

/** How a link shall be. */
export interface LinkSettings {
  readonly lcp: LcpSettings;
  /** What we call ourselves in a Challenge. */
  readonly name: string;
  /** Who we say to be, where the peer asks. A secret. */
  readonly credentials?: Credentials;
  readonly echo: EchoSettings;
  readonly limits?: NegotiationLimits;
}

/** Who is told what happens on a link. */
export interface LinkSink {
  /** Sends a frame. */
  send(frame: Uint8Array): void;
  /** The client has said who it is: {@linkcode Link.accept} or {@linkcode Link.reject} answers. Again, where LCP was negotiated anew. */
  asked(asked: Asked): void;
  /** Both ends know who the other is, as far as they care; {@linkcode Link.network} lets the network protocols begin. */
  authenticated(): void;
  /** The peer negotiates LCP anew: all above it is down, and comes again. */
  restarted(): void;
  /** The peer answers no Echo-Request: {@linkcode Link.heard} where its data came meanwhile, else {@linkcode Link.silent}. */
  unanswered(): void;
  /** A packet of IP came, which the datapath did not take; a view. */
  data(protocol: number, packet: Uint8Array): void;
  /** The link is over. Told once. */
  ended(end: LinkEnd): void;
  /** A frame made no sense, or was one too many: it is to be counted. */
  ignored(what: string): void;
}

/** What a network protocol tells. */
export interface NetworkSink {
  up(): void;
  down(): void;
  /** It is over, or was never begun; the link lives on. */
  finished(reason: string): void;
}

/** Within this time a client has proved who it is, in milliseconds. */
const SETUP_MS = 90_000;
/** So long a link that the peer ends is still there, to acknowledge that again, in milliseconds. */
const FAREWELL_MS = 300;
/** So long a Terminate-Request may go without an answer, in milliseconds. */
const LINGER_MS = 1000;
/** So often may an Echo-Request carry our own number. */
const MAX_OWN_ECHOES = 3;

type Phase = "dead" | "establish" | "authenticate" | "authenticated" | "network" | "ended";

/** A link. */
export class Link {
  readonly #settings: LinkSettings;
  readonly #random: (length: number) => Uint8Array;
  readonly #sink: LinkSink;
  readonly #options: LcpOptions;
  readonly #lcp: Negotiation;
  readonly #echo: Echo;
  readonly #budget = new AnswerBudget();
  readonly #networks = new Map<number, Negotiation>();
  /** What came for a network protocol before it began: the last of each. */
  #early: Map<number, Uint8Array> | undefined;
  #phase: Phase = "dead";
  #now = 0;
  #checker: Checker | undefined;
  #prover: AuthEnd | undefined;
  #missing = 0;
  #asked: { readonly asked: Asked; readonly id: number } | undefined;
  /** While {@linkcode adopt} lasts. */
  #adopting: { readonly asked: Asked; readonly id: number } | undefined;
  /** Instants: until when the client shall have proved itself; when the link ends for good. */
  #setupBy: number | undefined;
  #endsAt: number | undefined;
  #end: LinkEnd | undefined;
  #heardLcp = false;
  #ownEchoes = 0;
  #id = 0;
  #proxyLcp: { -readonly [key in keyof ProxyLcp]: Uint8Array } = {};

  constructor(settings: LinkSettings, random: (length: number) => Uint8Array, sink: LinkSink) {
    this.#settings = settings;
    this.#random = random;
    this.#sink = sink;
    this.#options = new LcpOptions(settings.lcp, random);
    this.#lcp = this.#makeLcp();
    this.#echo = new Echo(settings.echo, () => this.#sendEcho(), () => sink.unanswered());
  }

  /** What LCP agreed on. */
  get agreed(): LcpAgreed {
    return this.#options.agreed;
  }

  /** What was said so far, for the AVPs that tell an LNS of it (RFC 2661 §4.4.5). Holds secrets. */
  get said(): { readonly proxyLcp: ProxyLcp; readonly proxyAuth: ProxyAuth | undefined } {
    return {
      proxyLcp: this.#proxyLcp,
      proxyAuth: this.#asked && proxyAuthOf(this.#asked.asked, this.#asked.id),
    };
  }

  /** When {@linkcode timeout} is to be called; undefined: never. */
  get deadline(): number | undefined {
    const all = [
      this.#lcp.deadline,
      this.#checker?.deadline,
      this.#prover?.deadline,
      this.#echo.deadline,
      this.#setupBy,
      this.#endsAt,
    ];
    for (const network of this.#networks.values()) all.push(network.deadline);
    const first = Math.min(...all.map((one) => one ?? Infinity));
    return first === Infinity ? undefined : first;
  }

  /** Begins with LCP. */
  open(now: number): void {
    this.#begin(now);
    this.#lcp.open(now);
    this.#lcp.lower(true, now);
  }

  /**
   * Begins with what a LAC and its client have said.
   *
   * @param auth how the client proved itself to the LAC; undefined: it has to do so to us
   * @returns false where that will not do, and nothing has begun: then {@linkcode open} negotiates anew
   */
  adopt(lcp: ProxyLcp, auth: ProxyAuth | undefined, now: number): boolean {
    const sent = parseOptions(lcp.lastSent ?? new Uint8Array());
    const received = lcp.lastReceived && parseOptions(lcp.lastReceived);
    if (!sent || !received || !this.#options.adopt(sent, received)) return false;
    const asked = auth && askedOf(auth, this.agreed.authenticate);
    this.#begin(now);
    this.#proxyLcp = lcp;
    this.#heardLcp = true;
    this.#adopting = asked && { asked, id: auth.id ?? 0 };
    this.#lcp.adopt(now);
    this.#adopting = undefined;
    return true;
  }

  /** Adds a network protocol; it begins with {@linkcode network}. */
  addNetwork(protocol: number, policy: OptionPolicy, sink: NetworkSink): void {
    const network = new Negotiation(policy, {
      send: (packet) => this.#send(protocol, packet),
      up: () => sink.up(),
      down: () => sink.down(),
      finished: (reason) => sink.finished(reason),
      ignored: (what) => this.#sink.ignored(what),
      mayAnswer: () => this.#mayAnswer(),
      mru: () => this.agreed.peerMru,
    }, this.#settings.limits);
    this.#networks.set(protocol, network);
  }

  /** Lets the network protocols begin, and those that LCP's renegotiation stopped begin again. */
  network(now: number): void {
    this.#now = now;
    if (this.#phase !== "authenticated") return;
    this.#phase = "network";
    for (const [protocol, network] of this.#networks) {
      if (network.state === "initial") network.open(now);
      if (network.state === "starting") network.lower(true, now);
      const early = this.#early?.get(protocol);
      const packet = early && parsePacket(early);
      if (packet) network.input(packet, now);
    }
    this.#early = undefined;
  }

  /** Ends one network protocol. */
  closeNetwork(protocol: number, reason: string, now: number): void {
    this.#now = now;
    this.#networks.get(protocol)?.close(reason, now);
  }

  /** The client is who it says. @param message for it; of MS-CHAPv2 the whole of the Success packet (`S=…`) */
  accept(message: string, now: number): void {
    this.#now = now;
    if (this.#phase !== "authenticate" || !this.#checker) return;
    this.#checker.accept(message);
    // Nobody is told of it any more: it is a secret, and takes room.
    this.#asked = undefined;
    this.#proved();
  }

  /** The client is not, or may not come in: it is told, and the link ends. */
  reject(message: string, end: LinkEnd, now: number): void {
    this.#now = now;
    if (this.#phase === "authenticate") this.#checker?.reject(message);
    this.terminate(end, now);
  }

  /** Ends the link, and tells the peer. */
  terminate(end: LinkEnd, now: number): void {
    this.#now = now;
    if (this.#end) return;
    this.#end = end;
    this.#endsAt = now + LINGER_MS;
    this.#lcp.close(end.reason, now);
    if (this.#lcp.state === "initial" || this.#lcp.state === "closed") this.#over();
  }

  /** The peer lives: its data came. */
  heard(): void {
    this.#echo.heard();
  }

  /** The peer does not: the link ends. */
  silent(now: number): void {
    this.terminate(
      { ...lcpEnd("the peer answers no Echo-Request", Cause.EchoTimeout), by: "echo" },
      now,
    );
    // Who answers nothing does not answer a farewell.
    this.#endsAt = now;
  }

  /** Asks the peer for a sign of life now, beside the keepalive. */
  probe(now: number): void {
    this.#now = now;
    if (this.#lcp.state === "opened") this.#sendEcho();
  }

  /** A frame came. */
  input(bytes: Uint8Array, now: number): void {
    this.#now = now;
    if (this.#phase === "dead" || this.#phase === "ended") return;
    const frame = parseFrame(bytes);
    if (!frame) return this.#sink.ignored("a frame without a protocol");
    const { payload, protocol } = frame;
    if (protocol === Protocol.Lcp) {
      return this.#withPacket(payload, (packet) => this.#lcpPacket(packet));
    }
    // Before LCP is open, and after, nothing else is believed (§3.4).
    if (this.#lcp.state !== "opened") return this.#sink.ignored("a frame before LCP is open");
    if (protocol === Protocol.Ip || protocol === Protocol.Ipv6) {
      return this.#data(protocol, payload);
    }
    if (protocol === Protocol.Pap || protocol === Protocol.Chap) {
      return this.#withPacket(payload, (packet) => this.#authPacket(protocol, packet, payload));
    }
    const network = this.#networks.get(protocol);
    if (network) return this.#networkPacket(protocol, network, payload);
    if (this.#phase === "authenticate" && protocol !== Protocol.Eap) {
      return this.#sink.ignored("a frame before the client has proved itself");
    }
    this.#protocolReject(protocol, payload);
  }

  /** Time has passed. */
  timeout(now: number): void {
    this.#now = now;
    this.#lcp.timeout(now);
    this.#checker?.timeout(now);
    this.#prover?.timeout(now);
    this.#echo.timeout(now);
    for (const network of this.#networks.values()) network.timeout(now);
    if (this.#setupBy !== undefined && now >= this.#setupBy) {
      this.#setupBy = undefined;
      this.terminate(lcpEnd("the link was not set up in time", Cause.LcpTimeout), now);
    }
    if (this.#endsAt !== undefined && now >= this.#endsAt) this.#over();
  }

  #begin(now: number): void {
    this.#now = now;
    this.#phase = "establish";
    this.#setupBy = now + SETUP_MS;
  }

  #makeLcp(): Negotiation {
    return new Negotiation(
      this.#options,
      {
        send: (packet) => this.#sendLcp(packet),
        up: () => this.#lcpUp(),
        down: (reason) => this.#lcpDown(reason),
        finished: (reason) => {
          this.#end ??= lcpEnd(reason, this.#lcpCode());
          this.#over();
        },
        ignored: (what) => this.#sink.ignored(what),
        mayAnswer: () => this.#mayAnswer(),
        mru: () => this.agreed.peerMru,
        other: (packet, state) => this.#otherPacket(packet, state === "opened"),
      },
      this.#settings.limits,
      this.#random(1)[0],
    );
  }

  #lcpCode(): number {
    if (this.#options.isLooped) return Cause.Looped;
    return this.#heardLcp ? Cause.LcpTimeout : Cause.NoLcp;
  }

  #lcpUp(): void {
    this.#phase = "authenticate";
    this.#echo.start(this.#now);
    const { answer, authenticate } = this.agreed;
    this.#checker = authenticate && this.#makeChecker(authenticate);
    this.#prover = answer && this.#makeProver(answer);
    this.#missing = 1 + (this.#checker ? 1 : 0) + (this.#prover ? 1 : 0);
    if (this.#adopting && this.#checker) {
      this.#checker.adopt(this.#adopting.asked, this.#adopting.id);
    } else this.#checker?.start(this.#now);
    this.#prover?.start(this.#now);
    this.#proved();
  }

  #lcpDown(reason: string): void {
    const { state } = this.#lcp;
    this.#echo.stop();
    this.#checker = this.#prover = undefined;
    this.#early = undefined;
    for (const network of this.#networks.values()) {
      if (network.state !== "initial") network.lower(false, this.#now);
    }
    if (state !== "stopping" && state !== "closing") {
      this.#phase = "establish";
      this.#setupBy = this.#now + SETUP_MS;
      return this.#sink.restarted();
    }
    if (this.#end) return;
    const byPeer = state === "stopping";
    this.#end = byPeer
      ? normalEnd("peer", "the peer ends the link")
      : lcpEnd(reason, this.#lcpCode());
    this.#endsAt = this.#now + (byPeer ? FAREWELL_MS : LINGER_MS);
  }

  /** One of those that were missing is there. */
  #proved(): void {
    if (--this.#missing > 0 || this.#phase !== "authenticate") return;
    this.#phase = "authenticated";
    this.#setupBy = undefined;
    this.#sink.authenticated();
  }

  #makeChecker(method: AuthMethod): Checker {
    const protocol = method === "pap" ? Protocol.Pap : Protocol.Chap;
    const sink = {
      send: (packet: Uint8Array) => this.#send(protocol, packet),
      asked: (asked: Asked, id: number) => {
        this.#asked = { asked, id };
        this.#sink.asked(asked);
      },
      failed: (reason: string) =>
        this.terminate(authEnd(reason, protocol, Cause.AuthTimeout), this.#now),
      ignored: (what: string) => this.#sink.ignored(what),
    };
    if (method === "pap") return new PapChecker(sink);
    return new ChapChecker(method, this.#settings.name, this.#random, sink);
  }

  #makeProver(method: AuthMethod): AuthEnd {
    const protocol = method === "pap" ? Protocol.Pap : Protocol.Chap;
    const credentials = this.#settings.credentials ?? { name: "", secret: "" };
    const sink = {
      send: (packet: Uint8Array) => this.#send(protocol, packet),
      accepted: () => this.#proved(),
      failed: (reason: string) =>
        this.terminate(authEnd(reason, protocol, Cause.AuthFailed, Direction.Local), this.#now),
      ignored: (what: string) => this.#sink.ignored(what),
    };
    if (method === "pap") return new PapProver(credentials, sink);
    return new ChapProver(method, credentials, this.#random, sink);
  }

  #withPacket(payload: Uint8Array, use: (packet: Packet) => void): void {
    const packet = parsePacket(payload);
    if (packet) use(packet);
    else this.#sink.ignored("a packet whose length is wrong");
  }

  #lcpPacket(packet: Packet): void {
    this.#heardLcp = true;
    this.#echo.heard();
    if (packet.code === Code.ConfigureRequest) {
      this.#proxyLcp.initialReceived ??= packet.data.slice();
    }
    this.#lcp.input(packet, this.#now);
  }

  #authPacket(protocol: number, packet: Packet, payload: Uint8Array): void {
    // Of both protocols the end that asks gets one code, and the other end the rest.
    const forChecker = packet.code === (protocol === Protocol.Pap ? 1 : 2);
    const end = forChecker ? this.#checker : this.#prover;
    if (end?.protocol === protocol) return end.input(packet, this.#now);
    if (this.#checker?.protocol === protocol || this.#prover?.protocol === protocol) {
      return this.#sink.ignored("an authentication packet of the wrong end");
    }
    this.#protocolReject(protocol, payload);
  }

  #networkPacket(protocol: number, network: Negotiation, payload: Uint8Array): void {
    if (this.#phase === "network") {
      return this.#withPacket(payload, (packet) => network.input(packet, this.#now));
    }
    // It is only we who are not ready yet: the peer need not say it again after its time-out.
    if (this.#phase === "authenticated") {
      this.#early = (this.#early ?? new Map()).set(protocol, payload.slice());
    } else this.#sink.ignored("a frame before the client has proved itself");
  }

  #data(protocol: number, payload: Uint8Array): void {
    if (this.#phase === "network") this.#sink.data(protocol, payload);
    else this.#sink.ignored("data before the network is up");
  }

  /** What LCP has beyond negotiation (§5.7 to §5.9, RFC 1570 §2). */
  #otherPacket(packet: Packet, opened: boolean): boolean {
    switch (packet.code) {
      case Code.ProtocolReject:
        if (opened) this.#protocolRejected(packet.data);
        return true;
      case Code.EchoRequest:
        if (opened) this.#answerEcho(packet);
        return true;
      case Code.EchoReply:
      case Code.DiscardRequest:
      case Code.Identification:
      case Code.TimeRemaining:
        return true;
      default:
        return false;
    }
  }

  #answerEcho({ data, id }: Packet): void {
    if (data.length < 4) return this.#sink.ignored("an Echo-Request without a number");
    const { magic, peerMru } = this.agreed;
    if (magic !== 0 && numberOf(data.subarray(0, 4)) === magic) {
      if (++this.#ownEchoes >= MAX_OWN_ECHOES) {
        this.terminate(lcpEnd("the line is looped back", Cause.Looped), this.#now);
      }
      return;
    }
    if (!this.#mayAnswer()) return;
    const rest = data.subarray(4, Math.max(4, peerMru - 4));
    this.#sendLcp(emitPacket({ code: Code.EchoReply, id, data: concat([u32(magic), rest]) }));
  }

  #sendEcho(): void {
    const packet = { code: Code.EchoRequest, id: this.#nextId(), data: u32(this.agreed.magic) };
    this.#sendLcp(emitPacket(packet));
  }

  #protocolRejected(data: Uint8Array): void {
    if (data.length < 2) return this.#sink.ignored("a Protocol-Reject of nothing");
    const protocol = numberOf(data.subarray(0, 2));
    const control = protocol === Protocol.Ip || protocol === Protocol.Ipv6
      ? protocol | 0x8000
      : protocol;
    const network = this.#networks.get(control);
    if (network) return network.protocolRejected(this.#now);
    if (protocol === Protocol.Lcp || protocol === this.#checker?.protocol) {
      const end = authEnd(
        "the peer rejects a protocol that it needs",
        protocol,
        Cause.AuthUnacceptable,
        Direction.Peer,
      );
      this.terminate(end, this.#now);
    }
  }

  #protocolReject(protocol: number, payload: Uint8Array): void {
    this.#sink.ignored("a protocol that is not spoken here");
    if (!this.#mayAnswer()) return;
    const rejected = concat([u16(protocol), payload]);
    const { peerMru } = this.agreed;
    this.#sendLcp(rejectOf(Code.ProtocolReject, this.#nextId(), rejected, peerMru));
  }

  #mayAnswer(): boolean {
    if (this.#budget.take(this.#now)) return true;
    this.#sink.ignored("one more than is answered");
    return false;
  }

  #sendLcp(packet: Uint8Array): void {
    const data = packet.subarray(4);
    if (packet[0] === Code.ConfigureRequest) this.#proxyLcp.lastSent = data;
    if (packet[0] === Code.ConfigureAck) this.#proxyLcp.lastReceived = data;
    this.#send(Protocol.Lcp, packet);
  }

  #send(protocol: number, packet: Uint8Array): void {
    if (this.#phase !== "ended") this.#sink.send(emitFrame(protocol, packet));
  }

  #nextId(): number {
    return this.#id = (this.#id + 1) & 0xff;
  }

  #over(): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#echo.stop();
    this.#setupBy = this.#endsAt = undefined;
    this.#checker = this.#prover = undefined;
    this.#networks.clear();
    this.#sink.ended(this.#end ?? normalEnd("us", "the link is over"));
  }
}
