/** What replies and CoA-Requests mean: attributes to a {@linkcode Grant}, by a table of fields that the operator may add to. @module */

import type { Grant, Rate, Terms } from "../authenticator.ts";
import type { Field, MapOptions } from "../options.ts";
import { type Definition, type Dictionary, DictionaryError, type Kind } from "./dictionary.ts";
import { type Attribute, joined } from "./packet.ts";
import { parseCiscoRate, parseRateLimit } from "./rates.ts";
import { networkOf, parseCiscoRoute, parsePrefix, parseRoute } from "./routes.ts";
import { decodeValue, untag, type Value } from "./values.ts";

/** A grant in the making. */
type Draft = { -readonly [K in keyof Grant]: Grant[K] };

/** Puts a value where it belongs; false: it makes no sense there. */
type Put = (draft: Draft, value: Value) => boolean;

/** What is done with an attribute. */
interface Row {
  readonly field?: Field;
  readonly put: Put;
  readonly scale?: number;
}

const MOST = 64;

/** Adds to a list, up to a bound that no sane reply meets. */
function append<T>(list: readonly T[] | undefined, value: T | undefined): readonly T[] | undefined {
  return value === undefined || (list?.length ?? 0) >= MOST ? undefined : [...list ?? [], value];
}

/** A field whose value is a list of texts. */
function list(
  key:
    | "pools"
    | "ipv6Prefixes"
    | "ipv6Addresses"
    | "delegatedPrefixes"
    | "dns"
    | "nbns"
    | "filters",
  parse: (text: string) => string | undefined = (text) => text || undefined,
): Put {
  return (draft, value) => {
    const longer = append(draft[key], parse(String(value)));
    if (longer) draft[key] = longer;
    return longer !== undefined;
  };
}

/** A field whose value is a text. */
function text(key: "user" | "profile" | "ipv6Pool" | "ipv6AddressPool" | "delegatedPool"): Put {
  return (draft, value) => {
    if (value === "") return false;
    draft[key] = String(value);
    return true;
  };
}

/** A field whose value is a number. */
function number(
  key: "mtu" | "sessionTimeoutS" | "idleTimeoutS" | "portLimit" | "interimIntervalS",
  least = 0,
): Put {
  return (draft, value) => {
    const given = Number(value);
    if (!(given >= least)) return false;
    draft[key] = given;
    return true;
  };
}

function quota(key: "up" | "down" | "total", factor = 1): Put {
  return (draft, value) => {
    const given = Number(value) * factor;
    if (!(given >= 0)) return false;
    // Octets and gigawords come in two attributes.
    draft.quota = { ...draft.quota, [key]: (draft.quota?.[key] ?? 0) + given };
    return true;
  };
}

function rate(...directions: readonly ("up" | "down")[]): Put {
  return (draft, value) => {
    const given = Number(value);
    if (!(given >= 0)) return false;
    const limit: Rate = { bitsPerSecond: given || Infinity };
    for (const direction of directions) draft.rate = { ...draft.rate, [direction]: limit };
    return true;
  };
}

function putRates(draft: Draft, rates: Terms["rate"]): boolean {
  if (rates) draft.rate = { ...draft.rate, ...rates };
  return rates !== undefined;
}

/** RFC 2865 §5.8: two addresses that mean something else. */
const putAddress: Put = (draft, value) => {
  const special = { "255.255.255.254": "pool", "255.255.255.255": "client" } as const;
  draft.address = special[value as keyof typeof special] ?? String(value);
  return typeof value === "string" && value !== "0.0.0.0";
};

function putRoute(parse: typeof parseRoute): Put {
  return (draft, value) => {
    const routes = append(draft.routes, parse(String(value)));
    if (routes) draft.routes = routes;
    return routes !== undefined;
  };
}

const FIELDS: Readonly<Record<Field, Put>> = {
  user: text("user"),
  profile: text("profile"),
  address: putAddress,
  pool: list("pools"),
  route: putRoute(parseRoute),
  "ipv6-prefix": list("ipv6Prefixes", parsePrefix),
  "ipv6-pool": text("ipv6Pool"),
  "interface-id": (draft, value) => {
    if (!(value instanceof Uint8Array) || value.length !== 8) return false;
    draft.interfaceId = value;
    return true;
  },
  "ipv6-address": list("ipv6Addresses"),
  "ipv6-address-pool": text("ipv6AddressPool"),
  "delegated-prefix": list("delegatedPrefixes", parsePrefix),
  "delegated-pool": text("delegatedPool"),
  dns: list("dns"),
  nbns: list("nbns"),
  // RFC 2865 §5.12: 64 to 65535.
  mtu: number("mtu", 64),
  "session-timeout": number("sessionTimeoutS"),
  "idle-timeout": number("idleTimeoutS"),
  "quota-up": quota("up"),
  "quota-down": quota("down"),
  "quota-total": quota("total"),
  "rate-up": rate("up"),
  "rate-down": rate("down"),
  rate: (draft, value) => putRates(draft, parseRateLimit(String(value))),
  filter: list("filters"),
  "port-limit": number("portLimit", 1),
  "interim-interval": number("interimIntervalS", 1),
  message: (draft, value) => {
    draft.message = draft.message === undefined ? String(value) : `${draft.message}\n${value}`;
    return true;
  },
};

