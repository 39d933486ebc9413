/** What a subscriber that was let in has: a place in the datapath, addresses, limits, networks, an account. @module */

import type { CallEnd, Member, PppPortOptions, Scope, Session } from "../../plugin.ts";
import type {
  Account,
  Framed,
  Grant,
  Subscriber,
  TerminateCause,
  Terms,
  Usage,
} from "../aaa/authenticator.ts";
import { type CallFacts, factsOf } from "../aaa/call.ts";
import type { DrivenLink } from "../drive.ts";
import { hookOf } from "../hooks.ts";
import { emitFrame, Protocol } from "../link/wire.ts";
import type { Offer } from "../offer.ts";
import type { Termination } from "../termination.ts";
import type { Meter } from "../usage.ts";
import { Addresses } from "./addresses.ts";
import { Limits } from "./limits.ts";
import { type NetworkEvents, Networks, NO_IPV4, NO_IPV6 } from "./networks.ts";

/** The session that a subscription is of. */
export interface SubscribedSession {
  readonly scope: Scope;
  readonly session: Session;
  readonly termination: Termination;
  readonly driven: DrivenLink;
  readonly meter: Meter;
  /** Octets of the largest packet to the subscriber. */
  readonly mru: number;
  /** Ends it. */
  end(why: CallEnd, cause: TerminateCause): void;
  /** One of its limits is reached. */
  expired(what: "idle" | "session" | "quota"): void;
  /** It did not get a network. */
  failed(user: string, stage: string, reason: string): void;
  /** The subscriber is told of the end of its session. */
  farewell(why: CallEnd): void;
  /** Why it ended, for its account. */
  readonly cause: TerminateCause | undefined;
}

const DONE = Promise.resolve();

/** One subscriber's. */
export class Subscription implements NetworkEvents, Subscriber {
  readonly user: string;
  readonly grant: Grant;
  readonly authentic = "local";
  readonly addresses: Addresses;
  readonly limits: Limits;
  readonly networks: Networks;
  readonly #own: SubscribedSession;
  readonly #offer: Offer;
  #member: Member<PppPortOptions> | undefined;
  #account: Account | undefined;
  #upAt: number | undefined;
  #changing = DONE;

  constructor(own: SubscribedSession, grant: Grant, offer: Offer) {
    const { driven, meter, scope, session, termination } = own;
    this.#own = own;
    this.grant = grant;
    this.#offer = offer;
    this.user = grant.user;
    this.addresses = new Addresses(scope, termination, offer);
    this.limits = new Limits(session.port, meter, offer.terms, scope.now());
    this.networks = new Networks(scope, driven, this.addresses, this);
  }

  /** Seconds since its first network came up. */
  get seconds(): number {
    return this.#upAt === undefined ? 0 : (this.#own.scope.now() - this.#upAt) / 1000;
  }

  /** Octets of the largest packet that was granted. */
  get mtu(): number | undefined {
    return this.#offer.mtu;
  }

