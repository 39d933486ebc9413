import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { same } from "./same.ts";
import { configArbitrary } from "./testing.ts";

Deno.test("same() says what node's own comparison says, of values and of configurations", () => {
  const value = fc.object({
    values: [fc.integer({ min: 0, max: 2 }), fc.constantFrom("", "a", null, undefined, NaN, -0)],
    maxDepth: 3,
    maxKeys: 3,
    key: fc.constantFrom("a", "b", "c"),
  });
  fc.assert(fc.property(value, value, (a, b) => {
    assert.equal(same(a, b), isDeepStrictEqual(a, b));
    assert.ok(same(a, structuredClone(a)));
  }));
  fc.assert(
    fc.property(configArbitrary, configArbitrary, (a, b) => {
      assert.equal(same(a, b), isDeepStrictEqual(a, b));
      assert.ok(same(a, structuredClone(a)));
    }),
    { numRuns: 30 },
  );
});

Deno.test("same() tells bytes, lists and maps apart", () => {
  assert.ok(same({ a: Uint8Array.of(1, 2) }, { a: Uint8Array.of(1, 2) }));
  assert.ok(!same({ a: Uint8Array.of(1, 2) }, { a: Uint8Array.of(1, 3) }));
  assert.ok(!same([], {}));
  assert.ok(!same({ a: undefined }, { b: undefined }));
  assert.ok(!same({ a: undefined }, {}));
  assert.ok(!same(null, {}));
});
