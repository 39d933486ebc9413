import assert from "node:assert/strict";
import { jsonPieces } from "./pieces.ts";

Deno.test("pieces are the JSON of the whole, and none of them is long", () => {
  const names = Array.from({ length: 5000 }, (_, i) => `"tunnel" ${i}`);
  const value = (i: number) => ({ name: names[i]!, list: [i, null, "\u2028"] });
  const whole = {
    kept: 7,
    empty: {},
    steps: names.map((_, i) => value(i)),
    tunnels: Object.fromEntries(names.map((name, i) => [name, value(i)])),
  };
  let asked = 0;
  function* entries() {
    for (const [i, name] of names.entries()) {
      asked++;
      yield [name, value(i)] as const;
    }
  }
  const pieces: string[] = [];
  const made = jsonPieces({ kept: 7 }, {
    empty: { entries: [] },
    steps: { items: names.map((_, i) => value(i)) },
    tunnels: { entries: entries() },
  });
  for (const piece of made) {
    pieces.push(piece);
    assert.ok(piece.length < 33 * 1024, `${piece.length}`);
    // What comes later is not made yet.
    assert.ok(asked <= pieces.join("").length / 40);
  }
  assert.ok(pieces.length > 10);
  assert.deepEqual(JSON.parse(pieces.join("")), whole);
  assert.equal([...jsonPieces({}, {})].join(""), "{}");
  assert.equal([...jsonPieces({}, { a: { items: [] } })].join(""), '{"a":[]}');
});
