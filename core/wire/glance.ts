/**
 * What a body says of its sender, read in one pass and without a copy: all that is looked at before anybody decides
 * whether the message is worth being parsed.
 *
 * @module
 */

import { AVP_HEADER } from "./avp.ts";
import { readU16, readU32 } from "./bytes.ts";
import type { ControlHeader } from "./header.ts";
import type { ProtoVersion } from "../pseudowire.ts";

/** What was seen; views of the body. Of an AVP that stands twice the first counts, as in the whole message. */
export interface Glance {
  /** Host Name, at least one octet. */
  readonly hostName: Uint8Array | undefined;
  /** Vendor Name. */
  readonly vendorName: Uint8Array | undefined;
  /** v3's Router ID. */
  readonly routerId: number | undefined;
  /** Assigned Tunnel ID (v2) and Assigned Control Connection ID (v3), never 0; `hidden` needs a key. */
  readonly assignedId: Readonly<Record<ProtoVersion, number | "hidden" | undefined>>;
}

const HIDDEN = 0x4000;

/** Looks over a body; undefined where an AVP's length does not fit. */
export function glance(body: Uint8Array): Glance | undefined {
  let hostName: Uint8Array | undefined, vendorName: Uint8Array | undefined;
  let routerId: number | undefined;
  let tunnelId: number | "hidden" | undefined, connectionId: number | "hidden" | undefined;
  for (let at = 0; at < body.length;) {
    const left = body.length - at;
    const flags = left >= AVP_HEADER ? readU16(body, at) : 0;
    const length = flags & 0x3ff;
    if (length < AVP_HEADER || length > left) return undefined;
    const hidden = (flags & HIDDEN) !== 0;
    const octets = length - AVP_HEADER;
    const value = at + AVP_HEADER;
    at += length;
    if (readU16(body, value - 4) !== 0) continue;
    switch (readU16(body, value - 2)) {
      case 7:
        if (!hidden && octets > 0) hostName ??= body.subarray(value, at);
        break;
      case 8:
        if (!hidden) vendorName ??= body.subarray(value, at);
        break;
      case 9:
        tunnelId ??= hidden
          ? "hidden"
          : octets === 2
          ? readU16(body, value) || undefined
          : undefined;
        break;
      case 60:
        if (!hidden && octets === 4) routerId ??= readU32(body, value);
        break;
      case 61:
        connectionId ??= hidden
          ? "hidden"
          : octets === 4
          ? readU32(body, value) || undefined
          : undefined;
        break;
    }
  }
  return { hostName, vendorName, routerId, assignedId: { 2: tunnelId, 3: connectionId } };
}

/**
 * The highest version that an SCCRQ is for. One with version 2 in its header and v3's AVPs is for both: a peer that
 * would rather speak v3 (RFC 3931 §4.7.3).
 */
export function offeredVersion({ version }: ControlHeader, seen: Glance): ProtoVersion {
  return version === 2 && seen.routerId === undefined ? 2 : 3;
}
