/** Rates as vendors write them. @module */

import type { Rate } from "../authenticator.ts";

/** Both directions: `up` is what comes from the client. */
export interface Rates {
  readonly up?: Rate;
  readonly down?: Rate;
}

/**
 * `rx-rate[/tx-rate] [rx-burst-rate[/tx-burst-rate] [rx-burst-threshold[/tx…] [rx-burst-time[/tx…]]]]`, as RouterOS reads
 * it, whose rx is what comes from the client; rates in bits a second with `k`, `M` or `G`. What may come at once is what a
 * burst carries beyond the rate. Priority and minimum rates, which may follow, are for queues that we do not have.
 */
export function parseRateLimit(text: string): Rates | undefined {
  const [rates, ...bursts] = text.trim().split(/\s+/).map((part) => part.split("/"));
  const [burstRate, threshold, time] = bursts;
  if (bursts.length > 5 || rates === undefined || rates.length > 2) return undefined;
  const direction = (i: 0 | 1): Rate | undefined | null => {
    const of = (part: string[] | undefined) => part && number(part[i] ?? part[0]!);
    const rate = of(rates);
    if (rate === undefined) return undefined;
    if (rate === 0) return null;
    const [burst, from, seconds] = [of(burstRate), of(threshold) ?? rate, of(time) ?? 1];
    if (!burst || burst <= rate) return { bitsPerSecond: rate };
    const lasts = seconds * Math.min(1, from / burst);
    return { bitsPerSecond: rate, burstOctets: Math.round((burst - rate) * lasts / 8) };
  };
  const [up, down] = [direction(0), direction(1)];
  if (up === undefined || down === undefined) return undefined;
  // 0 is no limit.
  return { up: up ?? UNLIMITED, down: down ?? UNLIMITED };
}

/** Takes a limit away. */
export const UNLIMITED: Rate = { bitsPerSecond: Infinity };

function number(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([kMG]?)$/.exec(text);
  if (!match) return undefined;
  return Math.round(Number(match[1]) * { "": 1, k: 1e3, M: 1e6, G: 1e9 }[match[2] as "k"]!);
}

/** `rate-limit input|output BPS [BURST …]` of IOS, in its direction: input is what comes from the client. */
export function parseCiscoRate(text: string): Rates | undefined {
  const match = /\brate-limit (input|output) (?:access-group \d+ )?(\d+)(?: (\d+))?/.exec(text);
  if (!match) return undefined;
  const rate = {
    bitsPerSecond: Number(match[2]),
    ...(match[3] !== undefined && { burstOctets: Number(match[3]) }),
  };
  return match[1] === "input" ? { up: rate } : { down: rate };
}
