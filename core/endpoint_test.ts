import assert from "node:assert/strict";
import { isIP } from "node:net";
import fc from "fast-check";
import {
  canonicalIp,
  formatEndpoint,
  formatIp,
  isWildcard,
  parseEndpoint,
  parseIp,
} from "./endpoint.ts";

Deno.test("formatIp() and parseIp() are inverse for every address", () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 255 })), {
      minLength: 16,
      maxLength: 16,
    })
      .map((bytes) => Uint8Array.from(bytes)),
  );
  fc.assert(fc.property(address, (bytes) => {
    const text = formatIp(bytes);
    assert.notEqual(isIP(text), 0, text);
    assert.deepEqual(parseIp(text), Uint8Array.from(bytes));
  }));
});

Deno.test("parseIp() takes what node:net takes as an address, and nothing else", () => {
  const almost = fc.stringMatching(/^[0-9a-f:.]{0,20}$/);
  fc.assert(
    fc.property(fc.oneof(almost, fc.ipV4(), fc.ipV6(), fc.string()), (text) => {
      if (text.includes("%")) return;
      assert.equal(parseIp(text) !== undefined, isIP(text) !== 0, text);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("canonicalIp() shortens the longest run of zeros and keeps a zone", () => {
  assert.equal(canonicalIp("FD77:0:0:1:0:0:0:1"), "fd77:0:0:1::1");
  assert.equal(canonicalIp("fe80:0::1%eth0"), "fe80::1%eth0");
  assert.equal(canonicalIp("::ffff:10.0.0.1"), "::ffff:a00:1");
  assert.equal(canonicalIp("10.0.0.1%eth0"), undefined);
  assert.equal(isWildcard("0::"), true);
});

Deno.test("parseEndpoint() reads ports and brackets, and formatEndpoint() writes them", () => {
  const cases: [string, string | undefined][] = [
    ["10.0.0.1:1701", "10.0.0.1:1701"],
    ["10.0.0.1", "10.0.0.1:99"],
    ["[fd77::1]:1701", "[fd77::1]:1701"],
    ["fd77::1", "[fd77::1]:99"],
    ["[fe80::1%eth0]:5", "[fe80::1%eth0]:5"],
    ["[10.0.0.1]:1701", undefined],
    ["10.0.0.1:70000", undefined],
    ["10.0.0.256:1", undefined],
    ["host:1701", undefined],
    ["", undefined],
  ];
  for (const [text, expected] of cases) {
    const endpoint = parseEndpoint(text, 99);
    assert.equal(endpoint && formatEndpoint(endpoint), expected, text);
  }
});
