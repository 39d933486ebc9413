/** One subscriber's session at a termination, from its call to its end. @module */

import type { Attachment, CallEnd, Row, Scope, Session } from "../plugin.ts";
import type { Asked, Grant, TerminateCause, Usage } from "./aaa/authenticator.ts";
import { driveLink, type DrivenLink } from "./drive.ts";
import type { LinkEnd } from "./link/end.ts";
import type { LinkSink } from "./link/link.ts";
import { Protocol } from "./link/wire.ts";
import type { Present } from "./service.ts";
import { offerFor } from "./subscriber/admission.ts";
import { Login } from "./subscriber/login.ts";
import { Subscription } from "./subscriber/subscription.ts";
import type { Termination } from "./termination.ts";
import { Meter } from "./usage.ts";
import { administrative, callEndOf, terminateCauseOf } from "./why.ts";

/** What a subscriber is told, and its account, where a limit is reached. */
const EXPIRY = {
  idle: { cause: "idle-timeout", reason: "no data for too long" },
  session: { cause: "session-timeout", reason: "its time is over" },
  quota: { cause: "nas-request", reason: "its quota is used up" },
} as const;

/** A subscriber's session: what hosts its link, and what the host is told of it. */
export class SubscriberSession implements Present, LinkSink, Attachment {
  readonly session: Session;
  readonly scope: Scope;
  readonly termination: Termination;
  readonly driven: DrivenLink;
  readonly meter: Meter;
  readonly #login: Login;
  /** Once it was let in. */
  #subscription: Subscription | undefined;
  #starting = true;
  #cause: TerminateCause | undefined;
  /** Made where somebody waits for it. */
  #gone: PromiseWithResolvers<void> | undefined;

