/** Addresses of DNS names, as this machine finds them: its hosts file, its name servers. @module */

import { lookup } from "node:dns/promises";
import { canonicalIp } from "../../core/endpoint.ts";

/** How long a name server may take, in milliseconds. */
const LIMIT_MS = 10_000;

/**
 * All addresses of a name in canonical text, in the order that the resolver prefers.
 * @throws {Error} that says which name has none, or that nobody answered
 */
export async function lookUp(name: string): Promise<readonly string[]> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new Error(`no name server answered for ${name} within ${LIMIT_MS / 1000} s`);
    timer = setTimeout(() => reject(error), LIMIT_MS);
  });
  try {
    const found = await Promise.race([lookup(name, { all: true, verbatim: true }), late]);
    const addresses = found.flatMap(({ address }) => canonicalIp(address) ?? []);
    if (addresses.length === 0) throw new Error(`the name ${name} has no address`);
    return [...new Set(addresses)];
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error)) throw error;
    throw new Error(`cannot find an address of ${name} (${error.code})`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
