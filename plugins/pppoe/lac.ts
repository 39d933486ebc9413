/**
 * The LAC: what a PPPoE client says is carried to an LNS (RFC 2661 §5.1). LCP and the question who it is are begun here, and
 * what was said is told to the LNS; or the line alone says who it is, and the LNS does it all. From then on PPP's frames
 * pass from port to port in the datapath.
 *
 * @module
 */

import { CdnResult } from "../../core/errors.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { CallAvps, CallEnd, PlacedCall, Refusal, Scope, Target } from "../plugin.ts";
import { isRefusal } from "../session.ts";
import { textOf } from "../line.ts";
import type {
  Account,
  Answer,
  Asked,
  Authenticator,
  Grant,
  TerminateCause,
} from "../ppp/aaa/authenticator.ts";
import { serverTargetOf } from "../ppp/aaa/target.ts";
import type { TunnelTarget } from "../ppp/aaa/tunnel.ts";
import { driveLink, type DrivenLink } from "../ppp/drive.ts";
import { authEnd, Cause, type LinkEnd } from "../ppp/link/end.ts";
import { Protocol } from "../ppp/link/wire.ts";
import { carriedOf } from "../ppp/usage.ts";
import { callEndOf } from "../ppp/why.ts";
import type { AccessSession } from "./access.ts";
import type { Counters } from "./counters.ts";
import { type Lns, LnsChooser, type LnsDenial, type LnsFailure } from "./lns.ts";
import { idOf, linkOf, lostOf } from "./link_facts.ts";
import type { CarryOptions } from "./options.ts";
import { answerOf } from "./replay.ts";
import { factsOf, saidOf, templateValues } from "./subscriber.ts";
import { fillTemplate, realmOf } from "./template.ts";
import { TunnelAccounts } from "./tunnel_accounts.ts";

/** Frames of a client that are kept while its LNS is called: it repeats what is not answered, a few times in all. */
const HELD_FRAMES = 64;
/** Speeds that an LNS is told where no line says any: it must be told some (RFC 2661 §4.4.4). */
const UNKNOWN_SPEED = 1_000_000_000n;

const NO_LNS: CallEnd = { result: 4, message: "no LNS takes the call" };

/** An LNS, and how it is called. */
interface Way extends Lns {
  readonly target: Target;
  /** What its ICRQ says more. */
  readonly say?: CallAvps;
  /** As operators know it. */
  readonly name: string;
  readonly tunnel?: TunnelTarget;
}

/** A call that an LNS took. */
interface Carried {
  readonly placed: PlacedCall;
  readonly way: Way;
  /** Ends with the call. */
  readonly life: Scope;
  readonly last: LastLook;
}

/** What is looked at when the LNS ends a call, while its counters are there still. */
interface LastLook {
  look?(): void;
  /** Its tunnel ended. */
  lost?: boolean;
}

/** What a client proved, or was taken to be. */
interface Known {
  readonly user: string;
  readonly proxy: Pick<CallAvps, "proxyLcp" | "proxyAuth">;
  readonly grant?: Grant;
}

/** The LAC of a service: its LNSes are one for all interfaces. */
export class Lac {
  readonly #authenticator: Authenticator;
  readonly #counters: Counters;
  readonly #chooser = new LnsChooser();
  readonly #tunnels: TunnelAccounts;

  constructor(scope: Scope, authenticator: Authenticator, counters: Counters) {
    this.#authenticator = authenticator;
    this.#counters = counters;
    this.#tunnels = new TunnelAccounts(authenticator, scope);
  }

  /** Carries a session; returns when it is carried, or is about to end. */
  async carry(session: AccessSession, options: CarryOptions): Promise<void> {
    const { port, scope } = session;
    let known: Known | undefined;
    if (options["user-name"] === undefined) known = await this.#talk(session, options);
    else {
      scope.hold(port, HELD_FRAMES);
      known = await this.#byLine(session, options, options["user-name"]);
    }
    if (!known) return;
    session.shown.user = known.user;
    const ways = waysOf(session, options, known);
    const call = await this.#call(session, options, known, ways);
    if (!call) {
      this.#counters.stranded.add();
      scope.log("warn", "no LNS for a subscriber", { user: known.user, tried: ways.length });
      return void scope.end(NO_LNS);
    }
    session.shown.to = call.way.name;
    // An LNS that knows nothing of proxies waits for what the client has said already: it comes before what is held.
    const again = known.proxy.proxyAuth && answerOf(known.proxy.proxyAuth);
    if (again) {
      scope.receive(call.placed.port, () => {});
      call.placed.port.send([again]);
    }
    await scope.connect(port, call.placed.port);
    this.#counters.carried.add();
    this.#chooser.succeeded(call.way);
    if (known.grant) this.#account(session, known.grant, call);
    scope.log("info", "a subscriber is carried to its LNS", {
      user: known.user,
      lns: call.way.name,
    });
    scope.event("carried", { session: session.name, user: known.user, lns: call.way.name });
  }

