/** Service names: what a client may ask for, and what it is offered (RFC 2516 §5.1, §5.2). @module */

import { equalBytes } from "../../../core/wire/bytes.ts";

/** What is offered, and what else is taken. */
export interface ServiceRules {
  /** In the order in which they are offered. */
  readonly names: readonly string[];
  /** A client may leave open which one it wants. */
  readonly blank: boolean;
  /** A client may ask for any, whether it is among {@linkcode ServiceRules.names} or not. */
  readonly any: boolean;
}

const encoder = new TextEncoder();

/** Whether a client gets the service that it asks for; no octets: it does not mind which. */
export function isServed({ any, blank, names }: ServiceRules, asked: Uint8Array): boolean {
  if (asked.length === 0) return blank;
  return any || names.some((name) => equalBytes(encoder.encode(name), asked));
}

/**
 * The names in a PADO: the one that was asked for, as it was, and then all others. Undefined: it is not served, and gets
 * no PADO.
 */
export function offered(rules: ServiceRules, asked: Uint8Array): Uint8Array[] | undefined {
  if (!isServed(rules, asked)) return undefined;
  const others = rules.names.map((name) => encoder.encode(name))
    .filter((name) => !equalBytes(name, asked));
  return [asked, ...others];
}
