/** Who is offered a session, and how long it waits for the offer. @module */

/** From so many sessions on, an offer waits so many milliseconds; -1: there is none. */
export interface OfferDelay {
  readonly sessions: number;
  readonly delayMs: number;
}

/** The delay at a number of sessions; of the steps that are reached, the one of the most counts. Undefined: no offer. */
export function offerDelay(steps: readonly OfferDelay[], sessions: number): number | undefined {
  let highest: OfferDelay = { sessions: 0, delayMs: 0 };
  for (const step of steps) {
    if (step.sessions <= sessions && step.sessions >= highest.sessions) highest = step;
  }
  return highest.delayMs < 0 ? undefined : highest.delayMs;
}

/** Which MACs may come in. Entries are addresses, or their first octets (`02:00:5e`). */
export interface MacRules {
  /** Empty: all. */
  readonly allow: readonly string[];
  /** They may not, whatever `allow` says. */
  readonly deny: readonly string[];
}

/** Whether `text` is a MAC address in `02:00:…` notation, or its first octets. */
export function isMacPrefix(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){0,5}$/i.test(text);
}

/** Whether a MAC, in `02:00:…` notation, may come in. */
export function mayCome({ allow, deny }: MacRules, mac: string): boolean {
  const matches = (entry: string) => `${mac}:`.startsWith(`${entry.toLowerCase()}:`);
  return !deny.some(matches) && (allow.length === 0 || allow.some(matches));
}
