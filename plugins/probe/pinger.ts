/** Echo requests on their way: what was sent, what came back, what is lost. Pure; time is handed in. @module */

/** How long an answer may take before it is counted as lost, in milliseconds. */
export const ECHO_TIMEOUT_MS = 2000;
/** The most requests that are waited for at once; the oldest is given up for the next. */
const MAX_OUTSTANDING = 256;
/** The weight of a new round trip in the smoothed one, as TCP's (RFC 6298 §2). */
const SMOOTHING = 1 / 8;

/** Figures of a {@linkcode Pinger}. */
export interface PingFigures {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  /** Milliseconds; absent before the first answer. */
  readonly lastRttMs?: number;
  /** Smoothed. */
  readonly averageRttMs?: number;
}

/** Keeps account of echo requests. */
export interface Pinger {
  /** Accounts for a request sent now and gives its sequence number. */
  send(now: number): number;
  /** Accounts for an answer; false: nobody waits for that one (a duplicate, late or forged). */
  receive(sequence: number, now: number): boolean;
  /** Gives up what is too late; how many were. */
  expire(now: number): number;
  figures(): PingFigures;
}

/** An account without entries. */
export function makePinger(): Pinger {
  /** When each outstanding request was sent, oldest first. */
  const outstanding = new Map<number, number>();
  let [sent, received, lost, next] = [0, 0, 0, 1];
  let lastRttMs: number | undefined;
  let averageRttMs: number | undefined;

  const giveUp = (sequence: number) => {
    outstanding.delete(sequence);
    lost++;
  };

  return {
    send(now) {
      const sequence = next;
      next = (next + 1) & 0xffff;
      if (outstanding.size >= MAX_OUTSTANDING) giveUp(outstanding.keys().next().value!);
      outstanding.set(sequence, now);
      sent++;
      return sequence;
    },
    receive(sequence, now) {
      const sentAt = outstanding.get(sequence);
      if (sentAt === undefined) return false;
      outstanding.delete(sequence);
      received++;
      lastRttMs = now - sentAt;
      averageRttMs = averageRttMs === undefined
        ? lastRttMs
        : averageRttMs + (lastRttMs - averageRttMs) * SMOOTHING;
      return true;
    },
    expire(now) {
      const before = lost;
      for (const [sequence, sentAt] of outstanding) {
        if (sentAt + ECHO_TIMEOUT_MS > now) break;
        giveUp(sequence);
      }
      return lost - before;
    },
    figures: () => ({
      sent,
      received,
      lost,
      ...(lastRttMs !== undefined && { lastRttMs }),
      ...(averageRttMs !== undefined && { averageRttMs }),
    }),
  };
}
