/** One subscriber's session at a termination, from its call to its end. @module */

import type {
  Attachment,
  CallEnd,
  Endable,
  Member,
  PppPortOptions,
  Scope,
  Session,
} from "../plugin.ts";
import type {
  Account,
  Answer,
  Asked,
  Framed,
  Grant,
  TerminateCause,
  Terms,
  Usage,
} from "./aaa/authenticator.ts";
import { factsOf } from "./aaa/call.ts";
import { octetsOfAddress } from "./addresses.ts";
import { membershipsOf, SetMemberships } from "./address_lists.ts";
import { driveLink, type DrivenLink } from "./drive.ts";
import { hookOf } from "./hooks.ts";
import { authEnd, Cause, Direction, type LinkEnd } from "./link/end.ts";
import { IpcpServer } from "./link/ipcp.ts";
import { emitFrame, Protocol } from "./link/wire.ts";
import type { Line6 } from "./line6.ts";
import {
  type Offer,
  type OfferedTerms,
  offerOf,
  profileNameOf,
  quotaLeft,
  termsOf,
} from "./offer.ts";
import type { Present } from "./service.ts";
import type { Termination } from "./termination.ts";
import { usageOf } from "./usage.ts";
import { administrative, callEndOf, terminateCauseOf } from "./why.ts";
import { formatIp } from "../../core/endpoint.ts";
import { Subscriber6 } from "./subscriber6.ts";
import { printable } from "./link/auth.ts";

/** So long is waited for the end of a session that another one replaces, in milliseconds. */
const REPLACE_MS = 3000;
/** A quota is looked at no more often than after so many octets: it may be that much too late. */
const LEAST_QUOTA = 65_536;
const NOTHING_USED: Usage = { upOctets: 0, downOctets: 0, upPackets: 0, downPackets: 0 };

/** A subscriber's session. */
export class SubscriberSession implements Present {
  readonly session: Session;
  readonly scope: Scope;
  readonly termination: Termination;
  readonly gone: Promise<void>;
  readonly #driven: DrivenLink;
  #starting = true;
  #user = "";
  #offer: Offer | undefined;
  #terms: OfferedTerms | undefined;
  #grant: Grant | undefined;
  #authentic: "radius" | "local" | "remote" = "local";
  #address: string | undefined;
  #ipcp: IpcpServer | undefined;
  #six: Subscriber6 | undefined;
  #member: Member<PppPortOptions> | undefined;
  #account: Account | undefined;
  #usage = NOTHING_USED;
  #cause: TerminateCause | undefined;
  /** Which of several logins of one session counts: LCP may begin anew while an answer is awaited. */
  #login = 0;
  #joinedAt = 0;
  #upAt: number | undefined;
  #changing: Promise<void> = Promise.resolve();
  #networks = 0;
  readonly #lists: SetMemberships;
  readonly #unknownLists = new Set<string>();
  readonly #routed = new Map<string, Scope & Endable>();

  constructor(session: Session, scope: Scope, termination: Termination) {
    this.session = session;
    this.scope = scope;
    this.termination = termination;
    const { options, subscribers } = termination;
    this.#lists = new SetMemberships(scope, options.tun.netns);
    subscribers.total++;
    subscribers.starting++;
    // The first thing that is had is the last that is given up.
    const { promise, resolve } = Promise.withResolvers<void>();
    this.gone = promise;
    scope.defer(() => {
      subscribers.total--;
      this.#started();
      resolve();
    });
    this.#driven = driveLink(scope, session.port, {
      lcp: {
        mru: Math.min(options.mru, this.#pathMtu()),
        largestMru: options.mru,
        authenticate: options.authenticate,
        answer: [],
      },
      name: options.name,
      echo: { intervalMs: options["echo-interval"] * 1000, failures: options["echo-failures"] },
    }, {
      asked: (asked) => this.#asked(asked),
      authenticated: () => this.#authenticated(),
      restarted: () => this.#login++,
      unanswered: () => void this.#unanswered().catch(scope.fail),
      data: (protocol, packet) => protocol === Protocol.Ipv6 && this.#six?.data(packet),
      ended: (end) => this.#ended(end),
      ignored: () => subscribers.counters.ignored.add(),
    });
    scope.defer((why) => this.#farewell(why));
  }