/** What a field's octets are where no dictionary says it, if they are no text. */
const KINDS: Partial<Record<Field, Kind>> = {
  address: "ipaddr",
  "ipv6-prefix": "ipv6prefix",
  "interface-id": "ifid",
  "ipv6-address": "ipv6addr",
  "delegated-prefix": "ipv6prefix",
  nbns: "ipaddr",
  mtu: "integer",
  "session-timeout": "integer",
  "idle-timeout": "integer",
  "quota-up": "integer",
  "quota-down": "integer",
  "quota-total": "integer",
  "rate-up": "integer",
  "rate-down": "integer",
  "port-limit": "integer",
  "interim-interval": "integer",
};

function kindOf(
  { definition, field }: Row & { readonly definition: Definition },
  length: number,
): Kind {
  if (definition.kind !== "octets" || field === undefined) return definition.kind;
  if (field === "dns") return length === 16 ? "ipv6addr" : "ipaddr";
  return KINDS[field] ?? "string";
}

const GIGAWORD = 0x1_0000_0000;

/** What is understood without the operator's saying. */
const BUILT_IN: readonly (readonly [attribute: string, put: Field | Put])[] = [
  ["User-Name", "user"],
  ["Framed-IP-Address", "address"],
  ["Framed-Pool", "pool"],
  ["Framed-Route", "route"],
  ["Framed-IPv6-Route", "route"],
  ["Route-IPv6-Information", "route"],
  ["Framed-IPv6-Prefix", "ipv6-prefix"],
  ["Framed-IPv6-Pool", "ipv6-pool"],
  ["Framed-Interface-Id", "interface-id"],
  ["Framed-IPv6-Address", "ipv6-address"],
  ["Stateful-IPv6-Address-Pool", "ipv6-address-pool"],
  ["Delegated-IPv6-Prefix", "delegated-prefix"],
  ["Delegated-IPv6-Prefix-Pool", "delegated-pool"],
  ["DNS-Server-IPv6-Address", "dns"],
  ["Framed-MTU", "mtu"],
  ["Session-Timeout", "session-timeout"],
  ["Idle-Timeout", "idle-timeout"],
  ["Port-Limit", "port-limit"],
  ["Filter-Id", "filter"],
  ["Acct-Interim-Interval", "interim-interval"],
  ["Reply-Message", "message"],
  ["Class", (draft, value) => {
    const longer = append(draft.class, value as Uint8Array);
    if (longer) draft.class = longer;
    return longer !== undefined;
  }],
  ["MS-Primary-DNS-Server", "dns"],
  ["MS-Secondary-DNS-Server", "dns"],
  ["MS-Primary-NBNS-Server", "nbns"],
  ["MS-Secondary-NBNS-Server", "nbns"],
  ["Mikrotik-Rate-Limit", "rate"],
  ["Mikrotik-Address-List", "filter"],
  ["Mikrotik-Group", "profile"],
  ["Mikrotik-Delegated-IPv6-Pool", "delegated-pool"],
  ["Mikrotik-Recv-Limit", "quota-up"],
  ["Mikrotik-Xmit-Limit", "quota-down"],
  ["Mikrotik-Total-Limit", "quota-total"],
  ["Mikrotik-Recv-Limit-Gigawords", quota("up", GIGAWORD)],
  ["Mikrotik-Xmit-Limit-Gigawords", quota("down", GIGAWORD)],
  ["Mikrotik-Total-Limit-Gigawords", quota("total", GIGAWORD)],
  ["WISPr-Bandwidth-Max-Up", "rate-up"],
  ["WISPr-Bandwidth-Max-Down", "rate-down"],
  // Alone it is both ways, beside Ascend-Xmit-Rate what the client sends.
  [
    "Ascend-Data-Rate",
    (draft, value) =>
      rate(...draft.rate?.down ? ["up" as const] : ["up" as const, "down" as const])(draft, value),
  ],
  ["Ascend-Xmit-Rate", "rate-down"],
  ["Ascend-Client-Primary-DNS", "dns"],
  ["Ascend-Client-Secondary-DNS", "dns"],
  ["Ascend-Maximum-Time", "session-timeout"],
  ["Ascend-Idle-Limit", "idle-timeout"],
  ["Ascend-Assign-IP-Pool", "pool"],
  ["Cisco-AVPair", (draft, value) => putAvPair(draft, String(value))],
];

