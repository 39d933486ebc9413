/** What of one leg's AVPs the other leg's messages carry, and by which rule a call goes. Pure. @module */

import { globMatches } from "../glob.ts";
import type { CallAvps, CallMessage, Session, SessionTunnel } from "../plugin.ts";
import type { HopCount, Rule } from "./options.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Whom a call is for: Called Number, or what v3 says in its place. */
export function calledOf({ calledNumber, remoteEndId }: CallAvps): string {
  return calledNumber ?? (remoteEndId && textOf(remoteEndId)) ?? "";
}

/** The realm of who authenticates; undefined: no proxy authentication says a name. */
export function realmOf({ proxyAuth }: CallAvps): string | undefined {
  const name = proxyAuth?.name && textOf(proxyAuth.name);
  if (name === undefined) return undefined;
  const at = name.lastIndexOf("@");
  return at < 0 ? "" : name.slice(at + 1).toLowerCase();
}

/** The first rule that a call fits; undefined: none. */
export function ruleFor(
  rules: readonly Rule[],
  { tunnel }: Pick<Session, "tunnel">,
  said: CallAvps,
): Rule | undefined {
  const fits = (glob: string | undefined, value: string | undefined) =>
    glob === undefined || (value !== undefined && globMatches(glob, value));
  return rules.find((rule) =>
    fits(rule["called-number"], calledOf(said)) &&
    fits(rule["calling-number"], said.callingNumber ?? "") &&
    fits(rule.realm?.toLowerCase(), realmOf(said)) &&
    fits(rule.peer, tunnel?.peerName) &&
    fits(rule["host-name"], tunnel?.hostName)
  );
}

/** What the far leg is told of the near one's peer: all that it said, but for what a rule says otherwise. */
export function outgoing(said: CallAvps, rule: Rule, hops?: { count: HopCount; passed: number }) {
  const gone = new Set<string>(rule.remove ?? []);
  const { others = [], ...known } = passable(said);
  const kept = Object.entries(known).filter(([name]) => !gone.has(kebab(name)));
  const { set = {} } = rule;
  const counted = hops && { vendorId: hops.count["vendor-id"], type: hops.count.type };
  const strangers = gone.has("unknown-avps")
    ? []
    : others.filter(({ type, vendorId }) =>
      vendorId !== counted?.vendorId || type !== counted.type
    );
  const more = [
    ...strangers,
    ...(set.avps ?? []).map(({ type, value, "vendor-id": vendorId }) => ({
      vendorId,
      type,
      mandatory: false,
      value: Uint8Array.fromHex(value),
    })),
    ...(counted ? [{ ...counted, mandatory: false, value: Uint8Array.of(0, hops.passed) }] : []),
  ];
  const group = set["private-group-id"];
  return {
    ...Object.fromEntries(kept),
    // A number that the rule sets is what v3 knows the call by, too.
    ...(set["called-number"] !== undefined && {
      calledNumber: set["called-number"],
      remoteEndId: encoder.encode(set["called-number"]),
    }),
    ...(set["calling-number"] !== undefined && { callingNumber: set["calling-number"] }),
    ...(set["sub-address"] !== undefined && { subAddress: set["sub-address"] }),
    ...(group !== undefined && { privateGroupId: encoder.encode(group) }),
    ...(more.length > 0 && { others: more }),
  } as CallAvps;
}

/**
 * What one leg may say of the other: not its own serial numbers and circuit, and no vendor's AVP that a receiver would
 * have to know. Where v3 knows a call by an end id only, v2 calls it that.
 */
export function passable(said: CallAvps): CallAvps {
  const { callSerialNumber: _, circuitStatus: __, others = [], ...rest } = said;
  const called = calledOf(said);
  const optional = others.filter(({ mandatory }) => !mandatory);
  return {
    ...rest,
    ...(called !== "" && { calledNumber: called }),
    ...(optional.length > 0 && { others: optional }),
  };
}

/** What of an SLI or WEN the other leg's version can say, but for the circuit's status; undefined: nothing. */
export function news(
  { version = 2 }: Partial<Pick<SessionTunnel, "version">>,
  message: CallMessage,
  { accm, callErrors }: CallAvps,
): CallAvps | undefined {
  if (message === "WEN") return callErrors && { callErrors };
  return message === "SLI" && version === 2 && accm ? { accm } : undefined;
}

/** How many LCCEs a call has passed, as its peer counts. */
export function hopsOf({ others = [] }: CallAvps, count: HopCount): number {
  const found = others.find(({ type, vendorId }) =>
    vendorId === count["vendor-id"] && type === count.type
  );
  return found?.value.at(-1) ?? 0;
}

function textOf(octets: Uint8Array): string | undefined {
  try {
    return decoder.decode(octets);
  } catch {
    return undefined;
  }
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
