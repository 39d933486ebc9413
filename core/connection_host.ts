/** What control connections have of their LCCE, and their calls of them. @module */

import type { AvpValues } from "./wire/catalogue.ts";
import type { Dialect } from "./dialect.ts";
import type { ConnectionHandle, ConnectionState, LcceEvent, PeerIdentity } from "./events.ts";
import type { ConnectionIds } from "./handshake.ts";
import type { MessageType } from "./wire/message.ts";
import type { RawAvp } from "./wire/raw_avp.ts";
import type { Path, PeerSettings } from "./settings.ts";
import type { TransportHost } from "./transport.ts";

/** What a connection needs from the LCCE that it belongs to. */
export interface ConnectionHost extends TransportHost {
  random(length: number): Uint8Array;
  event(event: LcceEvent): void;
  /** Whether the owner knows what comes in the sessions. */
  readonly hearsSessions: boolean;
  /** v3's session ids are the LCCE's (RFC 3931 §4.1). @param narrow One that would do in v2 as well. */
  allocateSessionId(narrow: boolean): number | undefined;
  releaseSessionId(id: number, now: number): void;
  /** Takes an id that was given out before; false: it is in use. */
  claimSessionId(id: number): boolean;
}

/** What the calls of a connection know of it. */
export interface CallsOwner {
  readonly handle: ConnectionHandle;
  readonly ids: ConnectionIds;
  readonly settings: PeerSettings;
  readonly dialect: Dialect;
  readonly state: ConnectionState;
  readonly path: Path;
  readonly peer: PeerIdentity | undefined;
  /** Whether what we say is hidden, where it may be. */
  readonly hides: boolean;
  /** Queues a message to the peer. */
  send(
    type: MessageType,
    avps: AvpValues,
    sessionId: number,
    others?: readonly RawAvp[],
  ): void;
  /** The peer may not be there: it is asked. */
  unreachable(now: number): void;
}
