/** What the values of AVPs mean, for people: numbers of the RFCs in words, octets that are text as text. Pure. @module */

import { CdnResult, ErrorCode, StopResult } from "../../core/errors.ts";

/** Numbers by what they are called. */
type Numbers = Readonly<Record<string, number>>;

/** Pseudowire types (RFC 3931 §5.4.3) as the configuration calls them. */
const pseudowires: Numbers = { "ethernet-vlan": 4, ethernet: 5, hdlc: 6, ppp: 7, ip: 11 };
const sublayers: Numbers = { none: 0, default: 1 };
const sequencing: Numbers = { none: 0, "non-IP": 1, all: 2 };
const authentication: Numbers = { text: 1, chap: 2, pap: 3, none: 4, mschap: 5 };
/** Framing (RFC 2661 §4.4.3) and bearer (§4.4.4) are masks. */
const framing: Numbers = { synchronous: 1, asynchronous: 2 };
const bearer: Numbers = { digital: 1, analog: 2 };

/** What an AVP's value means, by the AVP's name; undefined: what it says is all there is. */
const meanings: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  "protocol-version": (value) =>
    typeof value === "number" ? `${value >> 8}.${value & 0xff}` : undefined,
  "framing-capabilities": (value) => bits(value, framing),
  "framing-type": (value) => bits(value, framing),
  "bearer-capabilities": (value) => bits(value, bearer),
  "bearer-type": (value) => bits(value, bearer),
  "pseudowire-type": (value) => word(value, pseudowires),
  "pseudowire-capabilities": (value) =>
    Array.isArray(value)
      ? value.map((one) => word(one, pseudowires) ?? String(one)).join(", ")
      : undefined,
  "l2-specific-sublayer": (value) => word(value, sublayers),
  "data-sequencing": (value) => word(value, sequencing),
  "proxy-authen-type": (value) => word(value, authentication),
  "router-id": (value) =>
    typeof value === "number"
      ? [24, 16, 8, 0].map((shift) => value >>> shift & 0xff).join(".")
      : undefined,
  "remote-end-id": textOf,
  "private-group-id": textOf,
  "proxy-authen-name": textOf,
};

/** What an AVP's value means; undefined: nothing is known beyond the value. */
export function meaningOf(name: string, message: string, value: unknown): string | undefined {
  return name === "result-code" ? resultWords(message, value) : meanings[name]?.(value);
}

/** `6 (shutting down), error 0: back at noon` */
function resultWords(message: string, value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || !("result" in value)) return undefined;
  const { error, message: said, result } = value as Readonly<Record<string, unknown>>;
  const of = message === "StopCCN" ? StopResult : CdnResult;
  const parts = [numberWord(result, of)];
  if (typeof error === "number" && error !== 0) {
    parts.push(`error ${numberWord(error, ErrorCode)}`);
  }
  const text = parts.join(", ");
  return typeof said === "string" && said !== "" ? `${text}: ${said}` : text;
}

/** `2 (general error)` */
function numberWord(value: unknown, numbers: Numbers): string {
  const name = nameOf(value, numbers);
  const words = name?.replace(/(?<=.)[A-Z]/g, (letter) => ` ${letter}`).toLowerCase();
  return words === undefined ? String(value) : `${value} (${words})`;
}

function word(value: unknown, numbers: Numbers): string | undefined {
  const name = nameOf(value, numbers);
  return name === undefined ? undefined : `${value} (${name})`;
}

function nameOf(value: unknown, numbers: Numbers): string | undefined {
  return Object.entries(numbers).find(([, number]) => number === value)?.[0];
}

function bits(value: unknown, numbers: Numbers): string | undefined {
  if (typeof value !== "number") return undefined;
  const set = Object.entries(numbers).filter(([, bit]) => (value & bit) !== 0);
  return set.length === 0 ? undefined : `${value} (${set.map(([name]) => name).join(", ")})`;
}

/** Octets, in hexadecimal, that are printable ASCII: as text in quotes. */
function textOf(value: unknown): string | undefined {
  if (typeof value !== "string" || !/^([2-6][0-9a-f]|7[0-9a-e])+$/.test(value)) return undefined;
  return `"${new TextDecoder().decode(Uint8Array.fromHex(value))}"`;
}