  get user(): string {
    return this.#user;
  }

  get seconds(): number {
    return this.#upAt === undefined ? 0 : Math.round((this.scope.now() - this.#upAt) / 1000);
  }

  async read(): Promise<Usage> {
    const now = await this.session.port.statistics().catch(() => undefined);
    return this.#usage = usageOf(now, this.#usage);
  }

  get address(): string | undefined {
    return this.#address;
  }

  /** What the host is told. */
  get attachment(): Attachment {
    // deno-lint-ignore no-this-alias
    const own = this;
    return {
      ifname: this.termination.tun.name,
      get mtu() {
        return own.#mru();
      },
      changed: () => own.#remember(),
      show: () => ({
        user: own.#user || null,
        address: own.#address ?? null,
        "ipv6-prefix": own.#six?.prefixes[0] ?? null,
        "delegated-prefix": own.#six?.delegated[0] ?? null,
        "rate-up": own.#terms?.rateUp ?? null,
        "rate-down": own.#terms?.rateDown ?? null,
        stage: own.#stage(),
      }),
    };
  }

  /** Begins when the peer says that frames can flow. */
  async begin(): Promise<void> {
    const { proxyAuth, proxyLcp } = await this.session.connected();
    const policy = this.termination.options["proxy-lcp"];
    // A PPPoE client (there is no tunnel) has had its PADS only just now.
    const begin = this.session.tunnel ? this.#driven.begin : this.#driven.beginWhenHeard;
    begin((link, now) => {
      const adopted = policy !== "anew" && proxyLcp !== undefined &&
        link.adopt(proxyLcp, policy === "use" ? proxyAuth : undefined, now);
      if (!adopted) link.open(now);
    });
  }

  end(why: CallEnd, cause: TerminateCause): void {
    this.#cause ??= cause;
    // The subscriber is told by PPP before its LAC is by L2TP, which leaves it no time to listen.
    this.run((link, now) => link.terminate(administrative(why.message ?? "the session ends"), now));
    this.session.end(why);
  }

  /** Does something with the link. */
  run: DrivenLink["run"] = (work) => this.#driven.run(work);

  // ── Authentication ──

