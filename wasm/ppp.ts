/** PPP terminations: what the datapath is told of their members, and what it tells of them. @module */

import { WasmError } from "./error.ts";
import { RawMember } from "./pkg/isthmus_datapath.js";
import type { PortIx } from "./spec.ts";

/** A PPP termination of the datapath. */
export type TerminationIx = number & { readonly brand: "TerminationIx" };

/** A PPP session in a termination, as the datapath needs to know it. */
export interface MemberSpec {
  /** Where packets go to it, and which sources are believed: addresses (32 and 128 bits) and networks. None twice. */
  readonly prefixes: readonly MemberPrefix[];
  /** The interface identifier of its link-local address (RFC 5072 §4.1), 8 octets; absent: any. */
  readonly interfaceId?: bigint;
  /** Octets of the largest IP packet that it is sent, at least 68. */
  readonly mru: number;
  /** Whether `FF 03` stands before what it is sent (RFC 1661 §6.6). */
  readonly addressControl: boolean;
  /** Whether protocol numbers below 256 are one octet in what it is sent (RFC 1661 §6.5). */
  readonly compressProtocol: boolean;
  /** Whether its packets must come from its own addresses and networks. */
  readonly sourceCheck: boolean;
  /** Whether TCP's segment size is lowered to what the MRU takes, both ways. */
  readonly clampMss: boolean;
  /** DSCP that its packets get, 0 to 63; absent: they keep theirs. */
  readonly dscp?: number;
  /** Milliseconds without an IP packet that are told of. */
  readonly idleTimeoutMs?: number;
  /** Milliseconds after it joined that are told of. */
  readonly sessionTimeoutMs?: number;
  /** Octets of IP packets, both ways together, that are told of. */
  readonly quotaBytes?: bigint;
}

/** An address or a network. */
export interface MemberPrefix {
  /** 4 or 16 octets in network order. */
  readonly address: Uint8Array;
  /** How many bits of it count. */
  readonly bits: number;
}

/** What of a member is over. */
export const expiries = ["idle", "session", "quota"] as const;
/** One of {@linkcode expiries}. */
export type Expiry = typeof expiries[number];

/** Something of a member is over; told once. */
export interface Expired {
  /** The session. */
  readonly port: PortIx;
  /** What is over. */
  readonly what: Expiry;
}

/**
 * A session's counters of IP packets, and octets of them from the IP header on. They are of one instant, and go on where
 * a session leaves a termination and joins one again.
 */
export const familyCounters = [
  "rx-ipv4-packets",
  "rx-ipv4-bytes",
  "tx-ipv4-packets",
  "tx-ipv4-bytes",
  "rx-ipv6-packets",
  "rx-ipv6-bytes",
  "tx-ipv6-packets",
  "tx-ipv6-bytes",
] as const;
/** One of {@linkcode familyCounters}. */
export type FamilyCounter = typeof familyCounters[number];

/** Octets of a prefix on its way into the module: family, bits, address. */
const PREFIX = 18;

/** The module's form of a member. @throws {WasmError} `invalid` */
export function rawMember(spec: MemberSpec): RawMember {
  const { dscp = -1, mru } = spec;
  return Object.assign(new RawMember(), {
    prefixes: packed(spec.prefixes),
    interface_id: spec.interfaceId ?? 0n,
    mru: whole(Math.min(mru, 0xffff), 0xffff, "MRU"),
    address_control: spec.addressControl,
    compress_protocol: spec.compressProtocol,
    source_check: spec.sourceCheck,
    clamp: spec.clampMss,
    dscp: dscp === -1 ? -1 : whole(dscp, 63, "DSCP"),
    // Longer ones are as good as none: the module's clock of milliseconds wraps after 49 days.
    idle_ms: whole(bounded(spec.idleTimeoutMs ?? 0), LONGEST, "idle time-out"),
    session_ms: whole(bounded(spec.sessionTimeoutMs ?? 0), LONGEST, "session time-out"),
    quota: spec.quotaBytes ?? 0n,
  });
}

/** 24 days. */
const LONGEST = 0x7fff_ffff;

function bounded(ms: number): number {
  return ms > LONGEST ? 0 : Math.ceil(ms);
}

function packed(prefixes: readonly MemberPrefix[]): Uint8Array {
  const bytes = new Uint8Array(prefixes.length * PREFIX);
  for (const [i, { address, bits }] of prefixes.entries()) {
    const v4 = address.length === 4;
    if (!v4 && address.length !== 16) {
      throw new WasmError("invalid", "an address has 4 or 16 octets");
    }
    bytes.set([v4 ? 4 : 6, whole(bits, v4 ? 32 : 128, "prefix length")], i * PREFIX);
    bytes.set(address, i * PREFIX + 2);
  }
  return bytes;
}

function whole(value: number, most: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw new WasmError("invalid", `${value} is no ${what}`);
  }
  return value;
}
