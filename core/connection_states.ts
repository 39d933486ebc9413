/** The states of a control connection, and what each message means in each (RFC 2661 §7.2.1, RFC 3931 §7.2). @module */

import type { ConnectionState } from "./events.ts";
import type { MessageType } from "./wire/message.ts";

/** What a message leads to. */
export type ConnectionAction =
  /** SCCRP: check who it is, send SCCCN, and be established. */
  | "reply"
  /** SCCCN: check who it is, and be established. */
  | "connected"
  /** StopCCN: clean up. */
  | "stopped"
  /** It is for a call. */
  | "call"
  /** SCCRP to an SCCRQ that we have given up: learn whom the StopCCN must name. */
  | "late-reply"
  | "nothing";

const calls = {
  ICRQ: "call",
  ICRP: "call",
  ICCN: "call",
  OCRQ: "call",
  OCRP: "call",
  OCCN: "call",
  CDN: "call",
  SLI: "call",
  WEN: "call",
} as const;

/** What each message means in each state; what is not here is a finite state machine error. */
export const connectionTable: Readonly<
  Record<ConnectionState, Partial<Record<MessageType, ConnectionAction>>>
> = {
  "wait-ctl-reply": { SCCRP: "reply", StopCCN: "stopped", HELLO: "nothing" },
  "wait-ctl-conn": { SCCCN: "connected", StopCCN: "stopped", HELLO: "nothing" },
  established: { ...calls, HELLO: "nothing", StopCCN: "stopped" },
  stopping: { SCCRP: "late-reply", StopCCN: "stopped" },
  closed: { SCCRP: "late-reply" },
};

/** Whether a message is for one call, and not for the connection. */
export function isCallMessage(type: MessageType): boolean {
  return type in calls;
}

/** Whether the connection has ended: what else comes is acknowledged and not acted on. */
export function hasEnded(state: ConnectionState): boolean {
  return state === "stopping" || state === "closed";
}
