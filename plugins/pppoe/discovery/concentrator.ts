/**
 * An access concentrator's side of discovery (RFC 2516 §5), at one interface: who is offered what, who gets a session, and
 * whose it is. Frames and instants come in, frames and clients go out.
 *
 * Nobody is kept before its PADR brought our cookie. A client is known by VLANs, MAC and session id together: what agrees
 * in less is another's, and changes nothing.
 *
 * @module
 */

import { equalBytes } from "../../../core/wire/bytes.ts";
import type { VlanTag } from "../../ports.ts";
import { formatMac, type Mac, parseMac, tagBytes } from "../../mac.ts";
import { type LineValue, parseLine } from "../../line.ts";
import { COOKIE_KEY, type CookieHolder, isCookie, makeCookie } from "./cookie.ts";
import { Code, emitFrame, EtherType, parseFrame, type PppoeFrame, vlanKey } from "./frame.ts";
import { SessionIds } from "./ids.ts";
import { AskingRates, type SessionCounts, type SessionLimits } from "./limits.ts";
import { type MacRules, mayCome, type OfferDelay, offerDelay } from "./offers.ts";
import { isServed, offered, type ServiceRules } from "./services.ts";
import { emitTags, parseTags, type Tags } from "./tags.ts";

/** The largest PPP payload that Ethernet carries behind PPPoE's header, where nothing else was said (RFC 2516 §7). */
export const DEFAULT_MAX_PAYLOAD = 1492;
/** What PPPoE and PPP's protocol number take of an interface's MTU. */
const PPPOE_AND_PROTOCOL = 8;

/** How an interface is served. */
export interface ConcentratorRules {
  /** AC-Name. */
  readonly acName: string;
  readonly services: ServiceRules;
  readonly macs: MacRules;
  readonly limits: SessionLimits;
  readonly delays: readonly OfferDelay[];
  /** PADIs and PADRs a second that are looked at: of one MAC in its VLANs, and in all. */
  readonly askingPerMac: number;
  readonly asking: number;
  /** How long an id rests, in milliseconds. */
  readonly idRestMs: number;
}

/** The interface. */
export interface Interface {
  readonly name: string;
  readonly mac: string;
  /** Bytes of the largest packet, the Ethernet header not counted. */
  readonly mtu: number;
}

/** Who has a session. */
export interface Client {
  readonly mac: string;
  readonly vlans: readonly VlanTag[];
  readonly sessionId: number;
  /** As it was asked for: octets. */
  readonly serviceName: Uint8Array;
  readonly line: readonly LineValue[];
  /** The largest PPP payload both ways. */
  readonly maxPayload: number;
}

/** What is counted, by name. */
export type DiscoveryCounter =
  | "padi"
  | "pado"
  | "padr"
  | "pads"
  | "padt"
  | "padt-sent"
  | "malformed"
  | "foreign"
  | "foreign-padt"
  | "unknown-session"
  | "rate"
  | "refused-mac"
  | "refused-service"
  | "refused-limit"
  | "refused-load"
  | "bad-cookie";

/** Who is told. */
export interface ConcentratorSink {
  /** Sends an Ethernet frame, so many milliseconds from now. */
  send(frame: Uint8Array, delayMs: number): void;
  /** A client asked for a session in due form: {@linkcode Concentrator.confirm} or {@linkcode Concentrator.refuse} answers. */
  begun(client: Client): void;
  /** A client said that its session is over (PADT). */
  ended(client: Client): void;
  count(what: DiscoveryCounter): void;
  /** As many sessions are on their way up as there may be: nobody is offered one meanwhile. */
  busy(): boolean;
}

/** A client, and what its PADR said. */
interface Entry {
  readonly client: Client;
  readonly key: string;
  readonly mac: Mac;
  /** What a repetition of its PADR has, too. */
  readonly asked: string;
  /** What PADS says again. */
  readonly echo: Tags;
  confirmed: boolean;
}

