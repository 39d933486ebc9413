import assert from "node:assert/strict";
import fc from "fast-check";
import { parseYaml } from "../config/yaml.ts";
import { fitTable, formatTable } from "./table.ts";
import { formatTree } from "./tree.ts";

Deno.test("formatTable() aligns text to the left, numbers to the right, and marks what is absent", () => {
  const rows = [
    { name: "branch", id: 1, ifname: "office0" },
    { name: "x", id: 4294967295, ifname: undefined },
  ];
  const columns = [
    { heading: "NAME", cell: (row: typeof rows[number]) => row.name },
    { heading: "ID", cell: (row: typeof rows[number]) => row.id },
    { heading: "IFNAME", cell: (row: typeof rows[number]) => row.ifname },
  ];
  assert.equal(
    formatTable(columns, rows),
    "NAME            ID  IFNAME\n" +
      "branch           1  office0\n" +
      "x       4294967295  -\n",
  );
  assert.equal(formatTable(columns, []), "NAME  ID  IFNAME\n");
});

Deno.test("formatTable() lets no text move the cursor", () => {
  const columns = [{ heading: "NAME", cell: (row: string) => row }];
  assert.equal(formatTable(columns, ["a\x1b[2Jb\n\u202e"]), "NAME\na\\u001b[2Jb\\u000a\\u202e\n");
});

Deno.test("formatTree() prints nested values as YAML", () => {
  const value = {
    listen: [{ udp: "0.0.0.0:1701" }, { ip: "::" }],
    log: { level: "info" },
    cookie: "00112233",
    flag: "on",
    none: [],
    nothing: {},
    addresses: ["192.168.7.1/24"],
    "7": null,
  };
  assert.equal(
    formatTree(value),
    `"7": null
listen:
  - udp: "0.0.0.0:1701"
  - ip: "::"
log:
  level: info
cookie: "00112233"
flag: "on"
none: []
nothing: {}
addresses:
  - "192.168.7.1/24"
`,
  );
});

Deno.test("formatTree() prints what the configuration's reader reads back", () => {
  const key = fc.string({ maxLength: 12, unit: "grapheme" }).filter((text) => text !== "__proto__");
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      fc.string({ unit: "grapheme" }),
      fc.string({ unit: "binary" }).filter((text) => text.isWellFormed()),
      fc.integer(),
      fc.boolean(),
      fc.constantFrom(null, "null", "on", "a: b", "1e3", "- x", "# c", "~", ".inf"),
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(key, tie("tree"), { maxKeys: 4, noNullPrototype: true }),
    ),
  }));
  fc.assert(fc.property(tree, (value) => {
    const { document, problems } = parseYaml(formatTree(value));
    assert.deepEqual(problems, []);
    assert.deepEqual(JSON.parse(JSON.stringify(document!.value)), value);
  }));
});

Deno.test("fitTable() leaves out what says nothing and folds the last column, on a terminal that is too narrow for more", () => {
  const rows = [
    { name: "branch", user: undefined, reason: "the address is not there yet" },
    { name: "x", user: "", reason: undefined },
  ];
  const columns = [
    { heading: "NAME", cell: (row: typeof rows[number]) => row.name },
    { heading: "USER", cell: (row: typeof rows[number]) => row.user },
    { heading: "REASON", cell: (row: typeof rows[number]) => row.reason },
  ];
  const table = fitTable(columns, rows);
  const whole = formatTable(columns, rows);
  assert.equal(table(undefined), whole);
  assert.equal(table(42), whole);
  const less = "NAME    REASON\nbranch  the address is not there yet\nx       -\n";
  assert.equal(table(41), less);
  assert.equal(table(36), less);
  assert.equal(
    table(30),
    "NAME    REASON\nbranch  the address is not\n        there yet\nx       -\n",
  );
  assert.equal(table(25), less, "a last column of no width is left to the terminal");
  assert.equal(fitTable(columns, [])(10), "NAME  USER  REASON\n", "nothing to leave out");
});