  /** Takes the addresses that were offered; a text says why it cannot. */
  take(): string | undefined {
    const refusal = this.addresses.take4() ?? this.addresses.take6({
      scope: this.#own.scope,
      send: (packet) => void this.#own.session.port.send([emitFrame(Protocol.Ipv6, packet)]),
      changed: () => this.addressesChanged(),
    }, () => this.#own.mru);
    const { hasIpv4, six } = this.addresses;
    return refusal ??
      (hasIpv4 || six ? undefined : `no network: IPv4: ${NO_IPV4}; IPv6: ${NO_IPV6}`);
  }

  /** Takes its place in the datapath, and its networks begin. Rejects where something cannot be had. */
  async join(): Promise<void> {
    const { meter, scope, session, termination } = this.#own;
    scope.defer(async (why) => this.#stop(why, await meter.read()));
    this.limits.limit();
    this.#member = await scope.join(termination.forwarder, session.port, this.#memberOptions());
    // Said first of all, while frames still pass.
    scope.defer((why) => this.#own.farewell(why));
    await this.addresses.route();
    await this.#list();
    this.networks.add(this.#offer, termination.own);
  }

  /** What holds for it has changed: the datapath is told. */
  changed(): void {
    const { scope } = this.#own;
    this.#changeMember().catch((error) => scope.ending || scope.fail(error));
  }

  // ── What its networks tell ──

  networkUp(event: "ip-up" | "ipv6-up", first: boolean): void {
    const { scope, session, termination } = this.#own;
    this.#upAt ??= scope.now();
    this.#account ??= termination.authenticator.account(this);
    this.#hook(event);
    if (!first) return;
    const who = { user: this.user, address: this.addresses.ipv4 ?? null };
    scope.log("info", "a subscriber is up", who);
    scope.event("up", { session: session.name, ...who });
  }

  networkDown(event: "ip-down" | "ipv6-down"): void {
    this.#hook(event);
  }

  addressesChanged(): void {
    const { scope } = this.#own;
    this.changed();
    this.addresses.routeDelegated();
    this.#account?.changed();
    this.#list().catch((error) => {
      if (scope.ending) return;
      const reason = error instanceof Error ? error.message : String(error);
      scope.log("warn", "cannot put new addresses into their lists", { error: reason });
    });
  }

  networksFailed(reason: string, had: boolean): void {
    if (!had) this.#own.failed(this.user, "network", reason);
  }

  // ── What its account asks ──

  get call(): CallFacts {
    const { session, termination } = this.#own;
    return { ...factsOf(session), termination: termination.name };
  }

  framed(): Framed {
    const { ipv4, six } = this.addresses;
    return {
      ...(ipv4 !== undefined && { address: ipv4 }),
      ...(six?.options.peer && { interfaceId: six.options.peer }),
      ...(six && {
        ipv6Prefixes: six.prefixes,
        ipv6Addresses: six.addresses,
        delegatedPrefixes: six.delegated,
      }),
    };
  }

  read(): Promise<Usage> {
    return this.#own.meter.read();
  }

  change(terms: Terms): Promise<void> {
    return this.limits.change(terms, this.#own.scope.now, async () => {
      await this.#changeMember();
      this.limits.limit();
      if (terms.filters) await this.#list();
    });
  }

  end(cause: TerminateCause): void {
    this.#own.end({ result: 3, message: "ended by the RADIUS server" }, cause);
  }

  #list(): Promise<void> {
    return this.addresses.list(this.limits.terms.addressLists);
  }

  /** The datapath has what holds now; one change follows another. */
  #changeMember(): Promise<void> {
    const change = async () => await this.#member?.change(this.#memberOptions());
    return this.#changing = this.#changing.catch(() => {}).then(change);
  }

  #memberOptions(): PppPortOptions {
    const { mru, scope, termination: { options } } = this.#own;
    const { dscp, routes } = this.#offer;
    return {
      addresses: this.addresses.single,
      prefixes: [...routes.map(({ prefix }) => prefix), ...this.addresses.prefixes],
      mru,
      clampMss: options["clamp-mss"],
      sourceCheck: options["source-check"],
      ...this.limits.expiry,
      ...(dscp !== undefined && { dscp }),
      expired: (what) => {
        if (what === "quota") this.#quotaReached().catch(scope.fail);
        else this.#own.expired(what);
      },
    };
  }

  /** So much has passed that one of the limits may be reached. */
  async #quotaReached(): Promise<void> {
    await this.#own.meter.read();
    if (this.limits.usedUp) this.#own.expired("quota");
    else this.changed();
  }

  async #stop({ message }: CallEnd, usage: Usage): Promise<void> {
    const { cause, scope, session } = this.#own;
    const reason = message ?? null;
    scope.event("down", { session: session.name, user: this.user, reason });
    await this.#account?.stop(cause ?? "lost-carrier", usage);
  }

  #hook(event: string): void {
    const { meter, scope, session, termination: { options, tun } } = this.#own;
    const { ipv4, six } = this.addresses;
    scope.hook(event, () =>
      hookOf({
        ifname: tun.name,
        user: this.user,
        local: options.address,
        remote: ipv4,
        dns: this.#offer.dns4,
        localId: six?.options.own,
        remoteId: six?.options.peer,
        delegated: six?.delegated ?? [],
        secondsUp: this.seconds,
        usage: meter.last,
        session: session.name,
      }));
  }
}
