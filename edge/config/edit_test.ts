import assert from "node:assert/strict";
import fc from "fast-check";
import { editText, withoutSuperseded } from "./edit.ts";
import { parseYaml } from "./yaml.ts";

const text = `# Our headquarters.
peers:
  # Since 2019.
  hq:
    address: 10.0.0.2
    hello: 60 # seconds
    secret: "quoted: # no comment"
tunnels: {}
`;

/** What a text means, as plain objects. */
function valueOf(edited: string): unknown {
  const { document, problems } = parseYaml(edited);
  assert.deepStrictEqual(problems, [], edited);
  return JSON.parse(JSON.stringify(document!.value));
}

Deno.test("editText() changes one value, and leaves all else as it was written", () => {
  assert.equal(
    editText(text, [{ path: ["peers", "hq", "hello"], value: 5 }]),
    text.replace("hello: 60", "hello: 5"),
  );
});

Deno.test("editText() adds what is new, with the maps that are missing on the way", () => {
  const edited = editText("listen: []\n", [
    { path: ["peers", "lac", "address"], value: ["10.0.0.3", "10.1.0.0/16"] },
    { path: ["peers", "lac", "accept"], value: [{ name: "*", circuit: { sink: {} } }] },
  ]);
  assert.deepStrictEqual(valueOf(edited), {
    listen: [],
    peers: {
      lac: {
        address: ["10.0.0.3", "10.1.0.0/16"],
        accept: [{ name: "*", circuit: { sink: {} } }],
      },
    },
  });
});

Deno.test("editText() begins an empty file, and a section that says nothing", () => {
  for (const empty of ["", "# nothing yet\n", "peers:\n", "peers: ~\n"]) {
    const edited = editText(empty, [{ path: ["peers", "hq", "hello"], value: 5 }]);
    assert.deepStrictEqual(valueOf(edited), { peers: { hq: { hello: 5 } } }, empty);
    if (empty.startsWith("#")) assert.match(edited, /^# nothing yet/);
  }
});

Deno.test("editText() takes out what shall not be, its comment too, and minds nothing that is not there", () => {
  const edited = editText(text, [
    { path: ["peers", "hq", "hello"], value: undefined },
    { path: ["peers", "lac", "hello"], value: undefined },
  ]);
  assert.equal(edited, text.replace("    hello: 60 # seconds\n", ""));
  assert.doesNotMatch(editText(text, [{ path: ["peers", "hq"], value: undefined }]), /hq/);
});

Deno.test("editText() puts in any value so that it is read back", () => {
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: "small" },
      fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
      fc.boolean(),
      fc.integer(),
      fc.constant(null),
      fc.array(tie("any"), { maxLength: 3 }),
      fc.dictionary(fc.stringMatching(/^[a-z][a-z-]{0,8}$/), tie("any"), {
        maxKeys: 3,
        noNullPrototype: true,
      }),
    ),
  })).any as fc.Arbitrary<never>;
  fc.assert(fc.property(value, (value) => {
    const edited = editText(text, [{ path: ["tunnels", "t", "x"], value }]);
    const { tunnels } = valueOf(edited) as { tunnels: { t: { x: unknown } } };
    assert.deepStrictEqual(tunnels.t.x, value);
  }));
});

Deno.test("withoutSuperseded() leaves one edit for what was changed often, and the same text", () => {
  const hello = (value: number) => ({ path: ["peers", "hq", "hello"], value });
  const many = Array.from({ length: 50 }, (_, i) => hello(i + 1));
  assert.deepStrictEqual(withoutSuperseded(many), [hello(50)]);
  const gone = { path: ["peers", "hq"], value: undefined };
  const inTurn = Array.from({ length: 50 }, (_, i) => [hello(i + 1), gone]).flat();
  assert.deepStrictEqual(withoutSuperseded(inTurn), [hello(50), gone]);
  const step = fc.record({
    path: fc.constantFrom(["peers"], ["peers", "hq"], ["peers", "hq", "hello"], ["peers", "lac"]),
    value: fc.constantFrom<never[]>(undefined!, {} as never, { hello: 7 } as never),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 8 }), (edits) => {
    const few = withoutSuperseded(edits);
    assert.deepStrictEqual(valueOf(editText(text, few)), valueOf(editText(text, edits)));
  }));
});
