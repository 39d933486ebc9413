import assert from "node:assert/strict";
import fc from "fast-check";
import { globMatches } from "./glob.ts";

Deno.test("globMatches() knows *, ? and characters that stand for themselves", () => {
  const cases: [string, string, boolean][] = [
    ["", "", true],
    ["", "a", false],
    ["*", "", true],
    ["*", "anything at all", true],
    ["hq-*", "hq-1", true],
    ["hq-*", "hq-", true],
    ["hq-*", "hq", false],
    ["hq-?", "hq-1", true],
    ["hq-?", "hq-", false],
    ["hq-?", "hq-12", false],
    ["?", "é", true],
    ["?", "🛰", true],
    ["HQ", "hq", false],
    ["a.c", "abc", false],
    ["[a]", "a", false],
    ["*.example", "lac.west.example", true],
    ["*.example", "lac.example.net", false],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["**", "x", true],
  ];
  for (const [glob, text, expected] of cases) {
    assert.equal(globMatches(glob, text), expected, `${glob} over ${text}`);
  }
});

Deno.test("globMatches() agrees with the regular expression of the same meaning", () => {
  const word = (letters: string) =>
    fc.array(fc.constantFrom(...letters)).map((all) => all.join(""));
  fc.assert(
    fc.property(word("ab*?"), word("ab"), (glob, text) => {
      const source = glob.replaceAll(/\*+/g, ".*").replaceAll("?", ".");
      assert.equal(globMatches(glob, text), new RegExp(`^${source}$`).test(text));
    }),
    { numRuns: 1000 },
  );
});

Deno.test("globMatches() is quick at what makes matchers slow", () => {
  const started = performance.now();
  assert.equal(globMatches("*a".repeat(30) + "b", "a".repeat(1000)), false);
  assert.ok(performance.now() - started < 500);
});
