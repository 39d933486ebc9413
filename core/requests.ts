/**
 * SCCRQs: who may have a connection. What costs least comes first: where it comes from, who it says it is, whether it
 * can prove it (v3), and only then an answer and state; each step has limits of its own.
 *
 * @module
 */

import { Authenticator } from "./authenticator.ts";
import type { OutstandingChallenges } from "./challenges.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionHost } from "./connection_host.ts";
import type { ConnectionRequest, ControlDrop, Refusal } from "./events.ts";
import { dialects, messageOf } from "./dialect.ts";
import { ErrorCode, type Result, StopResult } from "./errors.ts";
import { type Glance, glance, offeredVersion } from "./wire/glance.ts";
import { type ControlHeader, emitMessage } from "./wire/header.ts";
import { impossibleIntroduction } from "./introduction.ts";
import { Admission, type AdmissionLimits, type Expected, type Origin } from "./limits.ts";
import { type AnyMessage, emitBody, parseBody } from "./wire/message.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import { type ConnectionRegistry, unhiddenId } from "./registry.ts";
import type { Path, PeerSettings } from "./settings.ts";
import { compareTies } from "./ties.ts";
import { AMPLIFICATION, LONGEST_REQUEST } from "./unproven.ts";

/** Who is let in. Both are pure, and neither may cost more where more peers are configured: strangers ask. */
export interface Policy {
  /** Who may be behind an address; asked before anything of an SCCRQ is read. Absent: anybody. */
  readonly expects?: (path: Path) => Expected;
  /** Decides on a peer. */
  readonly policy: (request: ConnectionRequest) => Verdict;
}

/**
 * Whether to talk to a peer: with these settings, whose secret may be for this one connection; with a StopCCN; with
 * silence; or, by `ask`, whatever {@linkcode Lcce.decide} is told later, when somebody else was asked.
 */
export type Verdict = Decision | { readonly kind: "ask" };
/** What was decided in the end. */
export type Decision =
  | { readonly kind: "accept"; readonly settings: PeerSettings }
  | { readonly kind: "refuse"; readonly result: Result }
  | { readonly kind: "ignore" };

/** An SCCRQ that may have a connection. */
export interface Admitted {
  readonly settings: PeerSettings;
  readonly authenticator: Authenticator;
  readonly message: AnyMessage;
}

/** An SCCRQ as it came. */
export interface Unread {
  readonly header: ControlHeader;
  readonly body: Uint8Array;
  readonly datagram: Uint8Array;
  readonly path: Path;
}

/** An SCCRQ that was looked at. */
export interface Request extends Unread {
  readonly seen: Glance;
  readonly from: Origin;
}

const FROM_UTF8 = new TextDecoder();

export class Requests {
  readonly #host: ConnectionHost;
  readonly #registry: ConnectionRegistry;
  readonly #policy: Policy;
  readonly #admission: Admission<Connection>;
  readonly #challenges: OutstandingChallenges;

  constructor(
    host: ConnectionHost,
    registry: ConnectionRegistry,
    policy: Policy,
    limits: AdmissionLimits,
    challenges: OutstandingChallenges,
  ) {
    this.#host = host;
    this.#registry = registry;
    this.#policy = policy;
    this.#admission = new Admission(limits);
    this.#challenges = challenges;
  }

  /** Who may be behind an address. */
  expects(path: Path): Expected {
    return this.#policy.expects?.(path) ?? "anybody";
  }

