/**
 * A PPP link from its first Configure-Request to its last Terminate-Ack (RFC 1661 §3.2): LCP, authentication in either
 * role, and the network protocols above them.
 *
 * No clock and no I/O: instants are handed in, frames leave by {@linkcode LinkIo.send}, and whoever drives it calls
 * {@linkcode Link.timeout} at its {@linkcode Link.deadline}. It can stop after any step and hand over what was said
 * ({@linkcode Link.said}), or begin with what another has negotiated ({@linkcode Link.adopt}).
 *
 * @module
 */

import type { ProxyAuth, ProxyLcp } from "../../session.ts";
import type { Asked } from "../aaa/authenticator.ts";
import { Authentication, type AuthLink, type AuthSettings, type Said } from "./authentication.ts";
import { authEnd, Cause, Direction, lcpEnd, type LinkEnd, normalEnd } from "./end.ts";
import type { LcpAgreed } from "./lcp.ts";
import { LineControl, type LineLink, type LineSettings } from "./line_control.ts";
import type { OptionPolicy } from "./negotiation.ts";
import { Network, type NetworkLink, type NetworkSink } from "./network.ts";
import { askedOf } from "./proxy.ts";
import { emitFrame, parseFrame, parseOptions, parsePacket, Protocol } from "./wire.ts";

export type { NetworkSink };

/** How a link shall be. */
export interface LinkSettings extends LineSettings, AuthSettings {}

/** What a link needs of the world. */
export interface LinkIo {
  /** Unpredictable octets. */
  readonly random: (length: number) => Uint8Array;
  /** Sends a frame. */
  send(frame: Uint8Array): void;
}

/** Who is told what happens on a link. */
export interface LinkSink {
  /** The client has said who it is: {@linkcode Link.accept} or {@linkcode Link.reject} answers. Again, where LCP was negotiated anew, or it was challenged again. */
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

/** A link. */
export interface Link {
  /** What LCP agreed on. */
  readonly agreed: LcpAgreed;
  /** The largest information field that the peer takes. */
  readonly peerMru: number;
  /**
   * What was said so far, for the AVPs that tell an LNS of it (RFC 2661 §4.4.5): until {@linkcode network}. Holds secrets.
   */
  readonly said: { readonly proxyLcp: ProxyLcp; readonly proxyAuth: ProxyAuth | undefined };
  /** When {@linkcode timeout} is to be called; undefined: never. */
  readonly deadline: number | undefined;
  /** Begins with LCP. */
  open(now: number): void;
  /**
   * Begins with what a LAC and its client have said.
   *
   * @param auth how the client proved itself to the LAC; undefined: it has to do so to us
   * @returns false where that will not do, and nothing has begun: then {@linkcode open} negotiates anew
   */
  adopt(lcp: ProxyLcp, auth: ProxyAuth | undefined, now: number): boolean;
  /** Adds a network protocol; it begins with {@linkcode network}. */
  addNetwork(protocol: number, policy: OptionPolicy, sink: NetworkSink): void;
  /** Lets the network protocols begin, and those that LCP's renegotiation stopped begin again. */
  network(now: number): void;
  /** Ends one network protocol. */
  closeNetwork(protocol: number, reason: string, now: number): void;
  /** The client is who it says. @param message for it; of MS-CHAPv2 the whole of the Success packet (`S=…`) */
  accept(message: string, now: number): void;
  /** Nobody can say whether a client that was let in is: it is left alone, and asked again later. */
  postpone(now: number): void;
  /** The client is not, or may not come in: it is told, and the link ends. */
  reject(message: string, end: LinkEnd, now: number): void;
  /** Ends the link, and tells the peer. */
  terminate(end: LinkEnd, now: number): void;
  /** The peer lives: its data came. */
  heard(): void;
  /** The peer does not: the link ends. */
  silent(now: number): void;
  /** Asks the peer for a sign of life now, beside the keepalive. */
  probe(now: number): void;
  /** A frame came. */
  input(bytes: Uint8Array, now: number): void;
  /** Time has passed. */
  timeout(now: number): void;
}

/** Within this time a client has proved who it is, in milliseconds. */
const SETUP_MS = 90_000;
/** So long a link that the peer ends is still there, to acknowledge that again, in milliseconds. */
const FAREWELL_MS = 300;
/** So long a Terminate-Request may go without an answer, in milliseconds. */
const LINGER_MS = 1000;

/** A link that has not begun. */
export function makeLink(settings: LinkSettings, io: LinkIo, sink: LinkSink): Link {
  return new OwnLink(settings, io, sink);
}

type Phase = "dead" | "establish" | "authenticate" | "authenticated" | "network" | "ended";

class OwnLink implements Link, LineLink, AuthLink, NetworkLink {
  readonly #settings: LinkSettings;
  readonly #io: LinkIo;
  readonly #sink: LinkSink;
  readonly #line: LineControl;
  /** While LCP is open. */
  #authentication: Authentication | undefined;
  #networks: readonly Network[] = [];
  #phase: Phase = "dead";
  #now = 0;
  /** While {@linkcode adopt} lasts. */
  #adopting: Said | undefined;
  /** Instants: until when the client shall have proved itself; when the link ends for good. */
  #setupBy: number | undefined;
  #endsAt: number | undefined;
  #end: LinkEnd | undefined;

