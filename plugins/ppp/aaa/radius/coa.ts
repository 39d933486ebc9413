/**
 * Changes that servers ask for (RFC 5176): CoA-Request and Disconnect-Request, each answered by ACK or NAK. One that came
 * before is answered as it was then, and does nothing again. Sans-I/O: datagrams in, datagrams out.
 *
 * @module
 */

import { canonicalIp } from "../../../../core/endpoint.ts";
import type { UdpAddress } from "../../../scope.ts";
import type { Grant, Terms } from "../authenticator.ts";
import { doubtOfRequest, isSigned, sealResponse, type Secret } from "./authenticity.ts";
import type { GrantMap } from "./grants.ts";
import type { RadiusMeters } from "./meters.ts";
import {
  type Attribute,
  CODE,
  joined,
  type Packet,
  parsePacket,
  PROXY_STATE,
  readNumber,
  type VendorFormats,
} from "./packet.ts";
import { number } from "./requests.ts";
import { identifies, type Known, type Sessions } from "./sessions.ts";

/** Error-Cause (RFC 5176 §3.5). */
const CAUSE = {
  unsupportedAttribute: 401,
  missingAttribute: 402,
  nasMismatch: 403,
  invalidRequest: 404,
  unsupportedService: 405,
  invalidValue: 407,
  notFound: 503,
  resources: 506,
} as const;

/** Who may ask. */
export interface ChangeClient {
  readonly address: string;
  readonly secret: Secret;
  /** Whether requests must have a Message-Authenticator. */
  readonly signed: boolean;
}

/** How requests are taken. */
export interface ChangeSetting {
  readonly clients: readonly ChangeClient[];
  readonly windowMs: number;
  readonly timestamps: boolean;
  readonly formats: VendorFormats;
  /** What a request may name us by: NAS-Identifier, and our addresses as octets in hexadecimal. */
  readonly nasIdentifier: string;
  readonly nasAddresses: readonly string[];
}

/** Answers that are remembered. */
const MOST_ANSWERS = 4096;

/** An answer that was given, or is being worked out. */
interface Given {
  readonly at: number;
  answer?: Uint8Array;
}

/** What a request came to: an Error-Cause, or undefined for an ACK. */
type Refusal = number | undefined;

/** See the module. */
export class Changes {
  readonly #setting: ChangeSetting;
  readonly #sessions: Sessions;
  readonly #map: GrantMap;
  readonly #meters: RadiusMeters;
  readonly #io: { date(): number };
  readonly #clients: ReadonlyMap<string, ChangeClient>;
  /** By client and authenticator, the oldest first. */
  readonly #given = new Map<string, Given>();