/** Discovery at one interface. */
export class Concentrator {
  #rules: ConcentratorRules;
  readonly #interface: Interface;
  readonly #sink: ConcentratorSink;
  readonly #counts: SessionCounts;
  readonly #key: Uint8Array;
  readonly #ids: SessionIds;
  #rates: AskingRates;
  readonly #seed: number;
  readonly #own: Mac;
  readonly #entries = new Map<string, Entry>();
  /** By what a repetition of a PADR has. */
  readonly #asked = new Map<string, Entry>();

  constructor(
    at: Interface,
    rules: ConcentratorRules,
    counts: SessionCounts,
    random: (length: number) => Uint8Array,
    sink: ConcentratorSink,
  ) {
    this.#interface = at;
    this.#rules = rules;
    this.#counts = counts;
    this.#sink = sink;
    this.#own = parseMac(at.mac);
    this.#key = random(COOKIE_KEY);
    this.#ids = new SessionIds(random, rules.idRestMs);
    this.#seed = new DataView(random(4).buffer).getUint32(0);
    this.#rates = this.#makeRates();
  }

  /** Those who have a session, or are about to. */
  get clients(): IterableIterator<Client> {
    return this.#entries.values().map(({ client }) => client);
  }

  /** Other rules, from the next frame on; those who have a session keep it. */
  change(rules: ConcentratorRules): void {
    this.#rules = rules;
    this.#rates = this.#makeRates();
  }