  /**
   * Looks at a message to id 0, an SCCRQ or a StopCCN, if no limit is in the way; undefined: it was dropped. Whom we dial
   * need not be among whom we expect: it may say StopCCN.
   */
  look(unread: Unread, isRequest: boolean, now: number): Request | undefined {
    const { body, path } = unread;
    const expected = this.expects(path);
    const drop = (reason: ControlDrop) =>
      isRequest ? this.#refuse({ path, reason }, now) : this.#drop(reason);
    if (isRequest && expected === "nobody") return drop("unknown-peer");
    const from = expected === "nobody" ? "anybody" : expected;
    if (body.length > LONGEST_REQUEST) return drop("too-long");
    if (!this.#admission.look(from, now)) return drop("request-limit");
    const seen = glance(body);
    if (!seen || (isRequest && !seen.hostName)) return drop("malformed");
    return { ...unread, from, seen };
  }

  /** What the sender of an SCCRQ says of itself. */
  introduction({ header, path, seen }: Request): ConnectionRequest {
    const version = offeredVersion(header, seen);
    return {
      version,
      path,
      hostName: FROM_UTF8.decode(seen.hostName),
      vendorName: FROM_UTF8.decode(seen.vendorName),
      ...(version === 3 && seen.routerId !== undefined && { routerId: seen.routerId }),
    };
  }

  /** What the policy says of an SCCRQ. */
  judge(request: Request): Verdict {
    return this.#policy.policy(this.introduction(request));
  }

  /** More SCCRQs wait for a decision than may. */
  overloaded({ path }: Request, now: number): void {
    this.#refuse({ path, reason: "request-limit" }, now);
  }

  /** Goes on with an SCCRQ; undefined: it was dropped or turned away. `end` is told of connections of ours that lost a tie. */
  admit(
    request: Request,
    verdict: Decision,
    now: number,
    end: (loser: Connection) => void,
  ): Admitted | undefined {
    const { header, body, datagram, from, path, seen } = request;
    const offered = offeredVersion(header, seen);
    const hostName = FROM_UTF8.decode(seen.hostName);
    if (verdict.kind === "ignore") {
      return this.#refuse({ path, hostName, reason: "unknown-peer" }, now);
    }
    const refuse = (reason: ControlDrop, { message }: Pick<Result, "message"> = {}) =>
      this.#refuse({
        path,
        hostName,
        reason,
        ...(verdict.kind === "accept" && { peer: verdict.settings.name }),
        ...(message !== undefined && { message }),
      }, now);
    const settings = verdict.kind === "accept" ? inVersion(verdict.settings, offered) : undefined;
    const version = settings?.version === offered ? offered : header.version;
    const authenticator = settings?.version === version
      ? new Authenticator(settings, path.encap, this.#host.random)
      : undefined;
    const digest = authenticator?.check(datagram, body) ?? "valid";
    if (digest !== "valid") return refuse(`digest-${digest}`);
    if (this.#admission.isFull(from, path, now)) return refuse("half-open-limit");
    if (!this.#admission.answer(from, now)) return refuse("request-limit");
    if (verdict.kind === "refuse") {
      refuse("policy", verdict.result);
      return this.#turnAway(request, version, verdict.result);
    }
    if (!settings || !authenticator) {
      refuse("wrong-version");
      const error = verdict.settings.version;
      return this.#turnAway(request, version, { result: StopResult.VersionNotSupported, error });
    }
    const { hidingKey } = authenticator;
    const parsed = parseBody(body, {
      version,
      knowsVendor: this.#host.knowsVendor,
      ...(hidingKey && { hidingKey }),
    });
    if (parsed.kind === "refused") {
      refuse("refused-request", parsed.error);
      authenticator.meet(parsed.avps);
      return this.#turnAway(request, version, parsed.error.outcome, authenticator);
    }
    if (parsed.kind !== "message") return refuse("malformed");
    const { message } = parsed;
    authenticator.meet(message.avps);
    const impossible = impossibleIntroduction(message, authenticator, this.#challenges);
    if (impossible) {
      refuse("refused-request", impossible);
      return this.#turnAway(request, version, impossible, authenticator);
    }
    if (this.#losesTie(message, settings, path, end)) {
      refuse("lost-tie");
      // RFC 3931 §5.4.3: the winner says so; in v2 the loser finds out by our SCCRQ.
      if (version === 2) return undefined;
      return this.#turnAway(request, version, { result: StopResult.AlreadyExists }, authenticator);
    }
    return { settings, authenticator, message };
  }

  /** No id is free for what was admitted: it is told so. */
  full(request: Request, { authenticator, message: { version } }: Admitted): void {
    this.#drop("no-free-id");
    const message = "every control connection id is in use";
    const result = { result: StopResult.GeneralError, error: ErrorCode.NoResources, message };
    this.#turnAway(request, version, result, authenticator);
  }

  /** The half-open connection that must go before one may be made for an SCCRQ. */
  makeRoom({ from, path }: Request): Connection | undefined {
    return this.#admission.makeRoom(from, path);
  }

  /** A connection was made for an SCCRQ. */
  opened({ from, path }: Request, connection: Connection, now: number): void {
    this.#admission.opened(from, connection, path, now);
  }

  /** A connection came up, or ended. */
  closed(connection: Connection): void {
    this.#admission.closed(connection, connection.proven);
  }

  /**
   * Both sides dial at once (RFC 2661 §4.4.3): the lower tie breaker's connection stays. True: the peer's request lost;
   * otherwise ours did, or there was no tie.
   */
  #losesTie(
    { avps }: AnyMessage,
    settings: PeerSettings,
    path: Path,
    end: (loser: Connection) => void,
  ): boolean {
    if (!avps.tieBreaker && !settings.tieBreaker) return false;
    // One address may be many peers (NAT): only the one that we know by the same name ties.
    for (const ours of this.#registry.dialing(path, settings)) {
      if (!ours.tieBreaker && !avps.tieBreaker) continue;
      const order = compareTies(ours.tieBreaker, avps.tieBreaker);
      if (order < 0) return true;
      end(ours);
      if (order === 0) return true;
    }
    return false;
  }

  /** Refuses an SCCRQ and keeps nothing of it: where the StopCCN is lost, the SCCRQ comes again. */
  #turnAway(
    { body: request, header, path, seen }: Request,
    version: ProtoVersion,
    result: Result,
    authenticator?: Authenticator,
  ): undefined {
    const dialect = dialects[version];
    const said = seen.assignedId[version];
    const connectionId = said === "hidden"
      ? unhiddenId(version, request, authenticator?.hidingKey)
      : said;
    if (connectionId === undefined) return;
    const localId = this.#registry.idToRefuseWith(version);
    const reply = { version, connectionId, sessionId: 0, ns: 0, nr: (header.ns + 1) & 0xffff };
    const stopping = (why: Result) => {
      const message = messageOf(version, "StopCCN", dialect.stop(localId, why));
      return emitMessage(reply, emitBody(message, undefined, authenticator?.blankDigests()));
    };
    let data = stopping(result);
    if (data.length > AMPLIFICATION * request.length) {
      const { message: _, ...terse } = result;
      data = stopping(terse);
    }
    authenticator?.signAnonymously(data);
    this.#host.transmit(path, data);
  }

  #refuse(
    refusal: Omit<Refusal, "stage"> & { readonly reason: ControlDrop },
    now: number,
  ): undefined {
    this.#host.refuse({ stage: "tunnel", ...refusal }, now);
    this.#host.drop(refusal.reason);
  }

  #drop(reason: ControlDrop): undefined {
    this.#host.drop(reason);
  }
}

/** The settings for a peer that offers no more than a version. */
function inVersion(settings: PeerSettings, offered: ProtoVersion): PeerSettings {
  return settings.fallback && offered === 2 ? { ...settings, version: 2 } : settings;
}
