/** What requests say: who asks, for whom, and what the call was. @module */

import { concat } from "../../../../core/wire/bytes.ts";
import { parseIp } from "../../../../core/endpoint.ts";
import type { Asked, Framed, Subscriber, Usage } from "../authenticator.ts";
import type { CallFacts } from "../call.ts";
import type { MapOptions } from "../options.ts";
import type { Secret } from "./authenticity.ts";
import { type Definition, type Dictionary, DictionaryError } from "./dictionary.ts";
import { hidePassword, LONGEST_PASSWORD } from "./hiding.ts";
import { type Attribute, AttributeWriter } from "./packet.ts";
import { readTemplate, type Template } from "./templates.ts";
import { utf8 } from "./text.ts";
import { encodeValue } from "./values.ts";

/** What this appliance says of itself and of its calls. */
export interface RequestSetting {
  readonly nasIdentifier: string;
  readonly nasAddress?: string;
  readonly callingStationId: string;
  readonly calledStationId: string;
  readonly nasPortId: string;
  readonly map: readonly MapOptions[];
}

/** An attribute of the IETF's with a text. */
export function text(type: number, value: string): Attribute {
  return { vendor: 0, type, value: utf8(value) };
}

/** An attribute of the IETF's with a number of 32 bits. */
export function number(type: number, value: number): Attribute {
  const octets = Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
  return { vendor: 0, type, value: octets };
}

/** An attribute of the IETF's with octets. */
export function octets(type: number, value: Uint8Array): Attribute {
  return { vendor: 0, type, value };
}

/** Who asks: NAS-Identifier, and NAS-IP-Address or NAS-IPv6-Address. */
export function nasAttributes({ nasIdentifier, nasAddress }: RequestSetting): Attribute[] {
  const address = nasAddress === undefined ? undefined : parseIp(nasAddress);
  return [
    text(32, nasIdentifier),
    ...(address ? [octets(address.length === 4 ? 4 : 95, address)] : []),
  ];
}

/** Makes attributes of calls, as packets have them. */
export class Requests {
  readonly #writer: AttributeWriter;
  readonly #portId: Template;
  readonly #calling: Template;
  readonly #called: Template;
  /** Of every call. */
  readonly #same: readonly Attribute[];
  readonly #sent: readonly {
    readonly definition: Definition;
    readonly template: Template;
    readonly in: readonly string[];
  }[];

  /** @throws {DictionaryError} where the map names an attribute that no dictionary has */
  constructor(setting: RequestSetting, dictionary: Dictionary) {
    this.#writer = new AttributeWriter(dictionary.formats);
    this.#portId = readTemplate(setting.nasPortId);
    this.#calling = readTemplate(setting.callingStationId);
    this.#called = readTemplate(setting.calledStationId);
    this.#same = [...nasAttributes(setting), number(6, FRAMED), number(7, PPP)];
    this.#sent = setting.map.flatMap(({ attribute, send, in: where }) => {
      if (send === undefined) return [];
      const definition = dictionary.named(attribute);
      if (!definition) throw new DictionaryError(`no dictionary has an attribute ${attribute}`);
      return [{ definition, template: readTemplate(send), in: where }];
    });
  }

  /** Of every Access-Request for a call; `user` as the server is to see it. */
  access(call: CallFacts, user: Uint8Array): Uint8Array<ArrayBuffer> {
    this.#call("access", call, user);
    return this.#writer.end();
  }

  /** Of every record of an account. */
  accounting(
    call: CallFacts,
    user: Uint8Array,
    ...more: readonly Attribute[]
  ): Uint8Array<ArrayBuffer> {
    this.#call("accounting", call, user);
    for (const attribute of more) this.#writer.add(attribute);
    return this.#writer.end();
  }

  /** Calling-Station-Id, Called-Station-Id and NAS-Port-Id, by their types. */
  text(type: 30 | 31 | 87, call: CallFacts, user: string): string | undefined {
    const template = type === 30 ? this.#called : type === 31 ? this.#calling : this.#portId;
    return template(call, user);
  }

  #call(purpose: "access" | "accounting", call: CallFacts, user: Uint8Array): void {
    const writer = this.#writer.begin();
    const name = decoder.decode(user);
    writer.octets(1, user);
    for (const attribute of this.#same) writer.add(attribute);
    if (call.port !== undefined) writer.number(5, call.port);
    writer.number(61, call.portType);
    writer.text(44, call.id);
    for (const type of [87, 31, 30] as const) {
      const value = this.text(type, call, name);
      if (value !== undefined) writer.text(type, value);
    }
    writeSpeeds(writer, call);
    writeTunnel(writer, call, purpose);
    writeLine(writer, call, purpose);
    for (const { definition, template, in: where } of this.#sent) {
      const value = where.includes(purpose) ? template(call, name) : undefined;
      const encoded = value === undefined ? undefined : encodeValue(definition, value);
      const { type, vendor } = definition;
      if (encoded) writer.add({ vendor, type, value: encoded });
    }
  }
}

