/** The sessions that servers may change and end, and which of them a request means (RFC 5176 §3). @module */

import { canonicalIp, formatIp } from "../../../../core/endpoint.ts";
import { Groups } from "../../groups.ts";
import type { Subscriber } from "../authenticator.ts";
import type { RadiusAccount } from "./accounting.ts";
import type { Attribute } from "./packet.ts";
import { decodeValue } from "./values.ts";

/** A session, and its account where it has one. */
export interface Known {
  /** Acct-Session-Id. */
  readonly id: string;
  readonly subscriber: Subscriber;
  readonly account: RadiusAccount | undefined;
  /** User-Name as servers know it. */
  readonly name: string;
  /** Calling-Station-Id, Called-Station-Id or NAS-Port-Id as servers know it, by its type. */
  text(type: 30 | 31 | 87): string | undefined;
}

/** Whether an attribute's value is the session's; undefined: it identifies no session. */
type Match = (known: Known, value: Uint8Array) => boolean;

const decoder = new TextDecoder();
const sameText = (of: (known: Known) => string | undefined): Match => (known, value) =>
  of(known) === decoder.decode(value);
const prefix = (list: (known: Known) => readonly string[] | undefined): Match => (known, value) => {
  const asked = decodeValue("ipv6prefix", value);
  return list(known)?.some((one) => canonicalPrefix(one) === asked) ?? false;
};

const MATCHES: Readonly<Record<number, Match>> = {
  1: sameText(({ name }) => name),
  5: ({ subscriber }, value) =>
    subscriber.call.port !== undefined && subscriber.call.port === decodeValue("integer", value),
  8: ({ subscriber }, value) => subscriber.framed().address === addressOf(value),
  30: sameText((known) => known.text(30)),
  31: sameText((known) => known.text(31)),
  44: sameText(({ subscriber }) => subscriber.call.id),
  61: ({ subscriber }, value) => subscriber.call.portType === decodeValue("integer", value),
  87: sameText((known) => known.text(87)),
  96: ({ subscriber }, value) => subscriber.framed().interfaceId?.toHex() === value.toHex(),
  97: prefix(({ subscriber }) => subscriber.framed().ipv6Prefixes),
  123: prefix(({ subscriber }) => subscriber.framed().delegatedPrefixes),
  168: ({ subscriber }, value) =>
    subscriber.framed().ipv6Addresses?.some((one) => canonicalIp(one) === addressOf(value)) ??
      false,
};
/** A port's type says nothing of which session is meant, only of which are not. */
const WEAK: ReadonlySet<number> = new Set([5, 61]);

/** Whether an attribute says which session is meant. */
export function identifies({ vendor, type }: Attribute): boolean {
  return vendor === 0 && type in MATCHES;
}

/** See the module. */
export class Sessions {
  readonly #byId = new Map<string, Known>();
  readonly #byName = new Groups<Known>();

  add(known: Known): void {
    this.#byId.set(known.id, known);
    this.#byName.add(known.name, known);
  }

  remove(known: Known): void {
    if (this.#byId.get(known.id) === known) this.#byId.delete(known.id);
    this.#byName.remove(known.name, known);
  }

  /** Those that all the identifying attributes fit; undefined: none of these says which. */
  find(attributes: readonly Attribute[]): readonly Known[] | undefined {
    const asked = attributes.filter(identifies);
    if (!asked.some(({ type }) => !WEAK.has(type))) return undefined;
    const text = (type: number) => {
      const found = asked.find((one) => one.type === type);
      return found && decoder.decode(found.value);
    };
    const [id, name] = [text(44), text(1)];
    const candidates = id !== undefined
      ? [this.#byId.get(id)].filter((one) => one !== undefined)
      : name !== undefined
      ? this.#byName.get(name)
      : [...this.#byId.values()];
    return candidates.filter((known) =>
      asked.every(({ type, value }) => MATCHES[type]!(known, value))
    );
  }
}

function addressOf(value: Uint8Array): string | undefined {
  return value.length === 4 || value.length === 16 ? formatIp(value) : undefined;
}

function canonicalPrefix(text: string): string {
  const [address = "", length] = text.split("/");
  return `${canonicalIp(address) ?? address}/${length}`;
}