  constructor(settings: LinkSettings, io: LinkIo, sink: LinkSink) {
    this.#settings = settings;
    this.#io = io;
    this.#sink = sink;
    this.#line = new LineControl(this, settings);
  }

  get agreed(): LcpAgreed {
    return this.#line.agreed;
  }

  get said(): { readonly proxyLcp: ProxyLcp; readonly proxyAuth: ProxyAuth | undefined } {
    return { proxyLcp: this.#line.said, proxyAuth: this.#authentication?.proxyAuth };
  }

  get deadline(): number | undefined {
    let first = Math.min(
      this.#line.deadline ?? Infinity,
      this.#authentication?.deadline ?? Infinity,
      this.#setupBy ?? Infinity,
      this.#endsAt ?? Infinity,
    );
    for (const { negotiation } of this.#networks) {
      first = Math.min(first, negotiation.deadline ?? Infinity);
    }
    return first === Infinity ? undefined : first;
  }

  open(now: number): void {
    this.#begin(now);
    this.#line.open(now);
  }

  adopt(lcp: ProxyLcp, auth: ProxyAuth | undefined, now: number): boolean {
    const sent = parseOptions(lcp.lastSent ?? new Uint8Array());
    const received = lcp.lastReceived && parseOptions(lcp.lastReceived);
    if (!sent || !received || !this.#line.accepts(sent, received)) return false;
    const asked = auth && askedOf(auth, this.agreed.authenticate);
    this.#begin(now);
    this.#adopting = asked && { asked, id: auth.id ?? 0 };
    this.#line.adopt(lcp, now);
    this.#adopting = undefined;
    return true;
  }

  addNetwork(protocol: number, policy: OptionPolicy, sink: NetworkSink): void {
    const network = new Network(protocol, policy, this, sink, this.#settings.limits);
    this.#networks = [...this.#networks.filter((other) => other.protocol !== protocol), network];
  }

  network(now: number): void {
    this.#now = now;
    if (this.#phase !== "authenticated") return;
    this.#phase = "network";
    // It ends here: nobody hands it on any more.
    this.#line.forget();
    for (const network of this.#networks) network.begin(now);
  }

  closeNetwork(protocol: number, reason: string, now: number): void {
    this.#now = now;
    this.#networkOf(protocol)?.negotiation.close(reason, now);
  }

  accept(message: string, now: number): void {
    this.#now = now;
    // While it lives, too: a client may be asked again.
    this.#authentication?.accept(message, now);
  }

  reject(message: string, end: LinkEnd, now: number): void {
    this.#now = now;
    this.#authentication?.reject(message);
    this.terminate(end, now);
  }

  terminate(end: LinkEnd, now: number): void {
    this.#now = now;
    if (this.#end) return;
    this.#end = end;
    this.#endsAt = now + LINGER_MS;
    const { negotiation } = this.#line;
    negotiation.close(end.reason, now);
    if (negotiation.state === "initial" || negotiation.state === "closed") this.#over();
  }

  postpone(now: number): void {
    this.#now = now;
    this.#authentication?.postpone(now);
  }

  heard(): void {
    this.#line.heard();
  }

  silent(now: number): void {
    this.terminate(
      { ...lcpEnd("the peer answers no Echo-Request", Cause.EchoTimeout), by: "echo" },
      now,
    );
    // Who answers nothing does not answer a farewell.
    this.#endsAt = now;
  }

  probe(now: number): void {
    this.#now = now;
    if (this.#line.isOpen) this.#line.sendEcho();
  }

  input(bytes: Uint8Array, now: number): void {
    this.#now = now;
    if (this.#phase === "dead" || this.#phase === "ended") return;
    const frame = parseFrame(bytes);
    if (!frame) return this.ignored("a frame without a protocol");
    const { payload, protocol } = frame;
    if (protocol === Protocol.Lcp) return this.#lcpPacket(payload);
    // Before LCP is open, and after, nothing else is believed (§3.4).
    if (!this.#line.isOpen) return this.ignored("a frame before LCP is open");
    if (protocol === Protocol.Ip || protocol === Protocol.Ipv6) {
      return this.#data(protocol, payload);
    }
    if (protocol === Protocol.Pap || protocol === Protocol.Chap) {
      return this.#authPacket(protocol, payload);
    }
    const network = this.#networkOf(protocol);
    if (network) return this.#networkPacket(network, payload);
    if (this.#phase === "authenticate" && protocol !== Protocol.Eap) {
      return this.ignored("a frame before the client has proved itself");
    }
    this.#line.reject(protocol, payload, now);
  }

  timeout(now: number): void {
    this.#now = now;
    this.#line.timeout(now);
    this.#authentication?.timeout(now);
    for (const { negotiation } of this.#networks) negotiation.timeout(now);
    if (this.#setupBy !== undefined && now >= this.#setupBy) {
      this.#setupBy = undefined;
      this.terminate(lcpEnd("the link was not set up in time", Cause.LcpTimeout), now);
    }
    if (this.#endsAt !== undefined && now >= this.#endsAt) this.#over();
  }

  // ── What LCP, authentication and networks tell ──

  get random(): (length: number) => Uint8Array {
    return this.#io.random;
  }

  send(protocol: number, packet: Uint8Array): void {
    if (this.#phase !== "ended") this.#io.send(emitFrame(protocol, packet));
  }

  lineUp(): void {
    this.#phase = "authenticate";
    this.#authentication = new Authentication(this, this.agreed, this.#settings);
    this.#authentication.start(this.#adopting, this.#now);
  }

  lineDown(reason: string): void {
    const { state } = this.#line.negotiation;
    this.#authentication = undefined;
    for (const network of this.#networks) network.interrupt(this.#now);
    if (state !== "stopping" && state !== "closing") {
      this.#phase = "establish";
      this.#setupBy = this.#now + SETUP_MS;
      return this.#sink.restarted();
    }
    if (this.#end) return;
    const byPeer = state === "stopping";
    this.#end = byPeer
      ? normalEnd("peer", "the peer ends the link")
      : lcpEnd(reason, this.#line.cause);
    this.#endsAt = this.#now + (byPeer ? FAREWELL_MS : LINGER_MS);
  }

  lineOver(end: LinkEnd): void {
    this.#end ??= end;
    this.#over();
  }

  asked(asked: Asked): void {
    this.#sink.asked(asked);
  }

  proved(): void {
    if (this.#phase !== "authenticate") return;
    this.#phase = "authenticated";
    this.#setupBy = undefined;
    this.#sink.authenticated();
  }

  end(end: LinkEnd): void {
    this.terminate(end, this.#now);
  }

  rejected(protocol: number): void {
    const control = protocol === Protocol.Ip || protocol === Protocol.Ipv6
      ? protocol | 0x8000
      : protocol;
    const network = this.#networkOf(control);
    if (network) return network.negotiation.protocolRejected(this.#now);
    if (protocol !== Protocol.Lcp && !this.#authentication?.asksBy(protocol)) return;
    const reason = "the peer rejects a protocol that it needs";
    this.end(authEnd(reason, protocol, Cause.AuthUnacceptable, Direction.Peer));
  }

  settled(): void {
    this.#authentication?.settle();
  }

  unanswered(): void {
    this.#sink.unanswered();
  }

  ignored(what: string): void {
    this.#sink.ignored(what);
  }

  mayAnswer(): boolean {
    return this.#line.mayAnswer();
  }

  get peerMru(): number {
    return this.#line.mru();
  }

  #begin(now: number): void {
    this.#now = now;
    this.#phase = "establish";
    this.#setupBy = now + SETUP_MS;
  }

  #networkOf(protocol: number): Network | undefined {
    return this.#networks.find((network) => network.protocol === protocol);
  }

  #lcpPacket(payload: Uint8Array): void {
    const packet = parsePacket(payload);
    if (packet) this.#line.input(packet, this.#now);
    else this.ignored("a packet whose length is wrong");
  }

  #authPacket(protocol: number, payload: Uint8Array): void {
    const packet = parsePacket(payload);
    if (!packet) return this.ignored("a packet whose length is wrong");
    if (!this.#authentication?.speaks(protocol)) {
      return this.#line.reject(protocol, payload, this.#now);
    }
    this.#authentication.input(protocol, packet, this.#now);
  }

  #networkPacket(network: Network, payload: Uint8Array): void {
    if (this.#phase === "network") network.input(payload, this.#now);
    else if (this.#phase === "authenticated") network.keep(payload);
    else this.ignored("a frame before the client has proved itself");
  }

  #data(protocol: number, payload: Uint8Array): void {
    if (this.#phase === "network") this.#sink.data(protocol, payload);
    else this.ignored("data before the network is up");
  }

  #over(): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    this.#line.stop();
    this.#setupBy = this.#endsAt = undefined;
    this.#authentication = undefined;
    this.#networks = [];
    this.#sink.ended(this.#end ?? normalEnd("us", "the link is over"));
  }
}
