/**
 * SCCRQs: who may have a connection. What costs least comes first: who it says it is, whether it can prove it (v3),
 * limits, and only then state.
 *
 * @module
 */

import { Authenticator } from "./authenticator.ts";
import type { AvpValues } from "./catalogue.ts";
import type { Connection } from "./connection.ts";
import type { ConnectionHost } from "./connection_host.ts";
import { dialects, messageOf } from "./dialect.ts";
import { type Result, StopResult } from "./errors.ts";
import { type ControlHeader, emitMessage } from "./header.ts";
import { impossibleIntroduction } from "./introduction.ts";
import { Admission, type AdmissionLimits } from "./limits.ts";
import { type AnyMessage, emitBody, parseBody } from "./message.ts";
import { mayAnswer } from "./path.ts";
import type { ProtoVersion } from "./pseudowire.ts";
import type { ConnectionRegistry } from "./registry.ts";
import type { Path, PeerSettings } from "./settings.ts";
import { compareTies } from "./ties.ts";

/** What a would-be peer says of itself, before anything of it is believed. */
export interface ConnectionRequest {
  /** The highest version that it offers. */
  readonly version: ProtoVersion;
  /** Where it came from. */
  readonly path: Path;
  /** Host Name, in U+FFFD where it is no UTF-8. */
  readonly hostName: string;
  /** Vendor Name; empty where it says none. */
  readonly vendorName: string;
  /** v3's Router ID. */
  readonly routerId?: number;
}

/** Whether to talk to a peer: with these settings; with a StopCCN; or with silence. */
export type Verdict =
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
interface Request {
  readonly header: ControlHeader;
  readonly body: Uint8Array;
  readonly datagram: Uint8Array;
  readonly path: Path;
}

export class Requests {
  readonly #host: ConnectionHost;
  readonly #registry: ConnectionRegistry;
  readonly #policy: (request: ConnectionRequest) => Verdict;
  readonly #admission: Admission<Connection>;

  constructor(
    host: ConnectionHost,
    registry: ConnectionRegistry,
    policy: (request: ConnectionRequest) => Verdict,
    limits: AdmissionLimits,
  ) {
    this.#host = host;
    this.#registry = registry;
    this.#policy = policy;
    this.#admission = new Admission(limits);
  }

  /** Judges an SCCRQ; undefined: it was dropped or turned away. `end` is told of connections of ours that lost a tie. */
  judge(request: Request, now: number, end: (loser: Connection) => void): Admitted | undefined {
    const { header, body, datagram, path } = request;
    const offered = offeredVersion(header, body);
    let said = avpsOf(body, offered);
    if (said.hostName === undefined) return this.#drop("malformed");
    const verdict = this.#policy({
      version: offered,
      path,
      hostName: said.hostName,
      vendorName: said.vendorName ?? "",
      ...(said.routerId !== undefined && { routerId: said.routerId }),
    });
    if (verdict.kind === "ignore") return this.#drop("unknown-peer");
    const settings = verdict.kind === "accept" ? inVersion(verdict.settings, offered) : undefined;
    const version = settings?.version === offered ? offered : header.version;
    if (version !== offered) said = avpsOf(body, version);
    const authenticator = settings?.version === version
      ? new Authenticator(settings, path.encap, this.#host.random)
      : undefined;
    const digest = authenticator?.check(datagram, body) ?? "valid";
    if (digest !== "valid") return this.#drop(`digest-${digest}`);
    const refused = this.#admission.request(path, now);
    if (refused) return this.#drop(refused);
    if (verdict.kind === "refuse") {
      this.#drop("unknown-peer");
      return this.#turnAway(request, version, said, verdict.result);
    }
    if (!settings || !authenticator) {
      this.#drop("wrong-version");
      const error = verdict.settings.version;
      const result = { result: StopResult.VersionNotSupported, error };
      return this.#turnAway(request, version, said, result);
    }
    const { hidingKey } = authenticator;
    const parsed = parseBody(body, {
      version,
      knowsVendor: this.#host.knowsVendor,
      ...(hidingKey && { hidingKey }),
    });
    if (parsed.kind === "refused") {
      this.#drop("refused-request");
      authenticator.meet(parsed.avps);
      return this.#turnAway(request, version, parsed.avps, parsed.error.outcome, authenticator);
    }
    if (parsed.kind !== "message") return this.#drop("malformed");
    const { message } = parsed;
    authenticator.meet(message.avps);
    const impossible = impossibleIntroduction(message, authenticator);
    if (impossible) {
      this.#drop("refused-request");
      return this.#turnAway(request, version, message.avps, impossible, authenticator);
    }
    if (this.#losesTie(message, settings, path, end)) {
      this.#drop("lost-tie");
      // RFC 3931 §5.4.3: the winner says so; in v2 the loser finds out by our SCCRQ.
      if (version === 2) return undefined;
      return this.#turnAway(
        request,
        version,
        message.avps,
        { result: StopResult.AlreadyExists },
        authenticator,
      );
    }
    return { settings, authenticator, message };
  }

  /** The half-open connection that must go before another may be made. */
  makeRoom(): Connection | undefined {
    return this.#admission.makeRoom();
  }

  /** A connection was made for an SCCRQ. */
  opened(connection: Connection): void {
    this.#admission.opened(connection, connection.path);
  }

  /** A connection came up, or ended. */
  closed(connection: Connection): void {
    this.#admission.closed(connection);
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
    for (const ours of this.#registry.dialing()) {
      // One address may be many peers (NAT): only the one that we know by the same name ties.
      if (ours.settings.version !== settings.version || ours.settings.name !== settings.name) {
        continue;
      }
      if (!mayAnswer(ours.path, path)) continue;
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
    { header, path }: Request,
    version: ProtoVersion,
    avps: AvpValues,
    result: Result,
    authenticator?: Authenticator,
  ): undefined {
    const dialect = dialects[version];
    const connectionId = dialect.assignedId(avps);
    const localId = this.#registry.allocateId(version);
    if (connectionId === undefined || localId === undefined) return;
    const message = messageOf(version, "StopCCN", dialect.stop(localId, result));
    const body = emitBody(message, undefined, authenticator?.blankDigests());
    const reply = { version, connectionId, sessionId: 0, ns: 0, nr: (header.ns + 1) & 0xffff };
    const data = emitMessage(reply, body);
    authenticator?.signAnonymously(data);
    this.#host.transmit(path, data);
  }

  #drop(reason: Parameters<ConnectionHost["drop"]>[0]): undefined {
    this.#host.drop(reason);
  }
}

/**
 * The highest version that an SCCRQ is for. One with version 2 in its header and v3's AVPs is for both: a peer that
 * would rather speak v3 (RFC 3931 §4.7.3).
 */
export function offeredVersion({ version }: ControlHeader, body: Uint8Array): ProtoVersion {
  return version === 2 && avpsOf(body, 3).routerId === undefined ? 2 : 3;
}

/** The settings for a peer that offers no more than a version. */
function inVersion(settings: PeerSettings, offered: ProtoVersion): PeerSettings {
  return settings.fallback && offered === 2 ? { ...settings, version: 2 } : settings;
}

/** What can be read of an SCCRQ before its sender is known. */
function avpsOf(body: Uint8Array, version: ProtoVersion): AvpValues {
  const parsed = parseBody(body, { version });
  if (parsed.kind === "message") return parsed.message.avps;
  return parsed.kind === "refused" ? parsed.avps : {};
}
