/** Datagrams that no peer should send: random ones, and valid ones with damage. The same seed gives the same. @module */

import type { EncapType } from "../../../core/pseudowire.ts";
import { type Random, seeded } from "./random.ts";

/** What the appliance under test knows, so that damage reaches beyond the first check. */
export interface Target {
  readonly encap: EncapType;
  readonly sessionIds: readonly number[];
  /** Hexadecimal digits. */
  readonly cookie: string;
}

/** `count` datagrams, without their UDP or IP header. */
export function* malformed(seed: number, count: number, target: Target): Generator<Uint8Array> {
  const random = seeded(seed);
  const valid = samples(target, random);
  for (let i = 0; i < count; i++) {
    if (i % 5 === 0) yield random.bytes(random.below(i % 50 === 0 ? 1400 : 40));
    else yield damage(valid[random.below(valid.length)]!, random);
  }
}

/** One of each kind that the protocol has (RFC 2661 §3.1, RFC 3931 §3.2.1 and §4.1). */
function samples({ encap, sessionIds, cookie }: Target, random: Random): Uint8Array[] {
  const frame = [...random.bytes(60)];
  const cookieBytes = cookie.match(/../g)?.map((byte) => parseInt(byte, 16)) ?? [];
  const u32 = (value: number) => [value >>> 24, value >>> 16 & 255, value >>> 8 & 255, value & 255];
  const hello = [0, 8, 0, 0, 0, 0, 0, 6]; // Message Type AVP
  const control = (version: number, ids: readonly number[]) => [
    ...[0xc8, version, 0, 12 + hello.length, ...ids, 0, 0, 0, 0],
    ...[0x80, ...hello.slice(1)],
  ];
  const data = sessionIds.flatMap((id) =>
    [[0x40, 0, 0, 1], [0, 0, 0, 0], []].map((
      sublayer,
    ) => [...u32(id), ...cookieBytes, ...sublayer, ...frame])
  );
  const all = encap === "udp"
    ? [
      ...data.map((one) => [0x00, 0x03, 0, 0, ...one]),
      control(3, [0, 0, 3, 233]),
      control(2, [3, 233, 0, 0]),
      [0x00, 0x02, 3, 233, 0, 7, 0xff, 0x03, 0, 0x21, ...frame],
      [0x4a, 0x02, 0, 74, 3, 233, 0, 7, 0, 1, 0, 0, 0, 2, 0, 0, ...frame],
    ]
    : [...data, [0, 0, 0, 0, ...control(3, [0, 0, 3, 233])], [0, 0, 0, 0]];
  return all.map((bytes) => Uint8Array.from(bytes));
}

function damage(sample: Uint8Array, random: Random): Uint8Array {
  const bytes = sample.slice();
  switch (random.below(5)) {
    case 0: // a bit, most often in the header
      bytes[random.below(Math.min(bytes.length, 24))]! ^= 1 << random.below(8);
      return bytes;
    case 1: // cut short
      return bytes.subarray(0, random.below(bytes.length));
    case 2: { // bytes overwritten
      const at = random.below(bytes.length);
      bytes.set(random.bytes(Math.min(4, bytes.length - at)), at);
      return bytes;
    }
    case 3: // bytes appended: longer than the Length field says
      return Uint8Array.of(...bytes, ...random.bytes(random.below(1000)));
    default: { // bytes left out
      const at = random.below(Math.min(bytes.length, 16));
      return Uint8Array.of(...bytes.subarray(0, at), ...bytes.subarray(at + 1 + random.below(4)));
    }
  }
}
