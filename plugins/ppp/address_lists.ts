/**
 * Address lists: names that a profile, a file of users or a RADIUS server gives (Filter-Id), for the operator's nftables
 * sets that a subscriber's addresses are put into while it is here.
 *
 * @module
 */

import { z } from "zod";
import type { Endable, Scope } from "../plugin.ts";
import { isV6 } from "./addresses.ts";

/** A set by its family, table and name. */
const set = z.string().refine(isSet, "must be a set (`inet filter walled`)");

/** One list: a set holds addresses of one family. */
export const addressListSchema = z.strictObject({
  ipv4: set.exactOptional().describe("The set that IPv4 addresses go into (`inet filter walled`)"),
  ipv6: set.exactOptional().describe(
    "The set that IPv6 addresses and prefixes go into; one of prefixes has `flags interval`",
  ),
});
/** The section's lists, by name. */
export type AddressLists = Readonly<Record<string, z.infer<typeof addressListSchema>>>;

/** An address, or a network, in a set. */
export interface Membership {
  readonly set: string;
  readonly address: string;
}

/** Whether a text names a set itself. */
export function isSet(text: string): boolean {
  return /^\S+ \S+ \S+$/.test(text);
}

/** What is to be in which set; a name that is neither a list nor a set is `unknown`. A set that is named itself is for IPv4. */
export function membershipsOf(
  names: readonly string[],
  lists: AddressLists,
  addresses: readonly string[],
): { readonly wanted: readonly Membership[]; readonly unknown: readonly string[] } {
  const known = names.filter((name) => name in lists || isSet(name));
  const wanted = known.flatMap((name) => {
    const { ipv4, ipv6 } = lists[name] ?? { ipv4: name };
    return addresses.flatMap((address) => {
      const set = isV6(address) ? ipv6 : ipv4;
      return set === undefined ? [] : [{ set, address }];
    });
  });
  return { wanted, unknown: names.filter((name) => !known.includes(name)) };
}

/** What one subscriber has in sets. */
export class SetMemberships {
  readonly #scope: Scope;
  readonly #netns: string | undefined;
  readonly #had = new Map<string, Endable>();
  #last: Promise<void> = Promise.resolve();

  constructor(scope: Scope, netns: string | undefined) {
    this.#scope = scope;
    this.#netns = netns;
  }

  /** Has these and no others; what stays is not touched. Rejects where one cannot be had, and nothing has changed then. */
  have(wanted: readonly Membership[]): Promise<void> {
    // One change after another: each begins with what the one before it left.
    const own = this.#last.then(() => this.#change(wanted));
    this.#last = own.catch(() => {});
    return own;
  }

  async #change(wanted: readonly Membership[]): Promise<void> {
    const keys = new Map(wanted.map((one) => [`${one.address} in ${one.set}`, one]));
    const added = new Map<string, Endable>();
    try {
      for (const [key, { address, set }] of keys) {
        if (this.#had.has(key)) continue;
        const life = this.#scope.child(key);
        added.set(key, life);
        await life.addToSet(set, address, this.#netns);
      }
    } catch (error) {
      await this.#end(added.values());
      throw error;
    }
    const gone = [...this.#had].filter(([key]) => !keys.has(key));
    for (const [key] of gone) this.#had.delete(key);
    for (const [key, life] of added) this.#had.set(key, life);
    await this.#end(gone.map(([, life]) => life));
  }

  async #end(lives: Iterable<Endable>): Promise<void> {
    for (const life of lives) await life.end({ result: 3, message: "in the list no more" });
  }
}
