/**
 * Every AVP that isthmus knows, by name: its number, the versions that define it, its M bit, whether it may be hidden,
 * how its value is read, and where it is defined. Known AVPs that a message has no use for are skipped; unknown
 * mandatory ones refuse it (RFC 2661 §4.2, RFC 3931 §5.2): that is why the whole of the RFCs stands here.
 *
 * @module
 */

import {
  circuitStatus,
  type Codec,
  cookie,
  counters,
  messageDigest,
  nonZero,
  octets,
  pppDisconnectCause,
  presence,
  q931Cause,
  resultCode,
  text,
  u16,
  u16List,
  u32,
  u64,
} from "./codec.ts";
import type { ProtoVersion } from "../pseudowire.ts";

/** What is known of one AVP. */
export interface AvpEntry<T> {
  readonly type: number;
  readonly versions: readonly ProtoVersion[];
  /** The M bit that we send in those versions; in the other one it is clear. */
  readonly mandatory: boolean;
  /** Whether it may be hidden (the H bit). */
  readonly hidable: boolean;
  readonly codec: Codec<T>;
  /** Where it is defined. */
  readonly section: string;
}

const V2: readonly ProtoVersion[] = [2];
const V3: readonly ProtoVersion[] = [3];
const BOTH: readonly ProtoVersion[] = [2, 3];

/** `flags`: `M` mandatory when sent, `H` may be hidden. */
function avp<T>(
  type: number,
  codec: Codec<T>,
  versions: readonly ProtoVersion[],
  flags: "" | "M" | "H" | "MH",
  section: string,
): AvpEntry<T> {
  return {
    type,
    versions,
    mandatory: flags.includes("M"),
    hidable: flags.includes("H"),
    codec,
    section,
  };
}

