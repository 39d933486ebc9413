/**
 * What the messages of a call say beyond who is meant by them, in their RFCs' words: the same for L2TPv2 and L2TPv3,
 * for what a peer said and for what it is to be told. Plugins read and write these.
 *
 * @module
 */

import type { CircuitStatus, PppDisconnectCause, Q931Cause } from "./codec.ts";
import type { Result } from "../errors.ts";
import type { RawAvp } from "./raw_avp.ts";

export type { CircuitStatus, PppDisconnectCause, Q931Cause, RawAvp };

/** The messages of a call that say something of it; CDN says {@linkcode CallEnd}. */
export type CallMessage = "ICRQ" | "ICRP" | "ICCN" | "OCRQ" | "OCRP" | "OCCN" | "SLI" | "WEN";

/** What a LAC and its client negotiated in LCP before the call (RFC 2661 §4.4.5): options of Configure-Requests. */
export interface ProxyLcp {
  /** Initial Received LCP CONFREQ: the client's first. */
  readonly initialReceived?: Uint8Array;
  /** Last Sent LCP CONFREQ: the LAC's, which the client acknowledged. */
  readonly lastSent?: Uint8Array;
  /** Last Received LCP CONFREQ: the client's, which the LAC acknowledged. */
  readonly lastReceived?: Uint8Array;
}

/** How a client authenticated itself to its LAC (RFC 2661 §4.4.5). May hold a password: a secret. */
export interface ProxyAuth {
  /** Proxy Authen Type: 1 text, 2 CHAP, 3 PAP, 4 none, 5 MSCHAPv1. */
  readonly type: number;
  /** Whom the client says to be. */
  readonly name?: Uint8Array;
  /** The challenge that the LAC sent. */
  readonly challenge?: Uint8Array;
  /** The identifier of the client's answer. */
  readonly id?: number;
  /** The client's answer: CHAP's response, or PAP's password. */
  readonly response?: Uint8Array;
}

/** AVPs of a call's messages. What is absent was not said. */
export interface CallAvps {
  /** The number that was dialed, or is to be; v3 has {@linkcode CallAvps.remoteEndId} for it. */
  readonly calledNumber?: string;
  /** Who calls. */
  readonly callingNumber?: string;
  /** More of the number that was dialed. */
  readonly subAddress?: string;
  /** Bearer Type, a bit mask: 1 digital, 2 analog. */
  readonly bearerType?: number;
  /** Framing Type, a bit mask: 1 synchronous, 2 asynchronous. */
  readonly framingType?: number;
  /** The sender's own number of the channel that carries the call. */
  readonly physicalChannelId?: number;
  /** Call Serial Number; of a call that we place, the LCCE's own count unless it is given. */
  readonly callSerialNumber?: number;
  /** OCRQ: the slowest line that will do, in bits a second. */
  readonly minimumBps?: number;
  /** OCRQ: the fastest line that is wanted, in bits a second. */
  readonly maximumBps?: number;
  /** From the LAC to its client, in bits a second; v2 has 32 bits for it, and says no more than they hold. */
  readonly txConnectSpeed?: bigint;
  /** From the client to the LAC, in bits a second; as {@linkcode CallAvps.txConnectSpeed}. */
  readonly rxConnectSpeed?: bigint;
  /** The customer that the call belongs to (RFC 2661 §4.4.3). */
  readonly privateGroupId?: Uint8Array;
  /** v3: which circuit is meant, as its octets (RFC 3931 §5.4.4). Of a call that we place it follows from its name. */
  readonly remoteEndId?: Uint8Array;
  /** v3: the circuit behind the sender's end. */
  readonly circuitStatus?: CircuitStatus;
  /** ICCN: what was negotiated in LCP before. */
  readonly proxyLcp?: ProxyLcp;
  /** ICCN: how the client authenticated itself. A secret. */
  readonly proxyAuth?: ProxyAuth;
  /** SLI in v2: the characters that the client's line needs escaped (RFC 2661 §4.4.6). */
  readonly accm?: { readonly send: number; readonly receive: number };
  /** WEN: errors on the line since the call came up (RFC 2661 §4.4.6). */
  readonly callErrors?: Readonly<Record<LineError, number>>;
  /** Vendors' AVPs, and optional ones of the IETF that nobody knows. */
  readonly others?: readonly RawAvp[];
}

/** What a WEN counts. */
export type LineError =
  | "crcErrors"
  | "framingErrors"
  | "hardwareOverruns"
  | "bufferOverruns"
  | "timeoutErrors"
  | "alignmentErrors";

/** Why a call ends, as its CDN says (RFC 2661 §4.4.2, RFC 3931 §5.4.2). */
export interface CallEnd extends Result {
  /** Why the line was hung up (RFC 2661 §4.4.2, Q.931 Cause Code). */
  readonly q931?: Q931Cause;
  /** Why PPP ended (RFC 3145). */
  readonly ppp?: PppDisconnectCause;
  /** Vendors' AVPs, and optional ones of the IETF that nobody knows. */
  readonly others?: readonly RawAvp[];
}
