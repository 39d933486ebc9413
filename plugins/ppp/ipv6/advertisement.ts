/**
 * Router advertisements (RFC 4861 §4.2 and §4.6, RFC 8106) and the solicitations that ask for them.
 *
 * ```
 * 134 1 | 0 1 | checksum 2 | hop limit 1 | M O 6x0 1 | router lifetime 2 | reachable time 4 | retrans timer 4 | options
 * prefix  3 1 | 4 1 | length 1 | L A 6x0 1 | valid 4 | preferred 4 | reserved 4 | prefix 16
 * MTU     5 1 | 1 1 | reserved 2 | MTU 4
 * RDNSS  25 1 | 1 + 2n 1 | reserved 2 | lifetime 4 | addresses 16n
 * DNSSL  31 1 | units of 8 1 | reserved 2 | lifetime 4 | names, filled up with zeros
 * ```
 *
 * @module
 */

import { concat } from "../../../core/wire/bytes.ts";
import { formatIp } from "../../../core/endpoint.ts";
import { parseNetwork } from "../addresses.ts";
import { numberOf, u16, u32 } from "../link/wire.ts";
import { octetsOfAddress } from "../addresses.ts";
import { emitNames, parseNames } from "./names.ts";

/** Types of ICMPv6 messages. */
export const IcmpType = {
  EchoRequest: 128,
  EchoReply: 129,
  Solicitation: 133,
  Advertisement: 134,
} as const;
const OptionType = { Prefix: 3, Mtu: 5, Rdnss: 25, Dnssl: 31 } as const;

/** A prefix that is announced. */
export interface AnnouncedPrefix {
  /** `2001:db8::/64`. */
  readonly prefix: string;
  /** Seconds. */
  readonly valid: number;
  readonly preferred: number;
  /** Hosts may make addresses of it. */
  readonly autonomous: boolean;
}

/** What a router says of itself. */
export interface Advertisement {
  /** Seconds for which it is a default router; 0: it is none. */
  readonly lifetime: number;
  /** Addresses by DHCPv6 (M), other things by DHCPv6 (O). */
  readonly managed: boolean;
  readonly other: boolean;
  readonly prefixes: readonly AnnouncedPrefix[];
  readonly mtu?: number;
  readonly dns: readonly string[];
  readonly search: readonly string[];
  /** Seconds that name servers and domains hold. */
  readonly dnsLifetime: number;
}

/** The ICMPv6 message, its checksum still zero. */
export function emitAdvertisement(said: Advertisement): Uint8Array {
  const { dns, dnsLifetime, lifetime, managed, mtu, other, prefixes, search } = said;
  const flags = (managed ? 0x80 : 0) | (other ? 0x40 : 0);
  const names = emitNames(search);
  const padded = new Uint8Array(Math.ceil(names.length / 8) * 8);
  padded.set(names);
  return concat([
    Uint8Array.of(IcmpType.Advertisement, 0, 0, 0, 64, flags),
    u16(lifetime),
    new Uint8Array(8),
    ...prefixes.map(emitPrefix),
    ...(mtu === undefined ? [] : [Uint8Array.of(OptionType.Mtu, 1, 0, 0), u32(mtu)]),
    ...(dns.length === 0 ? [] : [
      Uint8Array.of(OptionType.Rdnss, 1 + 2 * dns.length, 0, 0),
      u32(dnsLifetime),
      ...dns.map(octetsOfAddress),
    ]),
    ...(padded.length === 0 ? [] : [
      Uint8Array.of(OptionType.Dnssl, 1 + padded.length / 8, 0, 0),
      u32(dnsLifetime),
      padded,
    ]),
  ]);
}

/** Reads an advertisement; undefined where it is none (§6.1.2), whatever of its options nobody knows is passed over. */
export function parseAdvertisement(message: Uint8Array): Advertisement | undefined {
  if (message.length < 16 || message[0] !== IcmpType.Advertisement || message[1] !== 0) {
    return undefined;
  }
  const prefixes: AnnouncedPrefix[] = [];
  const dns: string[] = [];
  const search: string[] = [];
  let mtu: number | undefined;
  let dnsLifetime = 0;
  for (let at = 16; at < message.length;) {
    const length = (message[at + 1] ?? 0) * 8;
    if (length === 0 || at + length > message.length) return undefined;
    const option = message.subarray(at, at + length);
    at += length;
    switch (option[0]) {
      case OptionType.Prefix: {
        const prefix = parsePrefix(option);
        if (prefix) prefixes.push(prefix);
        break;
      }
      case OptionType.Mtu:
        if (length === 8) mtu = numberOf(option.subarray(4));
        break;
      case OptionType.Rdnss:
        if (length < 24 || length % 16 !== 8) break;
        dnsLifetime = numberOf(option.subarray(4, 8));
        for (let one = 8; one < length; one += 16) {
          dns.push(formatIp(option.subarray(one, one + 16)));
        }
        break;
      case OptionType.Dnssl:
        dnsLifetime = numberOf(option.subarray(4, 8));
        search.push(...parseNames(option.subarray(8)) ?? []);
    }
  }
  return {
    lifetime: numberOf(message.subarray(6, 8)),
    managed: (message[5]! & 0x80) !== 0,
    other: (message[5]! & 0x40) !== 0,
    prefixes,
    ...(mtu !== undefined && { mtu }),
    dns,
    search,
    dnsLifetime,
  };
}

function emitPrefix({ autonomous, preferred, prefix, valid }: AnnouncedPrefix): Uint8Array {
  const { length } = parseNetwork(prefix)!;
  return concat([
    Uint8Array.of(OptionType.Prefix, 4, length, 0x80 | (autonomous ? 0x40 : 0)),
    u32(valid),
    u32(preferred),
    new Uint8Array(4),
    octetsOfAddress(prefix.split("/")[0]!),
  ]);
}

function parsePrefix(option: Uint8Array): AnnouncedPrefix | undefined {
  if (option.length !== 32 || option[2]! > 128) return undefined;
  const prefix = `${formatIp(option.subarray(16, 32))}/${option[2]}`;
  // Bits beyond the length are to be ignored (§4.6.2); who sends such is not understood.
  if (!parseNetwork(prefix)) return undefined;
  return {
    prefix,
    valid: numberOf(option.subarray(4, 8)),
    preferred: numberOf(option.subarray(8, 12)),
    autonomous: (option[3]! & 0x40) !== 0,
  };
}
