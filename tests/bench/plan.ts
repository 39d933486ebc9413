/**
 * What all programs of the bench agree on; baseline/plan.h says the same in C and explains it.
 *
 * @module
 */

export const subjectAddress = "10.99.0.1";
export const peerAddress = "10.99.0.2";
/** Where traffic comes from. */
export const peerPort = 1701;
/** Sink k receives at this port + k. */
export const sinkPort = 2001;

/** The 8 bytes that the subject expects. */
export const cookieIn = Uint8Array.of(0xc0, 1, 2, 3, 4, 5, 6, 0xc7);
/** The 8 bytes that it sends. */
export const cookieOut = Uint8Array.of(0xd0, 9, 8, 7, 6, 5, 4, 0xd7);

/** Ours, on an interface that carries PPPoE. */
export const concentratorMac = Uint8Array.of(2, 2, 0, 0, 0, 1);
/** That of all PPPoE sessions' client. */
export const clientMac = Uint8Array.of(2, 2, 0, 0, 0, 2);

/** The id under which the subject knows session `index`: in the low half those of the sending peer, then their partners. */
export function sessionId(index: number): number {
  return Math.imul(index + 1, 2654435761) >>> 0;
}

/** The same in L2TPv2. */
export function sessionId2(index: number): number {
  return sessionId(index) & 0xffff;
}

/** The id that the session's peer gave it. */
export function peerSessionId(index: number): number {
  return (sessionId(index) ^ 0x5bd1e995) >>> 0;
}

/** The same in L2TPv2. */
export function peerSessionId2(index: number): number {
  return -sessionId(index) & 0xffff;
}

/** xorshift32, as the C programs have it, as a signed number. */
export function nextRandom(state: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state;
}
