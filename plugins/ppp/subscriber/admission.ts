/** Whether there is room for one more session of a user, and what it gets. @module */

import type { Scope } from "../../plugin.ts";
import type { Grant } from "../aaa/authenticator.ts";
import { type Offer, offerOf, profileNameOf } from "../offer.ts";
import type { Present } from "../service.ts";
import type { Termination } from "../termination.ts";

/** So long is waited for the end of a session that another one replaces, in milliseconds. */
const REPLACE_MS = 3000;

/**
 * What a subscriber gets here; a text says why it may not come in. Where sessions replace each other, the former ones
 * have ended by then.
 *
 * @param peer what the peer calls itself
 */
export async function offerFor(
  scope: Scope,
  { options, subscribers }: Termination,
  grant: Grant,
  peer: string | undefined,
): Promise<Offer | string> {
  const others = subscribers.of(grant.user);
  const policy = options["sessions-per-user"];
  if (policy === "deny" && others.length > 0) return "the user is here already";
  const { portLimit = Infinity } = grant;
  if (policy !== "replace" && others.length >= portLimit) {
    return `the user has ${others.length} sessions, as many as it may have`;
  }
  if (policy === "replace") await replace(scope, others);
  const name = profileNameOf(options, { grant, peer });
  const profile = name === undefined ? undefined : subscribers.section.profiles[name];
  if (name !== undefined && !profile) return `there is no profile ${name}`;
  return offerOf(grant, profile, options);
}

/** Ends other sessions of the user, and waits for what they had: an address of the user's own is one of a kind. */
async function replace(scope: Scope, others: readonly Present[]): Promise<void> {
  if (others.length === 0) return;
  for (const other of others) {
    const message = "replaced by a new session of the user";
    other.end({ result: 3, message }, "port-preempted");
  }
  const { promise: late, resolve } = Promise.withResolvers<void>();
  const timer = scope.timer(scope.now() + REPLACE_MS, resolve);
  await Promise.race([late, Promise.all(others.map(({ gone }) => gone))]);
  timer.cancel();
}
