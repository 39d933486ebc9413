/** The sessions that servers may change and end, and which of them a request means (RFC 5176 §3). @module */

import { canonicalIp, formatIp } from "../../../../core/endpoint.ts";
import type { Subscriber } from "../authenticator.ts";
import type { RadiusAccount } from "./accounting.ts";
import type { Attribute } from "./packet.ts";
import { decodeValue } from "./values.ts";

/** A session, and its account where it has one. */
export interface Known {
  readonly subscriber: Subscriber;
  readonly account?: RadiusAccount;
  /** User-Name as servers know it. */
  readonly name: string;
  /** Calling-Station-Id, Called-Station-Id and NAS-Port-Id as servers know them. */
  readonly texts: Readonly<Record<number, string | undefined>>;
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
  30: sameText(({ texts }) => texts[30]),
  31: sameText(({ texts }) => texts[31]),
  44: sameText(({ subscriber }) => subscriber.call.id),
  61: ({ subscriber }, value) => subscriber.call.portType === decodeValue("integer", value),
  87: sameText(({ texts }) => texts[87]),
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
  readonly #byName = new Map<string, Set<Known>>();

  /** Adds a session; the result takes it out. */
  add(known: Known): () => void {
    const { id } = known.subscriber.call;
    this.#byId.set(id, known);
    const others = this.#byName.get(known.name) ?? new Set();
    this.#byName.set(known.name, others.add(known));
    return () => {
      if (this.#byId.get(id) === known) this.#byId.delete(id);
      others.delete(known);
      if (others.size === 0 && this.#byName.get(known.name) === others) {
        this.#byName.delete(known.name);
      }
    };
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
      ? [...this.#byName.get(name) ?? []]
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
