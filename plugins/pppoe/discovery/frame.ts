/** Ethernet frames of PPPoE (RFC 2516 §4), with no VLAN tag, one or two. @module */

import type { VlanTag } from "../../ports.ts";

/** The stages of PPPoE by their EtherTypes (RFC 2516 §4). */
export const EtherType = { Discovery: 0x8863, Session: 0x8864 } as const;

/** CODE of a frame (RFC 2516 §5, §6). */
export const Code = {
  Session: 0x00,
  Pado: 0x07,
  Padi: 0x09,
  Padr: 0x19,
  Pads: 0x65,
  Padt: 0xa7,
} as const;

/** Whom a PADI is for (RFC 2516 §5.1). */
export const BROADCAST: Uint8Array = new Uint8Array(6).fill(0xff);

/** Octets of an Ethernet header without tags, and of PPPoE's own. */
const MACS = 12;
const PPPOE_HEADER = 6;
const VLAN_TAG = 4;
/** VER 1, TYPE 1. */
const VERSION_AND_TYPE = 0x11;
/** Frames of S-VLAN and C-VLAN; more tags are nobody's. */
const MAX_TAGS = 2;

/** A frame of PPPoE. */
export interface PppoeFrame {
  readonly destination: Uint8Array;
  readonly source: Uint8Array;
  /** Outer first. A tag of id 0 tells a priority and no VLAN, and is not here. */
  readonly vlans: readonly VlanTag[];
  readonly etherType: number;
  readonly code: number;
  readonly sessionId: number;
  /** What LENGTH says; Ethernet's padding is not here. */
  readonly payload: Uint8Array;
}

/** Why a frame is none of PPPoE, as counters name it. */
export type FrameFault = "short" | "tags" | "ether-type" | "version" | "length" | "source";

/** Reads an Ethernet frame; the result views it. */
export function parseFrame(bytes: Uint8Array): PppoeFrame | FrameFault {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const vlans: VlanTag[] = [];
  let at = MACS;
  let tags = 0;
  for (;;) {
    if (bytes.length < at + 2) return "short";
    const tpid = view.getUint16(at);
    if (tpid !== 0x8100 && tpid !== 0x88a8 && tpid !== 0x9100) break;
    if (++tags > MAX_TAGS) return "tags";
    if (bytes.length < at + VLAN_TAG) return "short";
    const vid = view.getUint16(at + 2) & 0x0fff;
    if (vid !== 0) vlans.push({ tpid, vid });
    at += VLAN_TAG;
  }
  const etherType = view.getUint16(at);
  if (etherType !== EtherType.Discovery && etherType !== EtherType.Session) return "ether-type";
  at += 2;
  if (bytes.length < at + PPPOE_HEADER) return "short";
  if (bytes[at] !== VERSION_AND_TYPE) return "version";
  const length = view.getUint16(at + 4);
  const start = at + PPPOE_HEADER;
  if (start + length > bytes.length) return "length";
  const source = bytes.subarray(6, 12);
  // Nobody is a group of stations (IEEE 802 §8.2), or none.
  if ((source[0]! & 1) !== 0 || source.every((byte) => byte === 0)) return "source";
  return {
    destination: bytes.subarray(0, 6),
    source,
    vlans,
    etherType,
    code: bytes[at + 1]!,
    sessionId: view.getUint16(at + 2),
    payload: bytes.subarray(start, start + length),
  };
}

/** Writes an Ethernet frame. The payload has at most 65,535 octets; Ethernet's padding is the driver's. */
export function emitFrame(frame: PppoeFrame): Uint8Array {
  const { code, destination, etherType, payload, sessionId, source, vlans } = frame;
  const header = MACS + vlans.length * VLAN_TAG + 2;
  const bytes = new Uint8Array(header + PPPOE_HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(destination, 0);
  bytes.set(source, 6);
  for (const [i, { tpid = 0x8100, vid }] of vlans.entries()) {
    view.setUint16(MACS + i * VLAN_TAG, tpid);
    view.setUint16(MACS + i * VLAN_TAG + 2, vid);
  }
  view.setUint16(header - 2, etherType);
  bytes[header] = VERSION_AND_TYPE;
  bytes[header + 1] = code;
  view.setUint16(header + 2, sessionId);
  view.setUint16(header + 4, payload.length);
  bytes.set(payload, header + PPPOE_HEADER);
  return bytes;
}

/** What tells VLANs from others: `-` for none, `88a8:100.8100:7`. */
export function vlanKey(vlans: readonly VlanTag[]): string {
  if (vlans.length === 0) return "-";
  return vlans.map(({ tpid = 0x8100, vid }) => `${tpid.toString(16)}:${vid}`).join(".");
}
