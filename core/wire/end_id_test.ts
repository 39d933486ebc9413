import assert from "node:assert/strict";
import fc from "fast-check";
import { formatEndId, parseEndId } from "./end_id.ts";

Deno.test("formatEndId() shows names as they are and other octets in hexadecimal", () => {
  const shown = (...octets: number[]) => formatEndId(Uint8Array.from(octets));
  assert.equal(formatEndId(new TextEncoder().encode("büro 1")), "büro 1");
  assert.equal(shown(0, 0, 0, 0xde), "0x000000de");
  assert.equal(shown(0, 0, 0, 0xdf), "0x000000df");
  assert.equal(shown(0x61, 0x0a), "0x610a", "a line break is nothing to show");
  assert.equal(shown(0xef, 0xbb, 0xbf, 0x61), "0xefbbbf61", "nor is a byte order mark");
  assert.equal(shown(), "");
  assert.deepEqual(parseEndId("0x000000DE"), Uint8Array.of(0, 0, 0, 0xde));
  assert.deepEqual(parseEndId("0xabc"), new TextEncoder().encode("0xabc"));
});

Deno.test("parseEndId(formatEndId(x)) is x: no two Remote End IDs are one", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.string().map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ maxLength: 4 }).map((octets) =>
      new TextEncoder().encode(`0x${octets.toHex()}`)
    ),
  );
  fc.assert(fc.property(bytes, (octets) => {
    assert.deepEqual(parseEndId(formatEndId(octets)), Uint8Array.from(octets));
  }));
});
