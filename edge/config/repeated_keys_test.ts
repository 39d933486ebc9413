import assert from "node:assert/strict";
import fc from "fast-check";
import { repeatedKey } from "./repeated_keys.ts";

Deno.test("a key that an object has twice is found, and where it stands", () => {
  const cases: [string, unknown][] = [
    ['{"a":1,"a":2}', { path: ["a"], line: 1, column: 8 }],
    ['{"a":1,\n "\\u0061":2}', { path: ["a"], line: 2, column: 2 }],
    ['{"x":[1,{"b":{"c":1},\n"b":2}]}', { path: ["x", 1, "b"], line: 2, column: 1 }],
    ['[[],{"":0,"":0}]', { path: [1, ""], line: 1, column: 11 }],
    ['{"__proto__":1,"__proto__":2}', { path: ["__proto__"], line: 1, column: 16 }],
    // The same key elsewhere, in a value, or in text.
    ['{"a":{"a":{"a":1}},"b":{"a":1}}', undefined],
    ['[{"a":1},{"a":1}]', undefined],
    ['{"a":"a","b":"a","c":["a","a"]}', undefined],
    ['{"a":"{\\"x\\":1,\\"x\\":2}","b":"\\\\","c":"\\\\\\""}', undefined],
    ["", undefined],
    // What is no JSON is told by who parses it.
    ['{"a', undefined],
    ['{"\\x":1,"\\x":1}', undefined],
    ["}}]],,", undefined],
  ];
  for (const [text, expected] of cases) assert.deepEqual(repeatedKey(text), expected, text);
  assert.equal(repeatedKey("[".repeat(65)), "too-deep");
  assert.equal(repeatedKey("[".repeat(64) + "]".repeat(64)), undefined);
});

Deno.test("no text that JSON.stringify() makes has one, and any object with a key said again has", () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
    assert.equal(repeatedKey(JSON.stringify(value)), undefined);
    assert.equal(repeatedKey(JSON.stringify(value, null, 2)), undefined);
  }));
  const keyed = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { minKeys: 1 });
  fc.assert(fc.property(keyed, fc.nat(), (object, n) => {
    const keys = Object.keys(object);
    const key = keys[n % keys.length]!;
    const text = `{"outer":${JSON.stringify(object).slice(0, -1)},${JSON.stringify(key)}:0}}`;
    const found = repeatedKey(text);
    assert.ok(typeof found === "object");
    assert.deepEqual(found.path, ["outer", key]);
  }));
});
