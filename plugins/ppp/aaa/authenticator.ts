/**
 * How subscribers are authenticated, authorized and accounted for, whoever does it: nobody, a file of users, RADIUS. What
 * negotiates PPP asks an {@linkcode Authenticator} whether a client is who it says, gets a {@linkcode Grant}, and opens an
 * {@linkcode Account} for what came of it.
 *
 * @module
 */

import type { CallFacts } from "./call.ts";
import type { TunnelTarget } from "./tunnel.ts";

export type { CallFacts };

/** What a client said to prove who it is. Holds passwords and answers to challenges: secrets. */
export type Asked =
  /** It was not asked: the name follows from the line. */
  | { readonly kind: "none"; readonly name: Uint8Array }
  /** PAP (RFC 1334): as sent, of any octets. */
  | { readonly kind: "pap"; readonly name: Uint8Array; readonly password: Uint8Array }
  /** CHAP with MD5 (RFC 1994). The challenge has 1 to 255 octets, the response 16. */
  | {
    readonly kind: "chap-md5";
    readonly name: Uint8Array;
    readonly id: number;
    readonly challenge: Uint8Array;
    readonly response: Uint8Array;
  }
  /** MS-CHAPv2 (RFC 2759). The challenge has 16 octets, the response is the Value of the Response packet: 49 octets. */
  | {
    readonly kind: "mschapv2";
    readonly name: Uint8Array;
    readonly id: number;
    readonly challenge: Uint8Array;
    readonly response: Uint8Array;
  };

/** Whether a client may come in. */
export type Answer =
  | { readonly kind: "accept"; readonly grant: Grant }
  | Rejection
  /** Nobody answered who could know; `reason` is for the operator. */
  | { readonly kind: "unreachable"; readonly reason: string };

/** A client that may not come in. */
export interface Rejection {
  readonly kind: "reject";
  /** For the operator: no secrets. */
  readonly reason: string;
  /** For the client, in a PAP Nak or CHAP Failure; of several Reply-Messages all, joined. */
  readonly message?: string;
  /** MS-CHAPv2: what the Failure packet says, verbatim (`E=691 R=0 C=… V=3 M=…`). */
  readonly msChapError?: string;
  /** The one asked does not know the user: another may. */
  readonly unknownUser?: true;
}

/** Bits a second, and how many octets may come at once; without `burst` the datapath's own rule. */
export interface Rate {
  readonly bitsPerSecond: number;
  readonly burstOctets?: number;
}

/** A route to what lies behind a client. */
export interface Route {
  /** `10.1.0.0/16`, `2001:db8::/48`. */
  readonly prefix: string;
  /** Lower is better. */
  readonly metric?: number;
}

/** What may change while a session lives: by CoA, too. `Infinity` takes a limit away. */
export interface Terms {
  /** From the client and to it. */
  readonly rate?: { readonly up?: Rate; readonly down?: Rate };
  /** Seconds from now on. */
  readonly sessionTimeoutS?: number;
  /** Seconds without data. */
  readonly idleTimeoutS?: number;
  /** Octets of data that may pass from now on; the session ends when any of them is used up. */
  readonly quota?: { readonly up?: number; readonly down?: number; readonly total?: number };
  /** Names of address lists, filters or both (Filter-Id, Mikrotik-Address-List). Those of a change replace all. */
  readonly filters?: readonly string[];
  /** Seconds between Interims; the operator's own where absent. */
  readonly interimIntervalS?: number;
  /** To be echoed in each accounting request, in order. */
  readonly class?: readonly Uint8Array[];
  /** The operator's profile. */
  readonly profile?: string;
}

/** What a client that came in gets. What is absent is for the operator's profile to say. */
export interface Grant extends Terms {
  /** Who it is, for accounting, views, and "one session a user". */
  readonly user: string;
  /** An IPv4 address; `pool`: we assign one (255.255.255.254); `client`: it chooses (255.255.255.255). */
  readonly address?: string | "pool" | "client";
  /** IPv4 pools, to be tried in this order. */
  readonly pools?: readonly string[];
  /** Routes of both families. */
  readonly routes?: readonly Route[];
  /** What router advertisements announce: `2001:db8:0:1::/64`. */
  readonly ipv6Prefixes?: readonly string[];
  /** The pool of such a prefix. */
  readonly ipv6Pool?: string;
  /** The client's interface identifier: 8 octets. */
  readonly interfaceId?: Uint8Array;
  /** Single addresses by DHCPv6 (RFC 6911). */
  readonly ipv6Addresses?: readonly string[];
  /** The pool of such an address (Stateful-IPv6-Address-Pool). */
  readonly ipv6AddressPool?: string;
  /** What DHCPv6 delegates: `2001:db8:100::/56`. */
  readonly delegatedPrefixes?: readonly string[];
  /** The pool of such a prefix. */
  readonly delegatedPool?: string;
  /** Name servers, IPv4 and IPv6 mixed. */
  readonly dns?: readonly string[];
  /** NetBIOS name servers (RFC 1877). */
  readonly nbns?: readonly string[];
  /** Octets of the largest packet to the client. */
  readonly mtu?: number;
  /** How many sessions the user may have at once. */
  readonly portLimit?: number;
  /** MS-CHAPv2: what the Success packet says, verbatim (`S=…`), the identifier octet taken off. */
  readonly msChapSuccess?: string;
  /** For the client, in a PAP Ack or CHAP Success. */
  readonly message?: string;
  /** LNSes to carry the call to, best first (RFC 2868): then it is not terminated here. */
  readonly tunnels?: readonly TunnelTarget[];
}