export const catalogue = {
  // All messages
  messageType: avp(0, u16, BOTH, "M", "RFC 2661 §4.4.1"),
  randomVector: avp(36, octets(1), BOTH, "M", "RFC 2661 §4.4.1"),
  messageDigest: avp(59, messageDigest, V3, "M", "RFC 3931 §5.4.1"),
  // Results
  resultCode: avp(1, resultCode, BOTH, "M", "RFC 2661 §4.4.2"),
  q931Cause: avp(12, q931Cause, V2, "M", "RFC 2661 §4.4.3"),
  pppDisconnectCause: avp(46, pppDisconnectCause, V2, "H", "RFC 3145 §2"),
  // Control connection
  protocolVersion: avp(2, u16, V2, "M", "RFC 2661 §4.4.3"),
  framingCapabilities: avp(3, u32, V2, "MH", "RFC 2661 §4.4.3"),
  bearerCapabilities: avp(4, u32, V2, "MH", "RFC 2661 §4.4.3"),
  tieBreaker: avp(5, octets(8, 8), BOTH, "", "RFC 2661 §4.4.3"),
  firmwareRevision: avp(6, u16, V2, "H", "RFC 2661 §4.4.3"),
  hostName: avp(7, text(1), BOTH, "M", "RFC 2661 §4.4.3"),
  vendorName: avp(8, text(), BOTH, "H", "RFC 2661 §4.4.3"),
  assignedTunnelId: avp(9, nonZero(u16), V2, "MH", "RFC 2661 §4.4.3"),
  receiveWindowSize: avp(10, nonZero(u16), BOTH, "M", "RFC 2661 §4.4.3"),
  challenge: avp(11, octets(1), V2, "MH", "RFC 2661 §4.4.3"),
  challengeResponse: avp(13, octets(16, 16), V2, "MH", "RFC 2661 §4.4.3"),
  routerId: avp(60, u32, V3, "M", "RFC 3931 §5.4.3"),
  assignedConnectionId: avp(61, nonZero(u32), V3, "MH", "RFC 3931 §5.4.3"),
  pseudowireCapabilities: avp(62, u16List, V3, "MH", "RFC 3931 §5.4.3"),
  preferredLanguage: avp(72, text(1), V3, "H", "RFC 3931 §5.4.3"),
  nonce: avp(73, octets(1), V3, "M", "RFC 3931 §5.4.1"),
  // Calls
  assignedSessionId: avp(14, nonZero(u16), V2, "MH", "RFC 2661 §4.4.4"),
  callSerialNumber: avp(15, u32, BOTH, "MH", "RFC 2661 §4.4.4"),
  minimumBps: avp(16, u32, V2, "MH", "RFC 2661 §4.4.4"),
  maximumBps: avp(17, u32, V2, "MH", "RFC 2661 §4.4.4"),
  bearerType: avp(18, u32, V2, "MH", "RFC 2661 §4.4.4"),
  framingType: avp(19, u32, V2, "MH", "RFC 2661 §4.4.4"),
  calledNumber: avp(21, text(), V2, "MH", "RFC 2661 §4.4.4"),
  callingNumber: avp(22, text(), V2, "MH", "RFC 2661 §4.4.4"),
  subAddress: avp(23, text(), V2, "MH", "RFC 2661 §4.4.4"),
  txConnectSpeed: avp(24, u32, V2, "MH", "RFC 2661 §4.4.4"),
  physicalChannelId: avp(25, u32, BOTH, "H", "RFC 2661 §4.4.4"),
  privateGroupId: avp(37, octets(), V2, "H", "RFC 2661 §4.4.4"),
  rxConnectSpeed: avp(38, u32, V2, "H", "RFC 2661 §4.4.4"),
  sequencingRequired: avp(39, presence, V2, "M", "RFC 2661 §4.4.4"),
  localSessionId: avp(63, nonZero(u32), V3, "MH", "RFC 3931 §5.4.4"),
  remoteSessionId: avp(64, u32, V3, "MH", "RFC 3931 §5.4.4"),
  assignedCookie: avp(65, cookie, V3, "MH", "RFC 3931 §5.4.4"),
  remoteEndId: avp(66, octets(), V3, "MH", "RFC 3931 §5.4.4"),
  pseudowireType: avp(68, u16, V3, "MH", "RFC 3931 §5.4.4"),
  l2SpecificSublayer: avp(69, u16, V3, "MH", "RFC 3931 §5.4.4"),
  dataSequencing: avp(70, u16, V3, "MH", "RFC 3931 §5.4.4"),
  txConnectSpeedBps: avp(74, u64, V3, "H", "RFC 3931 §5.4.4"),
  rxConnectSpeedBps: avp(75, u64, V3, "H", "RFC 3931 §5.4.4"),
  // Proxy LCP and authentication
  initialReceivedLcp: avp(26, octets(), V2, "H", "RFC 2661 §4.4.5"),
  lastSentLcp: avp(27, octets(), V2, "H", "RFC 2661 §4.4.5"),
  lastReceivedLcp: avp(28, octets(), V2, "H", "RFC 2661 §4.4.5"),
  proxyAuthenType: avp(29, u16, V2, "H", "RFC 2661 §4.4.5"),
  proxyAuthenName: avp(30, octets(), V2, "H", "RFC 2661 §4.4.5"),
  proxyAuthenChallenge: avp(31, octets(1), V2, "H", "RFC 2661 §4.4.5"),
  proxyAuthenId: avp(32, u16, V2, "H", "RFC 2661 §4.4.5"),
  proxyAuthenResponse: avp(33, octets(), V2, "H", "RFC 2661 §4.4.5"),
  // Status
  callErrors: avp(
    34,
    counters(
      "crcErrors",
      "framingErrors",
      "hardwareOverruns",
      "bufferOverruns",
      "timeoutErrors",
      "alignmentErrors",
    ),
    BOTH,
    "MH",
    "RFC 2661 §4.4.6",
  ),
  accm: avp(35, counters("send", "receive"), V2, "MH", "RFC 2661 §4.4.6"),
  circuitStatus: avp(71, circuitStatus, V3, "MH", "RFC 3931 §5.4.5"),
  // ATM pseudowires
  atmMaximumCells: avp(86, u16, V3, "MH", "RFC 4454 §6"),
  oamEmulationRequired: avp(87, octets(), V3, "MH", "RFC 4454 §6"),
} as const;

/** The name of an AVP. */
export type AvpName = keyof typeof catalogue;
/** What the AVP of a name holds. */
export type AvpValue<Name extends AvpName> = typeof catalogue[Name] extends AvpEntry<infer T> ? T
  : never;
/** The AVPs of a message, by name. */
export type AvpValues = { readonly [Name in AvpName]?: AvpValue<Name> };

/** Where an AVP is defined for a version: RFC 3931 §5.4 goes through those of both in the order of RFC 2661 §4.4. */
export function sectionOf(name: AvpName, version: ProtoVersion): string {
  const { section, versions } = catalogue[name] as AvpEntry<unknown>;
  const part = /^RFC 2661 §4\.4\.(\d)/.exec(section)?.[1];
  if (version === 2 || part === undefined || !versions.includes(3)) return section;
  return `RFC 3931 §5.4.${part === "6" ? 5 : part}`;
}

const byType: Readonly<Record<ProtoVersion, ReadonlyMap<number, AvpName>>> = {
  2: index(2),
  3: index(3),
};

/** The IETF AVP of a number in a protocol version; undefined: unknown. */
export function nameOf(version: ProtoVersion, type: number): AvpName | undefined {
  return byType[version].get(type);
}

/** A v3 peer may send what only RFC 2661 defines (RFC 3931 §5.2 keeps its numbers): known all the same. */
function index(version: ProtoVersion): ReadonlyMap<number, AvpName> {
  const names = Object.keys(catalogue) as AvpName[];
  const others = names.filter((name) => version === 3 && !catalogue[name].versions.includes(3));
  const own = names.filter((name) => catalogue[name].versions.includes(version));
  return new Map([...others, ...own].map((name) => [catalogue[name].type, name]));
}