  constructor(session: Session, scope: Scope, termination: Termination) {
    this.session = session;
    this.scope = scope;
    this.termination = termination;
    this.meter = new Meter(session.port);
    this.#login = new Login(this);
    const { subscribers } = termination;
    subscribers.total++;
    subscribers.starting++;
    // The first thing that is had is the last that is given up.
    scope.defer(() => {
      subscribers.total--;
      this.#started();
      this.#gone?.resolve();
    });
    this.driven = driveLink(scope, session.port, termination.linkSettings(this.#pathMtu()), this);
    scope.defer((why) => {
      this.#login.giveUp();
      this.farewell(why);
    });
  }

  get user(): string {
    return this.#subscription?.user ?? "";
  }

  get admitted(): boolean {
    return this.#subscription !== undefined;
  }

  get address(): string | undefined {
    return this.#subscription?.addresses.ipv4;
  }

  get seconds(): number {
    return Math.round(this.#subscription?.seconds ?? 0);
  }

  get cause(): TerminateCause | undefined {
    return this.#cause;
  }

  get gone(): Promise<void> {
    this.#gone ??= Promise.withResolvers();
    return this.#gone.promise;
  }

  /** Octets of the largest packet to the subscriber. */
  get mru(): number {
    return Math.min(this.driven.link.peerMru, this.#subscription?.mtu ?? Infinity, this.#pathMtu());
  }

  read(): Promise<Usage> {
    return this.meter.read();
  }

  // ── What the host is told ──

  get ifname(): string {
    return this.termination.tun.name;
  }

  get mtu(): number {
    return this.mru;
  }

  changed(): void {
    this.#subscription?.changed();
  }

  show(): Row {
    const { addresses, limits } = this.#subscription ?? {};
    return {
      user: this.user || null,
      address: addresses?.ipv4 ?? null,
      "ipv6-prefix": addresses?.six?.prefixes[0] ?? null,
      "delegated-prefix": addresses?.six?.delegated[0] ?? null,
      "rate-up": limits?.terms.rateUp ?? null,
      "rate-down": limits?.terms.rateDown ?? null,
      stage: this.#stage(),
    };
  }

  // ── What happens on its link ──

  asked(asked: Asked): void {
    this.#login.asked(asked);
  }

  authenticated(): void {
    if (!this.#subscription || this.termination.options.authenticate.length === 0) {
      return this.#login.unasked();
    }
    this.driven.run((link, now) => link.network(now));
  }

  restarted(): void {
    this.#login.giveUp();
  }

  /** Its data are as good a sign of life as an Echo-Reply. */
  unanswered(): void {
    const before = this.meter.last.upPackets;
    this.meter.read().then(({ upPackets }) =>
      this.driven.run((link, now) => upPackets === before ? link.silent(now) : link.heard())
    ).catch(this.scope.fail);
  }

  data(protocol: number, packet: Uint8Array): void {
    if (protocol === Protocol.Ipv6) this.#subscription?.addresses.six?.data(packet);
  }

  ended(end: LinkEnd): void {
    if (!this.#subscription && end.by !== "authentication") {
      this.failed("", this.#stage(), end.reason);
    }
    this.end(callEndOf(end), this.#cause ?? terminateCauseOf(end));
  }

  ignored(): void {
    this.termination.subscribers.counters.ignored.add();
  }

  /** Begins when the peer says that frames can flow. */
  async begin(): Promise<void> {
    const { proxyAuth, proxyLcp } = await this.session.connected();
    const policy = this.termination.options["proxy-lcp"];
    // A PPPoE client (there is no tunnel) has had its PADS only just now.
    this.driven[this.session.tunnel ? "begin" : "beginWhenHeard"]((link, now) => {
      const adopted = policy !== "anew" && proxyLcp !== undefined &&
        link.adopt(proxyLcp, policy === "use" ? proxyAuth : undefined, now);
      if (!adopted) link.open(now);
    });
  }

  /** Makes a place for a subscriber; a text says why there is none. One that is here already stays as it is. */
  async admit(grant: Grant): Promise<string | undefined> {
    if (this.#subscription) {
      return grant.user === this.user ? undefined : "another user logs in on the same link";
    }
    const { scope, termination } = this;
    const offer = await offerFor(scope, termination, grant, this.session.tunnel?.hostName);
    if (typeof offer === "string") return offer;
    const subscription = new Subscription(this, grant, offer);
    const refusal = subscription.take();
    if (refusal !== undefined) return refusal;
    this.#subscription = subscription;
    this.#started();
    scope.defer(termination.subscribers.enter(this));
    try {
      await subscription.join();
    } catch (error) {
      // A route or set that cannot be had is this subscriber's misfortune, and its operator's to mend.
      return (error as Error).message;
    }
    return undefined;
  }

  end(why: CallEnd, cause: TerminateCause): void {
    this.#cause ??= cause;
    // The subscriber is told by PPP before its LAC is by L2TP, which leaves it no time to listen.
    this.farewell(why);
    this.session.end(why);
  }

  /** Tells whoever is still there, while its port is. */
  farewell({ message }: CallEnd): void {
    this.#terminate(message ?? "the session ends");
  }

  /** One of its limits is reached. */
  expired(what: "idle" | "session" | "quota"): void {
    const { cause, reason } = EXPIRY[what];
    this.#cause ??= cause;
    this.#terminate(reason);
  }

  failed(user: string, stage: string, reason: string): void {
    const { scope, session: { name: session }, termination: { subscribers } } = this;
    scope.log("warn", "a login failed", { user, stage, reason });
    scope.event("failed", { session, user, stage, reason });
    subscribers.failed({ at: scope.date(), session, user, stage, reason });
  }

  #terminate(reason: string): void {
    this.driven.run((link, now) => link.terminate(administrative(reason), now));
  }

  #started(): void {
    if (!this.#starting) return;
    this.#starting = false;
    this.termination.subscribers.starting--;
  }

  #stage(): string {
    if (this.#subscription) return this.#subscription.networks.up ? "up" : "network";
    return this.#login.begun ? "authentication" : "lcp";
  }

  /** What passes the tunnel whole, behind `FF 03` and a protocol number. */
  #pathMtu(): number {
    return Math.max(576, this.session.port.frameMtu - 4);
  }
}