/** `protocol:attribute=value` (or `*`: optional). What we do not have is none of our business. */
function putAvPair(draft: Draft, pair: string): boolean {
  const match = /^(?:(\w+):)?([\w-]+)(?:#\d+)?[=*](.*)$/s.exec(pair);
  if (!match) return false;
  const [, , name, value = ""] = match;
  switch (`${match[1] ?? "ip"}:${name}`) {
    case "ip:addr-pool":
      return FIELDS.pool(draft, value);
    case "ip:addr":
      return putAddress(draft, value);
    case "ip:route":
      return putRoute(parseCiscoRoute)(draft, value);
    case "ip:dns-servers":
      return value.trim().split(/\s+/).every((server) => FIELDS.dns(draft, server));
    case "ip:inacl":
    case "ip:outacl":
      return FIELDS.filter(draft, value);
    case "ipv6:prefix":
      return FIELDS["ipv6-prefix"](draft, value.trim().split(/\s+/)[0]!);
    case "ipv6:route":
      return FIELDS.route(draft, value);
    case "ipv6:addr-pool":
      return FIELDS["ipv6-pool"](draft, value);
    case "lcp:interface-config":
      return /\brate-limit\b/.test(value) ? putRates(draft, parseCiscoRate(value)) : true;
    default:
      return true;
  }
}

/** What was read, and what was not understood. */
export interface Reading {
  readonly terms: Partial<Grant>;
  /** Attributes that are known, with values that make no sense. */
  readonly malformed: number;
  /** Attributes that change nothing here: in a reply they are ignored, in a CoA-Request they cannot be carried out. */
  readonly unknown: readonly Attribute[];
}

/** The table. */
export class GrantMap {
  readonly #rows = new Map<string, Row & { readonly definition: Definition }>();
  readonly #dictionary: Dictionary;

  /** @throws {DictionaryError} where the map names an attribute that no dictionary has */
  constructor(dictionary: Dictionary, map: readonly MapOptions[]) {
    this.#dictionary = dictionary;
    for (const [name, put] of BUILT_IN) {
      this.#add(name, typeof put === "string" ? { field: put, put: FIELDS[put] } : { put });
    }
    for (const { attribute, to, scale } of map) {
      const row = to && { field: to, put: FIELDS[to], ...(scale !== undefined && { scale }) };
      if (row) this.#add(attribute, row);
    }
  }

  /** Reads a reply's attributes or a CoA-Request's. */
  read(attributes: readonly Attribute[], now: number): Reading {
    const draft: Partial<Draft> = {};
    const unknown: Attribute[] = [];
    let malformed = 0;
    for (const attribute of inOrder(attributes)) {
      const found = this.#rows.get(`${attribute.vendor}:${attribute.type}`);
      if (!found) {
        if (!this.#putOther(draft as Draft, attribute, now)) unknown.push(attribute);
        continue;
      }
      const { definition, put, scale } = found;
      const bare = definition.tagged ? untag(definition, attribute.value).value : attribute.value;
      const value = bare.length === 0 ? undefined : decodeValue(kindOf(found, bare.length), bare);
      const scaled = scale === undefined || value === undefined ? value : Number(value) * scale;
      if (scaled === undefined || !put(draft as Draft, scaled)) malformed++;
    }
    const netmask = joined(attributes, 0, NETMASK);
    if (netmask) this.#putNetmask(draft as Draft, netmask);
    return { terms: draft, malformed, unknown };
  }

  /** A subnet that is the client's: RFC 2865 §5.9. */
  #putNetmask(draft: Draft, netmask: Uint8Array): void {
    const mask = decodeValue("ipaddr", netmask);
    const prefix = mask && draft.address ? networkOf(draft.address, String(mask)) : undefined;
    // One address is its own subnet, and everything is nobody's.
    if (prefix && !/\/(?:32|0)$/.test(prefix)) {
      draft.routes = [...draft.routes ?? [], { prefix }];
    }
  }

  #putOther(draft: Draft, { vendor, type, value }: Attribute, now: number): boolean {
    if (vendor === WISPR && type === TERMINATE_TIME) {
      const at = Date.parse(String(decodeValue("string", value)));
      if (!(at >= 0)) return false;
      draft.sessionTimeoutS = Math.max(1, Math.round((at - now) / 1000));
      return true;
    }
    return vendor === 0 && HARMLESS.has(type);
  }

  #add(name: string, row: Row): void {
    const definition = this.#dictionary.named(name);
    if (!definition) {
      throw new DictionaryError(
        `no dictionary has an attribute ${name}; expected a name, or vendor:type`,
      );
    }
    this.#rows.set(`${definition.vendor}:${definition.type}`, { ...row, definition });
  }
}

/** Ascend-Data-Rate is read after what it depends on. */
function inOrder(attributes: readonly Attribute[]): readonly Attribute[] {
  const last = ({ vendor, type }: Attribute) => vendor === ASCEND && type === DATA_RATE;
  return attributes.some(last)
    ? [...attributes.filter((one) => !last(one)), ...attributes.filter(last)]
    : attributes;
}

const ASCEND = 529;
const DATA_RATE = 197;
const WISPR = 14122;
const TERMINATE_TIME = 9;
const NETMASK = 9;
/** Of the IETF's: what says nothing that could be done or left undone (hints, what identifies a session, proofs). */
const HARMLESS: ReadonlySet<number> = new Set([
  ...[4, 5, 6, 7, 9, 10, 13, 24, 29, 30, 31, 32, 33, 44, 50, 55, 61, 79, 80, 87, 89, 95],
]);
