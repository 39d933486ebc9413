/**
 * Access lines: what a DSLAM writes into PPPoE's discovery (TR-101 §3.9.2), what RADIUS servers are told of it (RFC 4679)
 * and what an LNS is (RFC 5515). The numbers are the same in all three; rates are kbit/s in the first, bit/s in 32 bits in
 * the second, bit/s in 64 bits in the third.
 *
 * @module
 */

import type { RawAvp } from "../core/wire/raw_avp.ts";

/** A Vendor-Specific tag of PPPoE's discovery: whose, and what follows the vendor's number. */
export interface VendorTag {
  /** The SMI Private Enterprise Code. */
  readonly vendorId: number;
  readonly data: Uint8Array;
}

/** The Broadband Forum, formerly ADSL Forum: whose numbers these are. */
export const LINE_VENDOR = 3561;

/** How a value is written: text; kbit/s (of RFC 5515: bit/s in 64 bits); milliseconds; as it is. */
type Kind = "text" | "rate" | "delay" | "octets";

/** What a line may say (TR-101 §3.9.2; RFC 4679 §3, RFC 5515 §5), by name. */
const definitions = {
  circuitId: { type: 1, kind: "text" },
  remoteId: { type: 2, kind: "text" },
  actualRateUp: { type: 129, kind: "rate" },
  actualRateDown: { type: 130, kind: "rate" },
  minimumRateUp: { type: 131, kind: "rate" },
  minimumRateDown: { type: 132, kind: "rate" },
  attainableRateUp: { type: 133, kind: "rate" },
  attainableRateDown: { type: 134, kind: "rate" },
  maximumRateUp: { type: 135, kind: "rate" },
  maximumRateDown: { type: 136, kind: "rate" },
  minimumRateUpLowPower: { type: 137, kind: "rate" },
  minimumRateDownLowPower: { type: 138, kind: "rate" },
  maximumDelayUp: { type: 139, kind: "delay" },
  actualDelayUp: { type: 140, kind: "delay" },
  maximumDelayDown: { type: 141, kind: "delay" },
  actualDelayDown: { type: 142, kind: "delay" },
  encapsulation: { type: 144, kind: "octets" },
  iwfSession: { type: 254, kind: "octets" },
} as const satisfies Record<string, { readonly type: number; readonly kind: Kind }>;

/** The most octets of a text, and the fewest of RFC 5515's. */
const MAX_TEXT = 63;
const MIN_AVP_TEXT = 2;
const IWF_SESSION = definitions.iwfSession.type;
const ENCAPSULATION = definitions.encapsulation.type;

const kinds = new Map<number, Kind>(
  Object.values(definitions).map(({ type, kind }) => [type, kind]),
);

/** One thing that a line says: its number, and its value as TR-101 writes it. */
export interface LineValue {
  readonly type: number;
  readonly value: Uint8Array;
}

/** Reads the first tag of the Broadband Forum; what makes no sense in it is left out. The values are copies. */
export function parseLine(tags: readonly VendorTag[]): readonly LineValue[] {
  const data = tags.find(({ vendorId }) => vendorId === LINE_VENDOR)?.data ?? new Uint8Array();
  const values = new Map<number, Uint8Array>();
  for (let at = 0; at + 2 <= data.length;) {
    const [type, length] = [data[at]!, data[at + 1]!];
    const value = data.slice(at + 2, at + 2 + length);
    at += 2 + length;
    if (value.length < length) break;
    const kind = kinds.get(type);
    if (kind && !values.has(type) && isSound(type, kind, length)) values.set(type, value);
  }
  return [...values].map(([type, value]) => ({ type, value }));
}

/** Writes the tag, as a DSLAM does. */
export function emitLine(values: readonly LineValue[]): VendorTag {
  const data = values.flatMap(({ type, value }) => [type, value.length, ...value]);
  return { vendorId: LINE_VENDOR, data: Uint8Array.from(data) };
}

