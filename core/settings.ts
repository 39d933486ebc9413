/** What a control connection and a call are set up with. Values only. @module */

import type { DigestType } from "./wire/authentication.ts";
import type { CallAvps } from "./wire/call_avps.ts";
import type { Endpoint } from "./endpoint.ts";
import type { EncapType, L2SpecType, ProtoVersion } from "./pseudowire.ts";

/** Where datagrams of a connection go and come from. All but the socket tells one peer from another: see `path.ts`. */
export interface Path {
  /** UDP, or straight on IP. */
  readonly encap: EncapType;
  /** The peer's address, and its port in UDP. */
  readonly remote: Endpoint;
  /** The address that we are talked to on. */
  readonly local: string;
  /** The kernel's mark on what comes and goes (SO_MARK), 0: none. It alone tells two IPsec clients behind one NAT apart. */
  readonly mark: number;
  /** The caller's own name for the socket; never looked into. */
  readonly socket: number;
}

/** How to treat a peer: the same for those that we dial and those that dial us. */
export interface PeerSettings {
  /** The peer's name in the configuration. */
  readonly name: string;
  /** The version that is spoken with it. */
  readonly version: ProtoVersion;
  /**
   * With version 3: whether version 2 will do where the peer speaks no other (RFC 3931 §4.7.3). Over UDP our SCCRQ is
   * then for both versions, and the peer's may be for either. Calls that v2 cannot carry end at once. Absent: no.
   */
  readonly fallback?: boolean;
  /** Our Host Name. */
  readonly hostName: string;
  /** Our Vendor Name. */
  readonly vendorName: string;
  /** v3's Router ID (RFC 3931 §5.4.3). */
  readonly routerId: number;
  /** The shared secret. A secret. Absent: neither side is authenticated. */
  readonly secret?: Uint8Array;
  /** A second secret that is accepted as well while secrets change (v3; RFC 3931 §5.4.1). */
  readonly otherSecret?: Uint8Array;
  /**
   * v3, with a secret: whether every message is signed (RFC 3931 §4.3), both sides prove themselves once by RFC 2661's
   * Challenge and Challenge Response, which no RFC has in v3 and some routers use, or both. Absent: `digest`.
   */
  readonly authentication?: "digest" | "challenge" | "both";
  /** v3: how messages are signed. */
  readonly digest: DigestType;
  /**
   * Hide the AVPs that may be hidden, where a secret is shared. `true`: but for assigned ids and all of an SCCRQ, for
   * several peers hang up on these ([MS-L2TPIE] knows no hidden Assigned Tunnel ID); `"all"`: those too.
   */
  readonly hideAvps: boolean | "all";
  /** Whether a tie is broken when both sides dial at once. */
  readonly tieBreaker: boolean;
  /** v3: the pseudowire types that we offer. */
  readonly pseudowires: readonly number[];
  /** v2: Framing Capabilities: bit 0 synchronous, bit 1 asynchronous. */
  readonly framing: number;
  /** v2: Bearer Capabilities: bit 0 digital, bit 1 analog. */
  readonly bearer: number;
  /** How many messages we take before we have acknowledged any: our Receive Window Size. */
  readonly receiveWindow: number;
  /** Silence after which a HELLO is sent; 0: never. */
  readonly helloMs: number;
  /** How long to wait for an acknowledgement at first; doubles with each time. */
  readonly retransmitMs: number;
  /** The longest that it doubles to; at least 8,000 (RFC 2661 §5.8). */
  readonly retransmitCapMs: number;
  /** How often a message is sent in all before the peer counts as gone. */
  readonly attempts: number;
  /** How long a control connection may take to come up. */
  readonly establishMs: number;
  /** How long a call may take to come up. */
  readonly callMs: number;
  /** Calls at once. */
  readonly callLimit: number;
}

/** What a call is asked for with, whichever end asks. */
export interface CallParameters {
  /** What the peer shall know the call by: Remote End ID (v3, see {@linkcode parseEndId}), Called Number (v2). */
  readonly name: string;
  /** v3: the pseudowire type; v2 knows PPP only. */
  readonly pseudowireType: number;
  /** v3: the sublayer that we require in what we receive. */
  readonly l2spec: L2SpecType;
  /** v3: 0, 4 or 8 unpredictable octets that the peer must send us. */
  readonly cookie: Uint8Array;
  /** Whether what we receive must be numbered. */
  readonly sequencing: boolean;
  /** v3: whether the circuit behind the call is up. */
  readonly active: boolean;
  /** v2: bits per second of the client's line, where nothing else is said of it. */
  readonly speed: number;
  /** What else ICRQ or OCRQ says. */
  readonly say?: CallAvps;
}

/** What both ends of a call agreed on: all that the datapath needs. */
export interface SessionParameters {
  /** The version of its tunnel. */
  readonly version: ProtoVersion;
  /** What the peer puts into the headers of what it sends us. */
  readonly localSessionId: number;
  /** What we put into the headers of what we send. */
  readonly remoteSessionId: number;
  /** What it carries, by IANA's number; in v2 PPP. */
  readonly pseudowireType: number;
  /** The sublayer in what we receive. */
  readonly receiveL2spec: L2SpecType;
  /** The sublayer in what we send. */
  readonly sendL2spec: L2SpecType;
  /** The cookie that the peer must send us; empty: none. */
  readonly receiveCookie: Uint8Array;
  /** The cookie that we must send; empty: none. */
  readonly sendCookie: Uint8Array;
  /** Whether what we receive must be numbered. */
  readonly receiveSequence: boolean;
  /** Whether what we send must be numbered. */
  readonly sendSequence: boolean;
  /** v2: we are the LNS of this call, and decide on sequence numbers (RFC 2661 §5.4). */
  readonly lns: boolean;
}