  /** Who is behind a line, without a word from the client. */
  async #byLine(
    session: AccessSession,
    options: CarryOptions,
    template: string,
  ): Promise<Known | undefined> {
    const { client, device, scope } = session;
    const user = fillTemplate(template, templateValues(client, device));
    if (!options.ask) return { user, proxy: {} };
    const asked: Asked = { kind: "none", name: new TextEncoder().encode(user) };
    const answer = await this.#ask(session, options, asked);
    if (answer.kind === "accept") {
      return { user: answer.grant.user, proxy: {}, grant: answer.grant };
    }
    const why = authEnd(answer.reason, 0, Cause.NotPermitted);
    return void scope.end(callEndOf(why));
  }

  /** Negotiates LCP with the client and hears who it says to be; the last word is the LNS's. */
  #talk(session: AccessSession, options: CarryOptions): Promise<Known | undefined> {
    const { client: { maxPayload }, port, scope } = session;
    const talk = scope.child("lcp");
    const { promise, resolve, reject } = Promise.withResolvers<Known | undefined>();
    /** Which of several logins counts: LCP may begin anew while an answer is awaited. */
    let login = 0;
    const ended = (end: LinkEnd) => {
      resolve(undefined);
      void scope.end(callEndOf(end));
    };
    const driven: DrivenLink = driveLink(talk, port, {
      lcp: { mru: maxPayload, authenticate: options.authenticate, answer: [] },
      name: "isthmus",
      echo: { intervalMs: 0, failures: 3 },
    }, {
      asked: (asked) => {
        const own = ++login;
        const decide = this.#decide(session, options, driven, asked, () => own === login);
        decide.then(async (decided) => {
          if (!decided) return; // the link tells the client, and ends; or it begins anew
          // From here on the client talks to the LNS.
          scope.hold(port, HELD_FRAMES);
          await talk.end({ result: 3, message: "the LNS goes on" });
          resolve(decided);
        }).catch(reject);
      },
      // Whoever need not prove anything is of no realm: the lists say where to.
      authenticated: () => {},
      restarted: () => void login++,
      unanswered: () => {},
      data: () => {},
      ended,
      ignored: () => {},
    });
    scope.signal.addEventListener("abort", () => resolve(undefined));
    driven.beginWhenHeard((link, now) => link.open(now));
    return promise;
  }

  /** What is known of a client that said who it is; undefined: it may not come in, and is told, or `counts` no more. */
  async #decide(
    session: AccessSession,
    options: CarryOptions,
    driven: DrivenLink,
    asked: Asked,
    counts: () => boolean,
  ): Promise<Known | undefined> {
    const { proxyAuth, proxyLcp } = driven.link.said;
    const proxy = { proxyLcp: { ...proxyLcp }, ...(proxyAuth && { proxyAuth }) };
    if (!options.ask) return { user: textOf(asked.name), proxy };
    const answer = await this.#ask(session, options, asked);
    if (!counts()) return undefined;
    if (answer.kind === "accept") return { user: answer.grant.user, proxy, grant: answer.grant };
    const protocol = asked.kind === "pap" ? Protocol.Pap : Protocol.Chap;
    const end = authEnd(answer.reason, protocol, Cause.AuthFailed);
    const message = answer.kind === "reject" ? answer.message ?? "" : "";
    driven.run((link, now) => link.reject(message, end, now));
    return undefined;
  }

  #ask(session: AccessSession, options: CarryOptions, asked: Asked): Promise<Answer> {
    const { client, device, name, scope } = session;
    const said = saidOf(client, templateValues(client, device), howOf(options));
    const facts = factsOf(client, { id: idOf(session), name, device }, said);
    return this.#authenticator.check(asked, facts, scope.signal);
  }

  /** Calls one LNS after the other, each in a life of its own. */
  async #call(
    session: AccessSession,
    options: CarryOptions,
    known: Known,
    ways: readonly Way[],
  ): Promise<Carried | undefined> {
    const { scope } = session;
    const tried = new Set<Lns>();
    while (tried.size < options.attempts && !scope.signal.aborted) {
      const now = scope.now();
      const way = this.#chooser.choose(ways, tried, options.choose, now, chance(scope));
      if (!way) return undefined;
      tried.add(way);
      const life = scope.child(`call ${way.name}`);
      this.#chooser.count(way.key, 1);
      life.defer(() => this.#chooser.count(way.key, -1));
      const last: LastLook = {};
      const answer = await this.#place(session, options, known, { way, life, last });
      if (!isRefusal(answer)) return { placed: answer, way, life, last };
      await life.end(answer.refuse);
      this.#failed(session, options, way, answer);
      if (known.grant) this.#tunnels.rejected(linkOf(session, known.grant, way), answer);
    }
    return undefined;
  }

  async #place(
    session: AccessSession,
    options: CarryOptions,
    { proxy, user }: Known,
    { way, life, last }: Omit<Carried, "placed">,
  ): Promise<PlacedCall | Refusal> {
    const { client, device, scope } = session;
    const said = saidOf(client, templateValues(client, device, user), howOf(options));
    const { rxConnectSpeed = UNKNOWN_SPEED, txConnectSpeed = UNKNOWN_SPEED, ...request } = said;
    const placed = await life.place(way.target, { ...request, ...way.say }, {
      pseudowireType: PseudowireType.Ppp,
      ended: (why, lost) => {
        last.look?.();
        last.lost = lost;
        // It comes back at once: an LNS that is gone costs it no more time.
        if (lost) this.#chooser.failed(way, { kind: "timeout" }, denialOf(options), scope.now());
        void scope.end(why);
      },
    });
    if (isRefusal(placed)) return placed;
    const connected = { framingType: 1, rxConnectSpeed, txConnectSpeed, ...proxy };
    return await placed.proceed(connected) ?? placed;
  }

  #failed({ scope }: AccessSession, options: CarryOptions, way: Way, answer: Refusal): void {
    this.#counters.refused.add();
    const { error, message, result } = answer.refuse;
    scope.log("warn", "an LNS did not take a call", {
      lns: way.name,
      result,
      error: error ?? null,
      reason: message ?? null,
    });
    this.#chooser.failed(way, failureOf(answer), denialOf(options), scope.now());
  }

  /** Accounts for a session that is carried, for its link and its tunnel (RFC 2867). */
  #account(
    session: AccessSession,
    grant: Grant,
    { last, life, placed: call, way }: Carried,
  ): void {
    const { scope } = session;
    const facts = linkOf(session, grant, way, call);
    let [usage, dropped] = [carriedOf(undefined), 0];
    // Its L2TP leg has counters, its PPPoE leg has none.
    const read = async () => {
      const now = await call.port.statistics().catch(() => undefined);
      dropped = now ? lostOf(now) : dropped;
      return usage = carriedOf(now, usage);
    };
    let looked: Promise<unknown> | undefined;
    last.look = () => void (looked = read());
    let cause: TerminateCause = "user-request";
    const account: Account = this.#authenticator.account({
      ...facts,
      authentic: "radius",
      framed: () => ({}),
      read,
      change: () => Promise.reject(new Error("the session is carried to an LNS: ask there")),
      end: (why) => {
        cause = why;
        void scope.end({ result: 3, message: "ended by the RADIUS server" });
      },
    });
    const link = this.#tunnels.begun(facts, call);
    // Of the call's life: it ends before the session's, and its counters with it.
    life.defer(async () => {
      await looked;
      const carried = await read();
      const kept = account.stop(cause, carried);
      link.stop(last.lost ? "lost-carrier" : cause, carried, dropped);
      await kept;
    });
  }
}