  /** An Ethernet frame came that is none of a session's that is up. */
  input(bytes: Uint8Array, now: number): void {
    const frame = parseFrame(bytes);
    if (typeof frame === "string") return this.#sink.count("malformed");
    if (frame.etherType === EtherType.Session) return this.#strayData(frame, now);
    const isOurs = equalBytes(frame.destination, this.#own);
    switch (frame.code) {
      case Code.Padi:
        return this.#padi(frame, now);
      case Code.Padr:
        return isOurs ? this.#padr(frame, now) : this.#sink.count("foreign");
      case Code.Padt:
        return isOurs ? this.#padt(frame, now) : this.#sink.count("foreign");
      default:
        // Another concentrator's answers, or what nobody knows.
        return this.#sink.count("foreign");
    }
  }

  /** The session is there: PADS leaves. */
  confirm(client: Client): void {
    const entry = this.#entryOf(client);
    if (!entry) return;
    entry.confirmed = true;
    this.#sendPads(entry, client.sessionId, entry.echo);
  }

  /** The session cannot be had: PADS says so, with id 0 (RFC 2516 §5.4). The client is forgotten. */
  refuse(client: Client, reason: string, now: number): void {
    const entry = this.#entryOf(client);
    if (!entry) return;
    this.#forget(entry, now);
    const acSystemError = new TextEncoder().encode(reason);
    this.#sendPads(entry, 0, { ...entry.echo, acSystemError });
  }

  /** The session ends: PADT leaves, unless the client said so itself. The client is forgotten. */
  end(client: Client, now: number, tell = true): void {
    const entry = this.#entryOf(client);
    if (!entry) return;
    this.#forget(entry, now);
    if (tell) this.#sendPadt(entry.mac, client.vlans, client.sessionId);
  }

  #makeRates(): AskingRates {
    return new AskingRates(this.#rules.askingPerMac, this.#rules.asking, this.#seed);
  }

  #padi(frame: PppoeFrame, now: number): void {
    this.#sink.count("padi");
    const asked = this.#admit(frame, now);
    if (!asked) return;
    const { acName, delays, limits, services } = this.#rules;
    const serviceNames = offered(services, asked.service);
    if (!serviceNames) return this.#sink.count("refused-service");
    if (this.#counts.reached(asked.owner, limits)) return this.#sink.count("refused-limit");
    const delayMs = offerDelay(delays, this.#counts.all);
    if (delayMs === undefined || this.#sink.busy()) return this.#sink.count("refused-load");
    const tags: Tags = {
      ...this.#echoed(asked.tags),
      serviceNames,
      acNames: [new TextEncoder().encode(acName)],
      acCookie: makeCookie(this.#key, this.#holder(frame), now),
    };
    this.#sink.count("pado");
    this.#send(frame.source, frame.vlans, Code.Pado, 0, emitTags(tags), delayMs);
  }

  #padr(frame: PppoeFrame, now: number): void {
    this.#sink.count("padr");
    const asked = this.#admit(frame, now);
    if (!asked) return;
    const { owner, service, tags } = asked;
    const cookie = tags.acCookie;
    if (!cookie || !isCookie(this.#key, this.#holder(frame), cookie, now)) {
      return this.#sink.count("bad-cookie");
    }
    const echo = { ...this.#echoed(tags), serviceNames: [service] };
    if (!isServed(this.#rules.services, service)) {
      this.#sink.count("refused-service");
      const serviceNameError = new TextEncoder().encode("no such service here");
      return this.#answer(frame, { ...echo, serviceNameError });
    }
    const repetition = [owner.vlans, owner.mac, service, cookie, tags.hostUniq ?? "none"]
      .map((part) => typeof part === "string" ? part : part.toHex()).join(" ");
    const known = this.#asked.get(repetition);
    // A repeated PADR gets the same PADS.
    if (known) return known.confirmed ? this.confirm(known.client) : undefined;
    // It says so again, soon.
    if (this.#sink.busy()) return this.#sink.count("refused-load");
    const sessionId = this.#counts.reached(owner, this.#rules.limits)
      ? undefined
      : this.#ids.allocate(now);
    if (sessionId === undefined) {
      this.#sink.count("refused-limit");
      const acSystemError = new TextEncoder().encode("no more sessions");
      return this.#answer(frame, { ...echo, acSystemError });
    }
    this.#begin(frame, asked, echo, repetition, sessionId);
  }

  #begin(
    frame: PppoeFrame,
    { owner, service, tags }: Asked,
    echo: Tags,
    repetition: string,
    sessionId: number,
  ): void {
    const vlans = [...frame.vlans];
    const client: Client = {
      mac: owner.mac,
      vlans,
      sessionId,
      serviceName: service.slice(),
      line: parseLine(tags.vendors ?? []),
      maxPayload: echo.maxPayload === undefined
        ? Math.min(DEFAULT_MAX_PAYLOAD, this.#largest(vlans))
        : Math.min(echo.maxPayload, this.#largest(vlans)),
    };
    const entry: Entry = {
      client,
      key: keyOf(vlans, owner.mac, sessionId),
      mac: frame.source.slice(),
      asked: repetition,
      echo: copied(echo),
      confirmed: false,
    };
    this.#entries.set(entry.key, entry);
    this.#asked.set(repetition, entry);
    this.#counts.count(owner, 1);
    this.#sink.begun(client);
  }

  #padt(frame: PppoeFrame, now: number): void {
    const entry = this.#entries.get(
      keyOf(frame.vlans, formatMac(frame.source), frame.sessionId),
    );
    if (!entry) return this.#sink.count("foreign-padt");
    this.#sink.count("padt");
    this.#forget(entry, now);
    this.#sink.ended(entry.client);
  }

  /** Data of a session that is not there: whoever sends it does not know that it is over, and is told. */
  #strayData(frame: PppoeFrame, now: number): void {
    if (!equalBytes(frame.destination, this.#own)) return this.#sink.count("foreign");
    const { sessionId, source, vlans } = frame;
    // One that is only just there, or just over: its port knows.
    if (this.#entries.has(keyOf(vlans, formatMac(source), sessionId))) return;
    this.#sink.count("unknown-session");
    if (this.#rates.allows(source, vlans, now)) this.#sendPadt(source, vlans, sessionId);
  }

  /** Who asks for what, if it may ask at all. */
  #admit(frame: PppoeFrame, now: number): Asked | undefined {
    if (!this.#rates.allows(frame.source, frame.vlans, now)) return void this.#sink.count("rate");
    const tags = frame.sessionId === 0 ? parseTags(frame.payload) : undefined;
    if (!tags) return void this.#sink.count("malformed");
    const mac = formatMac(frame.source);
    if (!mayCome(this.#rules.macs, mac)) return void this.#sink.count("refused-mac");
    const owner = { interface: this.#interface.name, vlans: vlanKey(frame.vlans), mac };
    return { owner, tags, service: tags.serviceNames?.[0] ?? new Uint8Array() };
  }

  /** What an answer says again: as it was, and PPP-Max-Payload only where the interface carries more (RFC 4638 §4). */
  #echoed({ hostUniq, maxPayload, relaySessionId }: Tags): Tags {
    const larger = maxPayload !== undefined && maxPayload > DEFAULT_MAX_PAYLOAD &&
      this.#interface.mtu - PPPOE_AND_PROTOCOL > DEFAULT_MAX_PAYLOAD;
    return {
      ...(hostUniq && { hostUniq }),
      ...(relaySessionId && { relaySessionId }),
      ...(larger && { maxPayload }),
    };
  }

  /** The largest PPP payload in frames with those tags. */
  #largest(vlans: readonly VlanTag[]): number {
    return this.#interface.mtu - PPPOE_AND_PROTOCOL - tagBytes(vlans);
  }

  #holder(frame: PppoeFrame): CookieHolder {
    return { interface: this.#interface.name, vlans: vlanKey(frame.vlans), mac: frame.source };
  }

  #entryOf({ mac, sessionId, vlans }: Client): Entry | undefined {
    return this.#entries.get(keyOf(vlans, mac, sessionId));
  }

  #forget(entry: Entry, now: number): void {
    const { asked, client, key } = entry;
    this.#entries.delete(key);
    this.#asked.delete(asked);
    this.#ids.release(client.sessionId, now);
    const { mac, vlans } = client;
    this.#counts.count({ interface: this.#interface.name, vlans: vlanKey(vlans), mac }, -1);
  }

  #answer(frame: PppoeFrame, tags: Tags): void {
    this.#sink.count("pads");
    this.#send(frame.source, frame.vlans, Code.Pads, 0, emitTags(tags));
  }

  #sendPads({ client, mac }: Entry, sessionId: number, tags: Tags): void {
    this.#sink.count("pads");
    this.#send(mac, client.vlans, Code.Pads, sessionId, emitTags(tags));
  }

  #sendPadt(mac: Mac, vlans: readonly VlanTag[], sessionId: number): void {
    this.#sink.count("padt-sent");
    this.#send(mac, vlans, Code.Padt, sessionId, new Uint8Array());
  }

  #send(
    destination: Uint8Array,
    vlans: readonly VlanTag[],
    code: number,
    sessionId: number,
    payload: Uint8Array,
    delayMs = 0,
  ): void {
    const etherType = EtherType.Discovery;
    const frame = { destination, source: this.#own, vlans, etherType, code, sessionId, payload };
    this.#sink.send(emitFrame(frame), delayMs);
  }
}

/** What a PADI or PADR asks for. */
interface Asked {
  readonly owner: { readonly interface: string; readonly vlans: string; readonly mac: string };
  readonly tags: Tags;
  readonly service: Uint8Array;
}

function keyOf(vlans: readonly VlanTag[], mac: string, sessionId: number): string {
  return `${vlanKey(vlans)} ${mac} ${sessionId}`;
}

/** Tags whose octets are nobody else's. */
function copied({ hostUniq, maxPayload, relaySessionId, serviceNames }: Tags): Tags {
  return {
    ...(hostUniq && { hostUniq: hostUniq.slice() }),
    ...(relaySessionId && { relaySessionId: relaySessionId.slice() }),
    ...(maxPayload !== undefined && { maxPayload }),
    ...(serviceNames && { serviceNames: serviceNames.map((name) => name.slice()) }),
  };
}