  #asked(asked: Asked): void {
    const login = ++this.#login;
    const { authenticator } = this.termination;
    const call = { ...factsOf(this.session), termination: this.termination.name };
    const user = printable(asked.name);
    authenticator.check(asked, call, this.scope.signal).then(async (answer) => {
      if (login !== this.#login || this.scope.signal.aborted) return;
      if (answer.kind !== "accept") return this.#rejected(user, answer);
      const refusal = await this.#admit(answer.grant);
      if (login !== this.#login || this.scope.signal.aborted) return;
      if (refusal !== undefined) {
        return this.#rejected(user, { kind: "reject", reason: refusal, message: refusal });
      }
      this.termination.subscribers.counters.accepted.add();
      this.run((link, now) => link.accept(successOf(asked, answer.grant), now));
    }).catch(this.scope.fail);
  }

  /** Nobody has to prove anything: who it is follows from the line. */
  #authenticated(): void {
    if (this.#grant && this.termination.options.authenticate.length > 0) {
      return this.run((link, now) => link.network(now));
    }
    const login = ++this.#login;
    const { authenticator } = this.termination;
    const { said } = this.session;
    const name = new TextEncoder().encode(said.callingNumber ?? this.session.name);
    const call = { ...factsOf(this.session), termination: this.termination.name };
    authenticator.check({ kind: "none", name }, call, this.scope.signal).then(async (answer) => {
      if (login !== this.#login || this.scope.signal.aborted) return;
      const refusal = answer.kind === "accept" ? await this.#admit(answer.grant) : answer.reason;
      if (login !== this.#login || this.scope.signal.aborted) return;
      if (refusal !== undefined) {
        return this.#rejected(printable(name), { kind: "reject", reason: refusal });
      }
      this.termination.subscribers.counters.accepted.add();
      this.run((link, now) => link.network(now));
    }).catch(this.scope.fail);
  }

  #rejected(user: string, answer: Exclude<Answer, { kind: "accept" }>): void {
    const { counters } = this.termination.subscribers;
    counters.rejected.add();
    this.#failed(user, "authentication", answer.reason);
    const unreachable = answer.kind === "unreachable";
    const message = unreachable ? "try again later" : answer.msChapError ?? answer.message ?? "";
    const { agreed } = this.#driven.link;
    const protocol = agreed.authenticate === "pap" ? Protocol.Pap : Protocol.Chap;
    const end = authEnd(answer.reason, protocol, Cause.AuthFailed, Direction.Peer);
    const said = agreed.authenticate === "mschapv2" && !/^E=/.test(message)
      ? msChapFailure(this.scope, unreachable ? 649 : 691, message)
      : message;
    this.run((link, now) => link.reject(said, end, now));
  }

  /** Makes a place for a subscriber; a text says why there is none. One that is here already stays as it is. */
  async #admit(grant: Grant): Promise<string | undefined> {
    if (this.#grant) {
      return grant.user === this.#user ? undefined : "another user logs in on the same link";
    }
    const { options, subscribers } = this.termination;
    const others = subscribers.of(grant.user);
    if (options["sessions-per-user"] === "deny" && others.length > 0) {
      return "the user is here already";
    }
    if (
      grant.portLimit !== undefined && others.length >= grant.portLimit &&
      options["sessions-per-user"] !== "replace"
    ) {
      return `the user has ${others.length} sessions, as many as it may have`;
    }
    if (options["sessions-per-user"] === "replace") await this.#replace(others);
    const { hostName } = this.session.tunnel ?? {};
    const profileName = profileNameOf(options, { grant, peer: hostName });
    const profile = profileName === undefined
      ? undefined
      : subscribers.section.profiles[profileName];
    if (profileName !== undefined && !profile) return `there is no profile ${profileName}`;
    const offer = offerOf(grant, profile, options);
    const address = this.#takeAddress(offer);
    if (address instanceof Error) {
      subscribers.counters.exhausted.add();
      return address.message;
    }
    this.#grant = grant;
    this.#user = grant.user;
    this.#offer = offer;
    this.#terms = offer.terms;
    this.#address = address;
    if (options.ipv6) {
      const six = new Subscriber6(this.#line(), {
        offer,
        pools: subscribers.pools,
        validS: options["ipv6-lifetime"],
        server: `${this.termination.name} ${options.address}`,
        mtu: () => this.#mru(),
      });
      const refusal = six.take();
      if (refusal !== undefined) return refusal;
      this.#six = six;
    }
    this.#started();
    this.scope.defer(subscribers.enter(this));
    try {
      await this.#join();
    } catch (error) {
      // A route or set that cannot be had is this subscriber's misfortune, and its operator's to mend.
      return (error as Error).message;
    }
    return undefined;
  }

  /** Ends other sessions of the user, and waits for what they had: an address of the user's own is one of a kind. */
  async #replace(others: readonly Present[]): Promise<void> {
    for (const other of others) {
      const message = "replaced by a new session of the user";
      other.end({ result: 3, message }, "port-preempted");
    }
    const { promise: late, resolve } = Promise.withResolvers<void>();
    const timer = this.scope.timer(this.scope.now() + REPLACE_MS, resolve);
    await Promise.race([late, Promise.all(others.map(({ gone }) => gone))]);
    timer.cancel();
  }

  #takeAddress(offer: Offer): string | undefined | Error {
    const { pools } = this.termination.subscribers;
    if (offer.address === "client") return undefined;
    if (offer.address !== "pool") {
      if (!pools.claim(offer.address)) return new Error(`${offer.address} is in use`);
      this.scope.defer(() => pools.give(offer.address));
      return offer.address;
    }
    if (offer.pools.length === 0) return undefined;
    const lease = pools.take(offer.pools, offer.user);
    if (!lease) return new Error(`no address is left in pool ${offer.pools.join(", ")}`);
    this.scope.defer(() => pools.give(lease.text));
    return lease.text;
  }

  // ── The network ──

  async #join(): Promise<void> {
    const { forwarder, tun } = this.termination;
    const { port } = this.session;
    const offer = this.#offer!;
    this.scope.defer(async (why) => this.#stop(why, await this.read()));
    this.#limit();
    this.#joinedAt = this.scope.now();
    this.#member = await this.scope.join(forwarder, port, this.#memberOptions());
    // Said first of all, while frames still pass.
    this.scope.defer((why) => this.#farewell(why));
    const { netns } = this.termination.options.tun;
    for (const { metric, prefix } of offer.routes) {
      await this.scope.route({
        prefix,
        device: tun.name,
        ...(metric !== undefined && { metric }),
        ...(netns !== undefined && { netns }),
      });
    }
    if (this.#address !== undefined) await this.termination.routeTo(this.scope, this.#address);
    await this.#updateLists();
    this.#addNetworks(offer);
  }

  #addNetworks(offer: Offer): void {
    const octets = (texts: readonly string[]) => texts.map(octetsOfAddress);
    const { link } = this.#driven;
    const any = this.#address !== undefined || offer.address === "client";
    if (any) {
      this.#ipcp = new IpcpServer({
        own: octetsOfAddress(this.termination.options.address),
        client: this.#address === undefined ? undefined : octetsOfAddress(this.#address),
        dns: octets(offer.dns4),
        nbns: octets(offer.nbns),
      });
      link.addNetwork(Protocol.Ipcp, this.#ipcp, {
        up: () => this.#ipcpUp(),
        down: () => this.#networkDown("ip-down"),
        finished: (reason) => this.#networkFinished(Protocol.Ipcp, reason),
      });
    }
    if (this.#six) {
      link.addNetwork(Protocol.Ipv6cp, this.#six.options, {
        up: () => this.#networkUp("ipv6-up", () => this.#six!.up()),
        down: () => {
          this.#six!.down();
          this.#networkDown("ipv6-down");
        },
        finished: (reason) => this.#networkFinished(Protocol.Ipv6cp, reason),
      });
    }
  }

  #ipcpUp(): void {
    const chosen = formatIp(this.#ipcp!.client!);
    const isNew = this.#address !== chosen;
    this.#address = chosen;
    this.#networkUp("ip-up", () => {
      if (!isNew) return;
      this.#addressesChanged();
      this.termination.routeTo(this.scope, chosen).catch(this.scope.fail);
    });
  }

  #networkUp(event: "ip-up" | "ipv6-up", then: () => void): void {
    this.#networks++;
    this.#upAt ??= this.scope.now();
    then();
    this.#openAccount();
    this.#hook(event);
    if (this.#networks === 1) {
      this.scope.log("info", "a subscriber is up", {
        user: this.#user,
        address: this.#address ?? null,
      });
      this.scope.event("up", {
        session: this.session.name,
        user: this.#user,
        address: this.#address ?? null,
      });
    }
  }

  #networkDown(event: "ip-down" | "ipv6-down"): void {
    this.#networks--;
    this.#hook(event);
  }

  #networkFinished(protocol: number, reason: string): void {
    this.scope.log("info", "a network protocol is over", {
      protocol: protocol.toString(16),
      reason,
    });
    if (this.#networks > 0) return;
    // Nothing is left that may come up: after a moment, for the other one may just be about to.
    this.scope.timer(this.scope.now() + 5000, () => {
      if (this.#networks > 0 || this.scope.signal.aborted) return;
      this.#failed(this.#user, "network", reason);
      const end: LinkEnd = {
        by: "network",
        reason,
        cause: { code: Cause.NoAgreement, protocol, direction: Direction.None },
      };
      this.run((link, now) => link.terminate(end, now));
    });
  }

  #openAccount(): void {
    if (this.#account || !this.#grant) return;
    this.#account = this.termination.authenticator.account({
      call: { ...factsOf(this.session), termination: this.termination.name },
      grant: this.#grant,
      authentic: this.#authentic,
      framed: () => this.#framed(),
      read: () => this.read(),
      change: (terms) => this.#change(terms),
      end: (cause) => this.end({ result: 3, message: "ended by the RADIUS server" }, cause),
    });
  }

  #line(): Line6 {
    return {
      scope: this.scope,
      send: (packet) => void this.session.port.send([emitFrame(Protocol.Ipv6, packet)]),
      changed: () => this.#addressesChanged(),
    };
  }

  #addressesChanged(): void {
    this.#remember();
    this.#routeDelegated();
    this.#account?.changed();
    this.#updateLists().catch((error) => {
      if (this.scope.signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.scope.log("warn", "cannot put new addresses into their lists", { error: reason });
    });
  }

  /** What is delegated is routed to the TUN as long as it is. */
  #routeDelegated(): void {
    const { addresses = [], delegated = [] } = this.#six ?? {};
    const now = new Set([...addresses, ...delegated]);
    for (const [what, life] of this.#routed) {
      if (now.delete(what)) continue;
      this.#routed.delete(what);
      void life.end({ result: 3, message: "given back" });
    }
    for (const what of now) {
      const life = this.scope.child(what);
      this.#routed.set(what, life);
      this.termination.routeTo(life, what).catch((error) =>
        this.scope.log("warn", "cannot route what was delegated", { what, reason: error.message })
      );
    }
  }

  #remember(): void {
    this.#changeMember().catch((error) => this.scope.signal.aborted || this.scope.fail(error));
  }

  /** The datapath has what holds now; one change follows another. */
  #changeMember(): Promise<void> {
    const change = async () => await this.#member?.change(this.#memberOptions());
    return this.#changing = this.#changing.catch(() => {}).then(change);
  }

  async #change(terms: Terms): Promise<void> {
    const before = this.#terms!;
    await this.read();
    const seconds = (this.scope.now() - this.#joinedAt) / 1000;
    this.#terms = termsOf(terms, before, { seconds, usage: this.#usage });
    try {
      await this.#changeMember();
      this.#limit();
      if (terms.filters) await this.#updateLists();
    } catch (error) {
      this.#terms = before;
      this.#limit();
      throw error;
    }
  }

  #limit(): void {
    const { burst, rateDown, rateUp } = this.#terms!;
    this.session.port.limit({
      in: rateUp ?? null,
      out: rateDown ?? null,
      ...(burst !== undefined && { burst }),
    });
  }

  /** Has the subscriber's addresses in the sets of its lists, and in no others. */
  #updateLists(): Promise<void> {
    const names = this.#terms?.addressLists ?? [];
    const six = this.#six;
    const addresses = [
      ...(this.#address === undefined ? [] : [this.#address]),
      ...six?.addresses ?? [],
      ...six?.prefixes ?? [],
      ...six?.delegated ?? [],
    ];
    const { section } = this.termination.subscribers;
    const { unknown, wanted } = membershipsOf(names, section["address-lists"], addresses);
    for (const name of unknown) {
      if (this.#unknownLists.has(name)) continue;
      this.#unknownLists.add(name);
      this.termination.subscribers.counters.unknownLists.add();
      this.scope.log("warn", "no address list has this name: it changes nothing", {
        user: this.#user,
        "address-list": name,
      });
    }
    return this.#lists.have(wanted);
  }

  #memberOptions(): PppPortOptions {
    const { options } = this.termination;
    const { idleTimeout, sessionTimeout } = this.#terms!;
    const quota = this.#quota();
    const six = this.#six;
    const addresses = [
      ...(this.#address === undefined ? [] : [this.#address]),
      ...six?.addresses ?? [],
    ];
    const routes = this.#offer!.routes.map(({ prefix }) => prefix);
    return {
      addresses,
      prefixes: [...routes, ...six?.prefixes ?? [], ...six?.delegated ?? []],
      mru: this.#mru(),
      clampMss: options["clamp-mss"],
      sourceCheck: options["source-check"],
      ...(idleTimeout !== undefined && { idleTimeoutMs: idleTimeout * 1000 }),
      ...(sessionTimeout !== undefined && { sessionTimeoutMs: Math.ceil(sessionTimeout * 1000) }),
      ...(quota !== undefined && { quotaBytes: BigInt(quota) }),
      ...(this.#offer!.dscp !== undefined && { dscp: this.#offer!.dscp }),
      expired: (what) =>
        what === "quota" ? void this.#quotaReached().catch(this.scope.fail) : this.#expired(what),
    };
  }

  /** Octets both ways since the join, at which the quota is looked at. */
  #quota(): number | undefined {
    const { upOctets, downOctets } = this.#usage;
    const left = quotaLeft(this.#terms!.quota, this.#usage);
    if (left === Infinity) return undefined;
    return upOctets + downOctets + Math.max(left, LEAST_QUOTA);
  }

  /** So much has passed that one of the limits may be reached. */
  async #quotaReached(): Promise<void> {
    await this.read();
    if (quotaLeft(this.#terms!.quota, this.#usage) > 0) return this.#remember();
    this.#expired("quota");
  }

  #expired(what: "idle" | "session" | "quota"): void {
    const causes = {
      idle: "idle-timeout",
      session: "session-timeout",
      quota: "nas-request",
    } as const;
    this.#cause ??= causes[what];
    const reasons = {
      idle: "no data for too long",
      session: "its time is over",
      quota: "its quota is used up",
    };
    this.run((link, now) => link.terminate(administrative(reasons[what]), now));
  }

  /** Octets of the largest packet to the subscriber. */
  #mru(): number {
    const { peerMru } = this.#driven.link.agreed;
    return Math.min(peerMru, this.#offer?.mtu ?? Infinity, this.#pathMtu());
  }

  /** What passes the tunnel whole, behind `FF 03` and a protocol number. */
  #pathMtu(): number {
    return Math.max(576, this.session.port.frameMtu - 4);
  }

  // ── Its end ──

  /** Its data are as good a sign of life as an Echo-Reply. */
  async #unanswered(): Promise<void> {
    const before = this.#usage.upPackets;
    await this.read();
    const lives = this.#usage.upPackets !== before;
    this.run((link, now) => lives ? link.heard() : link.silent(now));
  }

  #ended(end: LinkEnd): void {
    if (!this.#grant && end.by !== "authentication") {
      this.#failed(this.#user, this.#stage(), end.reason);
    }
    this.end(callEndOf(end), this.#cause ?? terminateCauseOf(end));
  }

  /** The scope ends: whoever is still there is told, while its port is. */
  #farewell({ message }: CallEnd): void {
    this.run((link, now) => link.terminate(administrative(message ?? "the session ends"), now));
  }

  #stop({ message }: CallEnd, usage: Usage): void {
    this.#account?.stop(this.#cause ?? "lost-carrier", usage);
    this.scope.event("down", {
      session: this.session.name,
      user: this.#user,
      reason: message ?? null,
    });
  }

  #failed(user: string, stage: string, reason: string): void {
    this.scope.log("warn", "a login failed", { user, stage, reason });
    this.scope.event("failed", { session: this.session.name, user, stage, reason });
    const { name } = this.session;
    this.termination.subscribers.failed({
      at: this.scope.date(),
      session: name,
      user,
      stage,
      reason,
    });
  }

  #started(): void {
    if (!this.#starting) return;
    this.#starting = false;
    this.termination.subscribers.starting--;
  }

  #stage(): string {
    if (this.#networks > 0) return "up";
    if (this.#grant) return "network";
    return this.#login > 0 ? "authentication" : "lcp";
  }

  #framed(): Framed {
    const six = this.#six;
    return {
      ...(this.#address !== undefined && { address: this.#address }),
      ...(six?.options.peer && { interfaceId: six.options.peer }),
      ...(six && {
        ipv6Prefixes: six.prefixes,
        ipv6Addresses: six.addresses,
        delegatedPrefixes: six.delegated,
      }),
    };
  }

  #hook(event: string): void {
    const { options, tun } = this.termination;
    const offer = this.#offer!;
    this.scope.hook(
      event,
      hookOf({
        ifname: tun.name,
        user: this.#user,
        local: options.address,
        remote: this.#address,
        dns: offer.dns4,
        localId: this.#six?.options.own,
        remoteId: this.#six?.options.peer,
        delegated: this.#six?.delegated ?? [],
        secondsUp: this.#upAt === undefined ? 0 : (this.scope.now() - this.#upAt) / 1000,
        usage: this.#usage,
        session: this.session.name,
      }),
    );
  }
}

/** What an accepted client is told. */
function successOf(asked: Asked, grant: Grant): string {
  if (asked.kind === "mschapv2") return grant.msChapSuccess ?? "";
  return grant.message ?? "";
}

/** A Failure of MS-CHAPv2 (RFC 2759 §6): not to be tried again on this link. */
function msChapFailure(scope: Scope, code: number, message: string): string {
  const challenge = scope.random(16).toHex().toUpperCase();
  return `E=${code} R=0 C=${challenge} V=3 M=${message || "Authentication failed"}`;
}