/** What a session carried, as one reading: octets and packets of data, from the client (`up`) and to it (`down`). */
export interface Usage {
  readonly upOctets: number;
  readonly downOctets: number;
  readonly upPackets: number;
  readonly downPackets: number;
}

/** A session's addresses, as accounting tells them. */
export interface Framed {
  readonly address?: string;
  readonly interfaceId?: Uint8Array;
  readonly ipv6Prefixes?: readonly string[];
  readonly ipv6Addresses?: readonly string[];
  readonly delegatedPrefixes?: readonly string[];
}

/** Why a session ended (RFC 2866 §5.10), by the names of its values. */
export type TerminateCause = keyof typeof TERMINATE_CAUSES;

/** The numbers of {@linkcode TerminateCause}. */
export const TERMINATE_CAUSES = {
  "user-request": 1,
  "lost-carrier": 2,
  "lost-service": 3,
  "idle-timeout": 4,
  "session-timeout": 5,
  "admin-reset": 6,
  "admin-reboot": 7,
  "port-error": 8,
  "nas-error": 9,
  "nas-request": 10,
  "nas-reboot": 11,
  "port-unneeded": 12,
  "port-preempted": 13,
  "port-suspended": 14,
  "service-unavailable": 15,
  callback: 16,
  "user-error": 17,
  "host-request": 18,
} as const;

/** A session that is accounted for, and that a server may change or end. */
export interface Subscriber {
  readonly call: CallFacts;
  readonly grant: Grant;
  /** How it authenticated. */
  readonly authentic: "radius" | "local" | "remote";
  /** Its addresses now. */
  framed(): Framed;
  /** One reading of what it carried so far. Never rejects; the last known, where there is none. */
  read(): Promise<Usage>;
  /** A server changes terms (CoA): resolves when they hold; rejects where they cannot, and the former ones hold still. */
  change(terms: Terms): Promise<void>;
  /** A server ends it (Disconnect). Returns at once. */
  end(cause: TerminateCause): void;
}

/** The account of one session: from when its network is up until it has ended. No call throws. */
export interface Account {
  /** Addresses came or went (a delegated prefix): an Interim tells now. */
  changed(): void;
  /**
   * It ended; only the first stop counts. The record is kept once this resolves, and told until a server has it. Those of
   * sessions that end together are kept together.
   */
  stop(cause: TerminateCause, usage: Usage): Promise<void>;
}

/** What is accounted for beside sessions (RFC 2867): tunnels, links in them, and that there was none. */
export type TunnelRecordKind = "tunnel" | "link" | "tunnel-reject" | "link-reject";

/** A tunnel, or a link in one. */
export interface TunnelRecord {
  readonly kind: TunnelRecordKind;
  /** Its `id` is the record's own; what a subscriber's session and its link say is of one. */
  readonly call: CallFacts;
  /** Of the subscriber that it is for: a tunnel's first. */
  readonly grant: Grant;
  /** The tunnel's id. */
  readonly of?: string;
}

/** The account of a tunnel or link. */
export interface TunnelAccount {
  /** It ended, or was refused; only the first stop counts. `lost` are packets. */
  stop(cause: TerminateCause, usage: Usage, lost: number): void;
}

/** Who may come in, and who is told of it. */
export interface Authenticator {
  /**
   * Asks whether a client may come in. Never rejects; aborting `signal` gives up, and the answer is of no interest then.
   * How long it takes is the operator's choice (seconds), so a client's repetition is not to be asked again.
   */
  check(asked: Asked, call: CallFacts, signal: AbortSignal): Promise<Answer>;
  /** Opens an account: the Start is told, Interims follow by themselves, CoA and Disconnect find the session. */
  account(subscriber: Subscriber): Account;
  /** Opens an account of a tunnel or link; of a rejection, its `stop` is all. Absent, or undefined: nobody wants to know. */
  tunnel?(record: TunnelRecord): TunnelAccount | undefined;
}