/** LNSes of a subscriber, those that an authenticator named before those of the file. */
function waysOf({ client }: AccessSession, options: CarryOptions, { grant, user }: Known): Way[] {
  const tunnels = grant?.tunnels ?? [];
  if (tunnels.length > 0) return tunnels.map(wayOfTunnel);
  const realm = realmOf(user);
  const list = (realm !== undefined ? options.realms[realm] : undefined) ??
    options.services[textOf(client.serviceName)] ?? options.servers ?? [];
  return list.map(({ "max-sessions": maxSessions, peer, preference, weight }) => ({
    key: peer,
    peer,
    name: peer,
    preference,
    weight,
    ...(maxSessions !== undefined && { maxSessions }),
    target: { peer },
  }));
}

function wayOfTunnel(tunnel: TunnelTarget): Way {
  const { preference, privateGroupId, server } = tunnel;
  const target = serverTargetOf(tunnel);
  return {
    key: target.share,
    peer: server,
    name: server,
    tunnel,
    target,
    ...(preference !== undefined && { preference }),
    ...(privateGroupId && { say: { privateGroupId } }),
  };
}

/** What a refusal tells of the LNS: where nobody answered, or its tunnel is gone, nothing of its tunnels is of use now. */
function failureOf({ noTunnel, refuse: { error, result } }: Refusal): LnsFailure {
  if (noTunnel || result === CdnResult.TimedOut || result === CdnResult.LossOfCarrier) {
    return { kind: "timeout" };
  }
  return { kind: "result", result, ...(error !== undefined && { error }) };
}

function denialOf(options: CarryOptions): LnsDenial {
  return { denyMs: 1000 * options["deny-time"], denyResults: options["deny-results"] };
}

function howOf(options: CarryOptions) {
  return {
    calling: options["calling-number"],
    called: options["called-number"],
    line: options["access-line"],
  };
}

/** At least 0 and below 1. */
function chance(scope: Scope): number {
  return new DataView(scope.random(4).buffer).getUint32(0) / 2 ** 32;
}