/** Acct-Authentic (RFC 2866 §5.6). */
export function authenticAttribute(authentic: Subscriber["authentic"]): Attribute {
  return number(45, { radius: 1, local: 2, remote: 3 }[authentic]);
}

const decoder = new TextDecoder();
const FRAMED = 2;
const PPP = 1;
const L2TP = 3;
const MICROSOFT = 311;
const ADSL_FORUM = 3561;

/** Whether a request can carry what proves who the client is. */
export function isProvable(asked: Asked): boolean {
  switch (asked.kind) {
    case "none":
      return true;
    case "pap":
      return asked.password.length <= LONGEST_PASSWORD;
    case "chap-md5":
      return asked.response.length === 16;
    case "mschapv2":
      return asked.response.length === 49;
  }
}

/** What proves who the client is, of what {@linkcode isProvable}. */
export function proof(asked: Asked, authenticator: Uint8Array, secret: Secret): Attribute[] {
  switch (asked.kind) {
    case "none":
      return [octets(2, hidePassword(new Uint8Array(0), authenticator, secret))];
    case "pap":
      return [octets(2, hidePassword(asked.password, authenticator, secret))];
    case "chap-md5":
      return [
        octets(3, concat([Uint8Array.of(asked.id), asked.response])),
        octets(60, asked.challenge),
      ];
    case "mschapv2": {
      // RFC 2548 §2.3.2: Ident, Flags, Peer-Challenge, Reserved, Response.
      const flags = asked.response[48]!;
      const value = concat([Uint8Array.of(asked.id, flags), asked.response.subarray(0, 48)]);
      return [
        { vendor: MICROSOFT, type: 11, value: asked.challenge },
        { vendor: MICROSOFT, type: 25, value },
      ];
    }
  }
}

/** Connect-Info: bits a second, to the client and from it. */
function writeSpeeds(writer: AttributeWriter, { txSpeed, rxSpeed }: CallFacts): void {
  if (txSpeed === undefined) return;
  writer.text(77, rxSpeed === undefined ? `${txSpeed}` : `${txSpeed}/${rxSpeed}`);
}

/** RFC 2868 and 2867: the tunnel that the call came in by. */
function writeTunnel(
  writer: AttributeWriter,
  { tunnel }: CallFacts,
  purpose: "access" | "accounting",
): void {
  if (!tunnel) return;
  const tagged = (type: number, value: string | undefined) => {
    if (value !== undefined && value !== "") writer.text(type, `\0${value}`);
  };
  const medium = (tunnel.clientEndpoint ?? tunnel.serverEndpoint ?? "").includes(":") ? 2 : 1;
  writer.number(64, L2TP);
  writer.number(65, medium);
  tagged(66, tunnel.clientEndpoint);
  tagged(67, tunnel.serverEndpoint);
  tagged(82, tunnel.assignmentId);
  tagged(90, tunnel.clientAuthId);
  tagged(91, tunnel.serverAuthId);
  if (purpose === "accounting" && tunnel.connection !== undefined) {
    writer.text(68, tunnel.connection);
  }
}

/** RFC 4679 §4: 131 to 142 are for accounting alone. */
function writeLine(
  writer: AttributeWriter,
  { line }: CallFacts,
  purpose: "access" | "accounting",
): void {
  for (const { type, value } of line ?? []) {
    if (purpose === "access" && type >= 131 && type <= 142) continue;
    writer.add({ vendor: ADSL_FORUM, type, value });
  }
}

/** A session's addresses, for accounting. */
export function framedAttributes(framed: Framed): Attribute[] {
  const prefix = (type: number) => (value: string): Attribute[] => {
    const encoded = encodeValue({ kind: "ipv6prefix", values: NO_VALUES }, value);
    return encoded ? [octets(type, encoded)] : [];
  };
  const address = (type: number) => (value: string): Attribute[] => {
    const encoded = parseIp(value);
    return encoded ? [octets(type, encoded)] : [];
  };
  return [
    ...(framed.address === undefined ? [] : address(8)(framed.address)),
    ...(framed.interfaceId ? [octets(96, framed.interfaceId)] : []),
    ...(framed.ipv6Prefixes ?? []).flatMap(prefix(97)),
    ...(framed.ipv6Addresses ?? []).flatMap(address(168)),
    ...(framed.delegatedPrefixes ?? []).flatMap(prefix(123)),
  ];
}

const NO_VALUES = new Map<string, number>();

/** Counters of 64 bits, each in two attributes (RFC 2866 §5.3, RFC 2869 §5.1), and seconds. */
export function usageAttributes(usage: Usage, seconds: number): Attribute[] {
  const wide = (low: number, high: number, value: number) => [
    number(low, value % 0x1_0000_0000),
    number(high, Math.floor(value / 0x1_0000_0000)),
  ];
  return [
    number(46, seconds),
    ...wide(42, 52, usage.upOctets),
    ...wide(43, 53, usage.downOctets),
    number(47, usage.upPackets % 0x1_0000_0000),
    number(48, usage.downPackets % 0x1_0000_0000),
  ];
}
