/**
 * What a peer that crashed and is back may take over of its former connection. A newer connection ends no other just for
 * being the same peer's: it takes what it claims (a managed tunnel's place, a circuit that takes so many sessions, room
 * below the tunnel limit). Those who have it are asked by HELLO, and keep it if they are there; where a secret proved that
 * it is who had it, silence is believed sooner.
 *
 * @module
 */

import type { Connection } from "../../core/connection.ts";
import type { ConnectionHandle } from "../../core/events.ts";
import { sameHost } from "../../core/path.ts";
import type { ManagedConnection, Takeover } from "./context.ts";
import type { Driver } from "./driver.ts";

/** How long those may be silent who are asked whether they are there, in milliseconds. */
const SILENCE_MS = 3000;
/** The same until a circuit is taken from one whose peer has proved on a newer connection that it is there. */
export const SAME_SILENCE_MS = 1000;

interface Question {
  /** Who has not answered. */
  readonly open: Set<ConnectionHandle>;
  settled(ended: ManagedConnection | undefined): void;
}

export function makeTakeover(driver: Driver): Takeover {
  const questions = new Map<ConnectionHandle, Set<Question>>();

  const close = (question: Question, handle: ConnectionHandle) => {
    question.open.delete(handle);
    const others = questions.get(handle);
    others?.delete(question);
    if (others?.size === 0) questions.delete(handle);
  };

  return {
    ask(holders, settled) {
      const question: Question = { open: new Set(holders.map(({ handle }) => handle)), settled };
      for (const handle of question.open) {
        const others = questions.get(handle) ?? new Set();
        questions.set(handle, others.add(question));
        driver.act((lcce, now) => lcce.ask(handle, SILENCE_MS, now));
      }
      if (question.open.size === 0) settled(undefined);
    },
    answered(handle) {
      for (const question of [...questions.get(handle) ?? []]) {
        close(question, handle);
        if (question.open.size === 0) question.settled(undefined);
      }
    },
    ended(link) {
      for (const question of [...questions.get(link.handle) ?? []]) {
        for (const handle of [...question.open]) close(question, handle);
        question.settled(link);
      }
    },
  };
}

/**
 * Whether `newer` was proven to be with the peer that `older` was with: one secret, one Host Name, in v3 one Router ID,
 * one address (RFC 3931 §5.4.3). Where we dialed either of the two, they may well both be alive.
 */
export function isProvenSame(newer: Connection, older: Connection): boolean {
  return !newer.initiator && !older.initiator &&
    newer.settings.secret !== undefined && newer.settings.name === older.settings.name &&
    sameHost(newer.path, older.path) &&
    newer.peer?.hostName === older.peer?.hostName &&
    newer.peer?.routerId === older.peer?.routerId;
}
