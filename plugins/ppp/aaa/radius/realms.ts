/** Realms: what follows the `@` of a name, or goes before its backslash, and what is done about it. @module */

import type { RealmOptions } from "../options.ts";

/** A name, taken apart. */
export interface Realm {
  /** Lower case; undefined: it has none. */
  readonly realm: string | undefined;
  /** The name without it. */
  readonly bare: string;
  /** `DOMAIN\user`, as Windows writes it. */
  readonly before: boolean;
}

/** Takes a name apart: at its last `@`, or its first backslash. */
export function realmOf(name: string): Realm {
  const at = name.lastIndexOf("@");
  if (at >= 0 && at < name.length - 1) {
    return { realm: name.slice(at + 1).toLowerCase(), bare: name.slice(0, at), before: false };
  }
  const slash = name.indexOf("\\");
  if (slash > 0) {
    return { realm: name.slice(0, slash).toLowerCase(), bare: name.slice(slash + 1), before: true };
  }
  return { realm: undefined, bare: name, before: false };
}

/** What is asked of whom. */
export interface Routed {
  /** User-Name as servers see it. */
  readonly name: string;
  /** Only these servers. */
  readonly servers?: readonly string[];
  readonly profile?: string;
}

/**
 * Applies the first rule that fits: its realm, `*` for any, `-` for none, `*.example.net` for all below one. A realm behind
 * the name is kept where MS-CHAPv2 proves the name with it (RFC 2759 §8.2 hashes all but a domain before a backslash).
 */
export function route(
  name: string,
  rules: readonly RealmOptions[],
  fallback: string | undefined,
  kept: boolean,
): Routed {
  const own = realmOf(name);
  const realm = own.realm ?? fallback?.toLowerCase();
  const full = own.realm === undefined && fallback !== undefined && !kept
    ? `${name}@${fallback}`
    : name;
  const rule = rules.find((one) => fits(one.realm, realm));
  if (!rule) return { name: full };
  const strip = rule.strip && !(kept && !own.before);
  return {
    name: strip ? own.bare : full,
    ...(rule.servers && { servers: rule.servers }),
    ...(rule.profile !== undefined && { profile: rule.profile }),
  };
}

function fits(pattern: string, realm: string | undefined): boolean {
  if (pattern === "-") return realm === undefined;
  if (realm === undefined) return false;
  return pattern === "*" || pattern === realm ||
    (pattern.startsWith("*.") && realm.endsWith(pattern.slice(1)));
}