  constructor(
    setting: ChangeSetting,
    sessions: Sessions,
    map: GrantMap,
    meters: RadiusMeters,
    io: { date(): number },
  ) {
    this.#setting = setting;
    this.#sessions = sessions;
    this.#map = map;
    this.#meters = meters;
    this.#io = io;
    this.#clients = new Map(
      setting.clients.map((client) => [canonicalIp(client.address) ?? client.address, client]),
    );
  }

  /** Takes a datagram; the answer, if there is one, is handed to `send`, at once or when the change holds. */
  receive(datagram: Uint8Array, from: UdpAddress, send: (answer: Uint8Array) => void): void {
    const { formats } = this.#setting;
    const client = this.#clients.get(canonicalIp(from.address) ?? from.address);
    if (!client) return this.#meters.strangers.add();
    const packet = parsePacket(datagram, formats);
    if (typeof packet === "string") return this.#meters.malformed.add();
    if (packet.code !== CODE.coaRequest && packet.code !== CODE.disconnectRequest) {
      return this.#meters.unexpected.add();
    }
    const doubt = doubtOfRequest(packet, client.secret);
    if (doubt === "authenticator") return this.#meters.badAuthenticator.add();
    if (doubt) return this.#meters.badMessageAuthenticator.add();
    if (client.signed && !isSigned(packet)) return this.#meters.unsigned.add();
    const key = `${client.address}/${packet.id}/${packet.authenticator.toHex()}`;
    const before = this.#given.get(key);
    if (before) {
      this.#meters.replays.add();
      if (before.answer) send(before.answer);
      return;
    }
    if (this.#isStale(packet)) return this.#meters.replays.add();
    const given: Given = { at: this.#io.date() };
    this.#remember(key, given);
    void this.#carryOut(packet).then((refusal) => {
      given.answer = this.#answer(packet, refusal, client.secret);
      send(given.answer);
    });
  }

  /** RFC 5176 §6.3: an Event-Timestamp out of the window is of a packet that was kept back or is sent again by a stranger. */
  #isStale({ attributes }: Packet): boolean {
    const stamp = joined(attributes, 0, 55);
    if (stamp?.length !== 4) return this.#setting.timestamps;
    const away = Math.abs(readNumber(stamp, 0, 4) * 1000 - this.#io.date());
    return away > this.#setting.windowMs;
  }

  #remember(key: string, given: Given): void {
    this.#given.set(key, given);
    for (const [old, { at }] of this.#given) {
      if (this.#given.size <= MOST_ANSWERS && this.#io.date() - at < this.#setting.windowMs) break;
      this.#given.delete(old);
    }
  }

  async #carryOut(packet: Packet): Promise<Refusal> {
    const attributes = packet.attributes.filter(({ vendor, type }) =>
      vendor !== 0 || !HANDLED.has(type)
    );
    if (this.#isForAnother(attributes)) return CAUSE.nasMismatch;
    if (packet.malformed > 0) return CAUSE.invalidValue;
    const serviceType = joined(attributes, 0, SERVICE_TYPE);
    const disconnect = packet.code === CODE.disconnectRequest;
    // "Authorize Only" wants an Access-Request of us, which is not done (§3.2).
    if (serviceType) return disconnect ? CAUSE.unsupportedAttribute : CAUSE.unsupportedService;
    const found = this.#sessions.find(attributes);
    if (!found) return CAUSE.missingAttribute;
    if (found.length === 0) return CAUSE.notFound;
    const rest = attributes.filter((one) => !identifies(one) && !isNas(one));
    return disconnect ? this.#disconnect(found, rest) : await this.#change(found, rest);
  }

  #isForAnother(attributes: readonly Attribute[]): boolean {
    const { nasAddresses, nasIdentifier } = this.#setting;
    const ours = (value: Uint8Array, type: number) =>
      type === NAS_IDENTIFIER
        ? decoder.decode(value) === nasIdentifier
        : nasAddresses.includes(value.toHex());
    return attributes.some((one) => isNas(one) && !ours(one.value, one.type));
  }

  #disconnect(found: readonly Known[], rest: readonly Attribute[]): Refusal {
    // §3: what would have to be done besides, and is not known, is no reason to guess.
    if (rest.some(({ vendor, type }) => vendor === 0 && !IGNORED.has(type))) {
      return CAUSE.unsupportedAttribute;
    }
    for (const { subscriber } of found) subscriber.end("admin-reset");
    this.#meters.disconnects.add();
    return undefined;
  }

  async #change(found: readonly Known[], rest: readonly Attribute[]): Promise<Refusal> {
    const { malformed, terms, unknown } = this.#map.read(rest, this.#io.date());
    if (malformed > 0) return CAUSE.invalidValue;
    if (unknown.length > 0) return CAUSE.unsupportedAttribute;
    const changed = termsOf(terms);
    if (!changed) return CAUSE.unsupportedAttribute;
    try {
      for (const { account, subscriber } of found) {
        await subscriber.change(changed);
        if (changed.class) account?.classify(changed.class);
      }
    } catch {
      return CAUSE.resources;
    }
    this.#meters.changes.add();
    return undefined;
  }

  #answer(packet: Packet, refusal: Refusal, secret: Secret): Uint8Array {
    if (refusal !== undefined) this.#meters.refusedChanges.add();
    const disconnect = packet.code === CODE.disconnectRequest;
    const code = refusal === undefined
      ? disconnect ? CODE.disconnectAck : CODE.coaAck
      : disconnect
      ? CODE.disconnectNak
      : CODE.coaNak;
    const echoed = packet.attributes.filter(({ vendor, type }) =>
      vendor === 0 && (type === PROXY_STATE || type === STATE)
    );
    const attributes = [...refusal === undefined ? [] : [number(101, refusal)], ...echoed];
    return sealResponse(code, packet, attributes, secret, this.#setting.formats, isSigned(packet));
  }
}

/** What of a reading can change while a session lives; undefined: something of it cannot. */
function termsOf(read: Partial<Grant>): Terms | undefined {
  const all: Record<keyof Terms, true> = {
    rate: true,
    sessionTimeoutS: true,
    idleTimeoutS: true,
    quota: true,
    filters: true,
    interimIntervalS: true,
    class: true,
    profile: true,
  };
  // A message is for the user, whom nobody can tell any more.
  const { message: _, ...terms } = read;
  return Object.keys(terms).every((key) => key in all) ? terms : undefined;
}

function isNas({ vendor, type }: Attribute): boolean {
  return vendor === 0 && (type === 4 || type === NAS_IDENTIFIER || type === 95);
}

const decoder = new TextDecoder();
const SERVICE_TYPE = 6;
const STATE = 24;
const NAS_IDENTIFIER = 32;
/** Message-Authenticator, Event-Timestamp, Proxy-State and State are seen to elsewhere. */
const HANDLED: ReadonlySet<number> = new Set([80, 55, PROXY_STATE, STATE]);
/** What a Disconnect-Request may have besides (RFC 5176 §3.6): Reply-Message, Class, Acct-Terminate-Cause, Acct-Multi-Session-Id. */
const IGNORED: ReadonlySet<number> = new Set([18, 25, 49, 50]);
