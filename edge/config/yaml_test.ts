import assert from "node:assert/strict";
import fc from "fast-check";
import { maxLength, parseYaml } from "./yaml.ts";

/** `line:column: message` of each problem. */
function problems(text: string): string[] {
  return parseYaml(text).problems.map(({ line, column, message }) =>
    `${line}:${column}: ${message.replace(/;.*/, "")}`
  );
}

function value(text: string): unknown {
  const parsed = parseYaml(text);
  assert.deepEqual(parsed.problems, []);
  return JSON.parse(JSON.stringify(parsed.document!.value));
}

Deno.test("parseYaml() reads YAML 1.2's core schema", () => {
  assert.deepEqual(
    value("a: [1, 0x10, 1.5, yes, true, ~, '1', 007]\nb: { c: }\n1: on\n"),
    { a: [1, 16, 1.5, "yes", true, null, "1", 7], b: { c: null }, 1: "on" },
  );
  assert.deepEqual(value("%YAML 1.1\n---\na: yes\n"), { a: "yes" });
  assert.equal(value("# nothing\n"), null);
});

Deno.test("parseYaml() gives the position of values and keys, through aliases too", () => {
  const { document } = parseYaml("a:\n  - b: 1\n    c: [2,\n     3]\nd: &x { e: 4 }\nf: *x\n");
  const at = (...path: (string | number)[]) => {
    const { line, column } = document!.positionOf(path);
    return `${line}:${column}`;
  };
  assert.equal(at(), "1:1");
  assert.equal(at("a"), "2:3");
  assert.equal(at("a", 0, "c", 1), "4:6");
  assert.equal(at("f", "e"), "5:12");
  assert.equal(at("a", 0, "missing"), "2:5", "the nearest thing around it");
  assert.deepEqual(document!.keyPositionOf(["a", 0, "c"]), { line: 3, column: 5 });
});

Deno.test("parseYaml() names what is wrong with the syntax without quoting the text", () => {
  const cases: [string, string[]][] = [
    ["a: [1, 2", [
      "1:9: wrong indentation",
    ]],
    ["a: b: c", ["1:4: a second ':' on one line"]],
    ["a:\n\tb: 1", ["2:1: a tab as indentation"]],
    ["a: 'x", ["1:6: something is missing before this, such as ':', a comma or a closing quote"]],
    ['a: "x" secret', ["1:8: unexpected text or bracket here"]],
    ["a: !vault x", ["1:4: a YAML tag (!…)"]],
    ["a: !!timestamp 2020-01-01", ["1:4: a YAML tag (!…)"]],
    ["a: 1\n---\nb: 2", ["2:1: a second document begins"]],
    ["a: 1\nb: 2\na: 3\na: 4", ["3:1: duplicate key", "4:1: duplicate key"]],
    ["[a]: 1", ["1:1: this cannot be a key"]],
    ["__proto__: 1", ["1:1: this cannot be a key"]],
    ["? \n: 1", ["1:3: this cannot be a key"]],
    ["a: .inf", ["1:4: expected a finite number, or quotes around the text"]],
    ["a: *x", ["1:4: an alias without an anchor before it"]],
    ["a: &x [*x]", ["1:8: an alias without an anchor before it"]],
  ];
  for (const [text, expected] of cases) assert.deepEqual(problems(text), expected, text);
});

Deno.test("parseYaml() bounds aliases, nesting and length", () => {
  const letters = [..."abcdefghijklmnopqrstuvwxyz"];
  const laughs = letters.map((letter, i) =>
    `${letter}: &${letter} [${Array(10).fill(i === 0 ? "ha" : `*${letters[i - 1]}`).join(", ")}]`
  ).join("\n");
  assert.deepEqual(problems(laughs), ["7:8: the aliases up to here stand for too much"]);

  const chain = Array.from({ length: 100 }, (_, i) => `k${i}: &k${i} [${i ? `*k${i - 1}` : ""}]`);
  assert.equal(problems(chain.join("\n"))[0], "33:12: nested too deeply");

  for (const open of ["[", "- ", "{a: ", "? "]) {
    assert.match(problems(open.repeat(20_000))[0]!, /nested too deeply/);
  }
  assert.deepEqual(problems(" ".repeat(maxLength + 1)), ["1:1: the file is too long"]);
});

Deno.test("parseYaml() throws at nothing, and finds a position for each problem", () => {
  const bits = fc.constantFrom(
    ..."abk:1 \n\t-?[]{},&*!|>%@#'\"\\~.",
    "a: ",
    "\n  ",
    "<<: *a\n",
    "---",
  );
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(bits, { maxLength: 40 }).map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (text) => {
      for (const { line, column } of parseYaml(text).problems) {
        assert.ok(line >= 1 && column >= 1);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("parseYaml() reads what JSON says", () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), (json) => {
    const text = JSON.stringify(json);
    if (text.includes("__proto__")) return;
    assert.deepEqual(value(text), JSON.parse(text));
  }));
});

Deno.test("a merge key is named, and quoted it is a key like any other", () => {
  const { problems } = parseYaml("a: &x { b: 1 }\nc:\n  <<: *x\n");
  assert.deepEqual(problems, [{
    line: 3,
    column: 3,
    path: ["c"],
    message: "a merge key (<<) is not read; expected the keys themselves",
  }]);
  assert.deepEqual(parseYaml('"<<": 1\n').problems, []);
});

Deno.test("a file in JSON is held to the same: a key twice is a problem where it stands", () => {
  const { problems } = parseYaml('{"peers": {"hq": {"hello": 1,\n  "h\\u0065llo": 2}}}');
  assert.deepEqual(problems, [{
    line: 2,
    column: 3,
    path: ["peers", "hq", "hello"],
    message: "duplicate key; expected each key once",
  }]);
});
