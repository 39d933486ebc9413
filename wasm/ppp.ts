/** The PPP termination's door: what its members' options mean to the module, and what it tells of them. @module */

import { parseIp } from "../core/endpoint.ts";
import type { ForwarderDoor, ForwarderEvent, ForwarderIx } from "./door.ts";
import { refusing, WasmError } from "./error.ts";
import { type Raw, RawMember } from "./pkg/isthmus_datapath.js";
import type { PortIx } from "./spec.ts";

/** What a PPP session in a termination is to be like. */
export interface MemberOptions {
  /** `10.0.0.7`, `2001:db8::7`: /32 and /128. A link-local one names the peer's interface identifier (RFC 5072 §4.1). */
  readonly addresses: readonly string[];
  /** Networks behind it. */
  readonly prefixes?: readonly string[];
  /** Octets of the largest IP packet that it is sent, at least 68. */
  readonly mru: number;
  /** TCP's segment size is lowered to what the MRU takes, both ways. */
  readonly clampMss?: boolean;
  /** `FF 03` stands before what it is sent (RFC 1661 §6.6); so it is where absent. */
  readonly addressControl?: boolean;
  /** Protocol numbers below 256 are one octet in what it is sent (RFC 1661 §6.5). */
  readonly compressProtocol?: boolean;
  /** Its packets must come from its own addresses and networks; so it is where absent. */
  readonly sourceCheck?: boolean;
  /** Milliseconds without an IP packet that are told of. */
  readonly idleTimeoutMs?: number;
  /** Milliseconds after it joined that are told of. */
  readonly sessionTimeoutMs?: number;
  /** Octets of IP packets, both ways together, that are told of. */
  readonly quotaBytes?: bigint;
  /** DSCP that its packets get, 0 to 63; absent: they keep theirs. */
  readonly dscp?: number;
}

/** What of a member is over. */
const expiries = ["idle", "session", "quota"] as const;

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
/** Counters by family. */
export type FamilyCounters = Record<typeof familyCounters[number], number>;

/**
 * The door of PPP terminations. Each has one port of IP packets from the start, and PPP sessions as members. Events are
 * `expired`, with `{ what: "idle" | "session" | "quota" }`, once each.
 */
export function pppDoor(raw: Raw): ForwarderDoor {
  return {
    add(ports) {
      const [tun, ...others] = ports;
      if (tun === undefined || others.length > 0) {
        throw new WasmError("invalid", "a PPP termination has one port of IP packets");
      }
      return refusing(() => raw.add_termination(tun)) as ForwarderIx;
    },
    change() {}, // there is nothing to change but its members
    remove: (termination) => refusing(() => raw.remove_termination(termination)),
    join(termination, port, options) {
      using member = rawMember(options as MemberOptions);
      refusing(() => raw.join_termination(termination, port, member));
    },
    changeMember(_, port, options) {
      using member = rawMember(options as MemberOptions);
      refusing(() => raw.change_member(port, member));
    },
    ask(_, question) {
      throw new WasmError("invalid", `a PPP termination has no answer to ${question}`);
    },
    events: () => raw.any_expired() ? expired(raw.take_expired()) : [],
  };
}

/** A session's counters by family; undefined: there is no such session, or it was never in a termination. */
export function readFamilies(raw: Raw, session: PortIx): FamilyCounters | undefined {
  const values = raw.family_counters(session);
  if (values.length === 0) return undefined;
  return Object.fromEntries(familyCounters.map((name, i) => [name, values[i]!])) as FamilyCounters;
}

/** Three numbers an event: termination, session, what is over. */
function expired(numbers: Float64Array): ForwarderEvent[] {
  return Array.from({ length: numbers.length / 3 }, (_, i) => ({
    forwarder: numbers[3 * i] as ForwarderIx,
    port: numbers[3 * i + 1] as PortIx,
    what: "expired",
    detail: { what: expiries[numbers[3 * i + 2]!]! },
  }));
}

/** Octets of a prefix on its way into the module: family, bits, address. */
const PREFIX = 18;
/** 24 days: the module's clock of milliseconds wraps after 49, and what lasts longer is as good as without an end. */
const LONGEST_MS = 0x7fff_ffff;

/** The module's form of a member. @throws {WasmError} `invalid` */
function rawMember(options: MemberOptions): RawMember {
  const { addresses, prefixes = [], mru, dscp } = options;
  const networks = [...addresses.map(address), ...prefixes.map(network)];
  const local = networks.filter(isLinkLocal);
  if (local.length > 1) {
    throw new WasmError("invalid", "a PPP link has one interface identifier");
  }
  return Object.assign(new RawMember(), {
    prefixes: packed(networks.filter((each) => !isLinkLocal(each))),
    interface_id: local[0] ? new DataView(local[0].bytes.buffer).getBigUint64(8) : 0n,
    mru: whole(Math.min(mru, 0xffff), 0xffff, "MRU"),
    address_control: options.addressControl ?? true,
    compress_protocol: options.compressProtocol ?? false,
    source_check: options.sourceCheck ?? true,
    clamp: options.clampMss ?? false,
    dscp: dscp === undefined ? -1 : whole(dscp, 63, "DSCP"),
    idle_ms: milliseconds(options.idleTimeoutMs, "idle time-out"),
    session_ms: milliseconds(options.sessionTimeoutMs, "session time-out"),
    quota: options.quotaBytes ?? 0n,
  });
}

interface Network {
  readonly bytes: Uint8Array;
  readonly bits: number;
}

function address(text: string): Network {
  const bytes = parseIp(text);
  if (!bytes || text.includes("%")) throw new WasmError("invalid", `${text} is no IP address`);
  return { bytes, bits: bytes.length * 8 };
}

function network(text: string): Network {
  const [first = "", length = "", ...rest] = text.split("/");
  const { bytes, bits } = address(first);
  if (rest.length > 0 || !/^\d{1,3}$/.test(length) || Number(length) > bits) {
    throw new WasmError("invalid", `${text} is no network: 192.0.2.0/24 is one`);
  }
  return { bytes, bits: Number(length) };
}

/** fe80::/64, and no network. */
function isLinkLocal({ bytes, bits }: Network): boolean {
  return bits === 128 && bytes[0] === 0xfe && bytes[1] === 0x80;
}

function packed(networks: readonly Network[]): Uint8Array {
  const room = new Uint8Array(networks.length * PREFIX);
  for (const [i, { bytes, bits }] of networks.entries()) {
    room.set([bytes.length === 4 ? 4 : 6, bits], i * PREFIX);
    room.set(bytes, i * PREFIX + 2);
  }
  return room;
}

function milliseconds(ms: number | undefined, what: string): number {
  const up = Math.ceil(ms ?? 0);
  return up > LONGEST_MS ? 0 : whole(up, LONGEST_MS, what);
}

function whole(value: number, most: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw new WasmError("invalid", `${value} is no ${what}`);
  }
  return value;
}
