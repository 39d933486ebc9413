/**
 * The tags of discovery (RFC 2516 §5 and Appendix A, RFC 4638 §4): a row each in one table. They come in any order, of
 * any length, with others among them that nobody here knows; of one that is to come once, the first counts.
 *
 * @module
 */

import { concat } from "../../../core/wire/bytes.ts";
import type { VendorTag } from "../../line.ts";

/** What stands in a tag. */
type Kind = "octets" | "number" | "vendor";

interface Definition {
  readonly type: number;
  readonly kind: Kind;
  /** Whether several may come. */
  readonly many?: true;
}

const definitions = {
  serviceNames: { type: 0x0101, kind: "octets", many: true },
  acNames: { type: 0x0102, kind: "octets", many: true },
  hostUniq: { type: 0x0103, kind: "octets" },
  acCookie: { type: 0x0104, kind: "octets" },
  vendors: { type: 0x0105, kind: "vendor", many: true },
  relaySessionId: { type: 0x0110, kind: "octets" },
  maxPayload: { type: 0x0120, kind: "number" },
  serviceNameError: { type: 0x0201, kind: "octets" },
  acSystemError: { type: 0x0202, kind: "octets" },
  genericError: { type: 0x0203, kind: "octets" },
} as const satisfies Record<string, Definition>;

const END_OF_LIST = 0x0000;
const TAG_HEADER = 4;

/** The tags of a packet; views of it where they were read. */
export interface Tags {
  readonly serviceNames?: readonly Uint8Array[];
  readonly acNames?: readonly Uint8Array[];
  /** Any octets, to be said again as they are. */
  readonly hostUniq?: Uint8Array;
  readonly acCookie?: Uint8Array;
  readonly vendors?: readonly VendorTag[];
  /** An intermediate agent's, to be said again as it is. */
  readonly relaySessionId?: Uint8Array;
  /** PPP-Max-Payload (RFC 4638). */
  readonly maxPayload?: number;
  readonly serviceNameError?: Uint8Array;
  readonly acSystemError?: Uint8Array;
  readonly genericError?: Uint8Array;
}

const byType = new Map<number, readonly [keyof Tags, Definition]>(
  Object.entries(definitions).map(([name, row]) => [row.type, [name as keyof Tags, row] as const]),
);

/** Reads the tags of a payload; undefined where a tag is longer than what is left of it. */
export function parseTags(payload: Uint8Array): Tags | undefined {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const tags: Record<string, unknown> = {};
  for (let at = 0; at < payload.length;) {
    if (at + TAG_HEADER > payload.length) return undefined;
    const [type, length] = [view.getUint16(at), view.getUint16(at + 2)];
    if (type === END_OF_LIST) break;
    const start = at + TAG_HEADER;
    if (start + length > payload.length) return undefined;
    at = start + length;
    const known = byType.get(type);
    if (!known) continue;
    const [name, { kind, many }] = known;
    const value = readValue(kind, payload.subarray(start, at));
    if (value === undefined) continue; // a number of another length says nothing
    if (many) (tags[name] as unknown[] | undefined ?? (tags[name] = [] as unknown[])).push(value);
    else tags[name] ??= value;
  }
  return tags;
}

/** Writes tags, in the table's order. */
export function emitTags(tags: Tags): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, row] of Object.entries(definitions)) {
    const value = tags[name as keyof Tags];
    if (value === undefined) continue;
    const { kind, many, type }: Definition = row;
    for (const one of many ? value as readonly unknown[] : [value]) {
      parts.push(emitTag(type, emitValue(kind, one)));
    }
  }
  return concat(parts);
}

function readValue(kind: Kind, octets: Uint8Array): unknown {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  switch (kind) {
    case "octets":
      return octets;
    case "number":
      return octets.length === 2 ? view.getUint16(0) : undefined;
    case "vendor":
      if (octets.length < 4) return undefined;
      return { vendorId: view.getUint32(0), data: octets.subarray(4) } satisfies VendorTag;
  }
}

function emitValue(kind: Kind, value: unknown): Uint8Array {
  switch (kind) {
    case "octets":
      return value as Uint8Array;
    case "number": {
      const number = value as number;
      return Uint8Array.of(number >> 8, number);
    }
    case "vendor": {
      const { vendorId, data } = value as VendorTag;
      const octets = new Uint8Array(4 + data.length);
      new DataView(octets.buffer).setUint32(0, vendorId);
      octets.set(data, 4);
      return octets;
    }
  }
}

function emitTag(type: number, value: Uint8Array): Uint8Array {
  const tag = new Uint8Array(TAG_HEADER + value.length);
  const view = new DataView(tag.buffer);
  view.setUint16(0, type);
  view.setUint16(2, value.length);
  tag.set(value, TAG_HEADER);
  return tag;
}