function isSound(type: number, kind: Kind, length: number): boolean {
  if (kind === "text") return length >= 1 && length <= MAX_TEXT;
  if (kind === "rate" || kind === "delay") return length === 4;
  // The IWF session is empty in a tag, though some write a number into it.
  return type === ENCAPSULATION ? length === 3 : length === 0 || length === 4;
}

/** The text of a line's circuit or remote id, or nothing. */
export function lineText(
  values: readonly LineValue[],
  name: "circuitId" | "remoteId",
): string | undefined {
  const { type } = definitions[name];
  const found = values.find((each) => each.type === type);
  return found && textOf(found.value);
}

/** Octets as text; those that are no UTF-8 as `0x` and their digits. */
export function textOf(octets: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(octets);
  } catch {
    return `0x${octets.toHex()}`;
  }
}

/** What the line carries in bits a second, up (from the client) and down; actual rates. */
export function lineSpeeds(
  values: readonly LineValue[],
): { readonly up?: bigint; readonly down?: bigint } {
  const rate = (wanted: number) => {
    const value = values.find(({ type }) => type === wanted)?.value;
    return value && 1000n * BigInt(new DataView(value.buffer, value.byteOffset).getUint32(0));
  };
  const [up, down] = [definitions.actualRateUp, definitions.actualRateDown].map(({ type }) =>
    rate(type)
  );
  return { ...(up !== undefined && { up }), ...(down !== undefined && { down }) };
}

/** The AVPs of an ICRQ (RFC 5515 §5): of vendor 3561, not mandatory, rates in bits a second. */
export function lineAvps(values: readonly LineValue[]): readonly RawAvp[] {
  return values.flatMap(({ type, value }): RawAvp[] => {
    const kind = kinds.get(type);
    if (kind === "text" && value.length < MIN_AVP_TEXT) return [];
    return [{ vendorId: LINE_VENDOR, type, mandatory: false, value: avpValue(type, kind, value) }];
  });
}

function avpValue(type: number, kind: Kind | undefined, value: Uint8Array): Uint8Array {
  if (kind === "rate") {
    const wide = new Uint8Array(8);
    const kilobits = new DataView(value.buffer, value.byteOffset).getUint32(0);
    new DataView(wide.buffer).setBigUint64(0, 1000n * BigInt(kilobits));
    return wide;
  }
  // §5.19: four octets; an empty tag says that there was an interworking function.
  if (type === IWF_SESSION && value.length === 0) return Uint8Array.of(0, 0, 0, 1);
  return value;
}

/** What an ICRQ said of a line, as TR-101 writes it: the way back. */
export function lineOfAvps(avps: readonly RawAvp[]): readonly LineValue[] {
  return avps.flatMap(({ type, value, vendorId }): LineValue[] => {
    const kind = vendorId === LINE_VENDOR ? kinds.get(type) : undefined;
    if (!kind) return [];
    if (kind === "rate") {
      if (value.length !== 8) return [];
      const bits = new DataView(value.buffer, value.byteOffset).getBigUint64(0);
      const kilobits = bits / 1000n;
      const narrow = new Uint8Array(4);
      new DataView(narrow.buffer).setUint32(
        0,
        Number(kilobits < 2n ** 32n ? kilobits : 2n ** 32n - 1n),
      );
      return [{ type, value: narrow }];
    }
    if (type === IWF_SESSION) {
      return value.at(-1) === 1 ? [{ type, value: new Uint8Array() }] : [];
    }
    return isSound(type, kind, value.length) ? [{ type, value }] : [];
  });
}

/** Attributes of vendor 3561 (RFC 4679 §3.3): rates in bits a second, as far as 32 bits hold them. */
export function lineAttributes(values: readonly LineValue[]): readonly LineValue[] {
  return values.map(({ type, value }) => {
    if (type === IWF_SESSION) return { type, value: new Uint8Array() };
    if (kinds.get(type) !== "rate") return { type, value };
    const bits = 1000 * new DataView(value.buffer, value.byteOffset).getUint32(0);
    const told = new Uint8Array(4);
    new DataView(told.buffer).setUint32(0, Math.min(bits, 0xffff_ffff));
    return { type, value: told };
  });
}
