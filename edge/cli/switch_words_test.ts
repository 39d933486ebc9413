import assert from "node:assert/strict";
import { parseArgs } from "./args.ts";
import { portChange } from "./switch_words.ts";

const actionOf = (...args: string[]) => {
  const parsed = parseArgs(args, "1");
  assert.ok(parsed.ok, args.join(" "));
  return parsed.action;
};

const changeOf = (...args: string[]) => {
  const action = actionOf(...args);
  assert.ok(action.do === "port");
  return portChange(action);
};

Deno.test("ports are added, changed and taken out in the words of the file", () => {
  assert.deepEqual(
    changeOf(
      "add",
      "port",
      "lan",
      "office1",
      "tap",
      "office1",
      "trunks",
      "10,20",
      "protected",
      "true",
    ),
    {
      switches: {
        lan: { ports: { office1: { tap: "office1", trunks: [10, 20], protected: true } } },
      },
    },
  );
  assert.deepEqual(changeOf("set", "port", "lan", "office1", "tag", "7", "trunks", "none"), {
    switches: { lan: { ports: { office1: { tag: 7, trunks: null } } } },
  });
  assert.deepEqual(changeOf("del", "port", "lan", "office1"), {
    switches: { lan: { ports: { office1: null } } },
  });
  for (const wrong of [["tag"], ["tag", "x"], ["colour", "red"], ["protected", "1"]]) {
    assert.throws(() => changeOf("add", "port", "lan", "a", ...wrong), { name: "UsageError" });
  }
});

Deno.test("MAC tables are shown and changed in the order of ovs-appctl", () => {
  const [word, ...words] = [
    "add-fdb",
    "switch",
    "lan",
    "port",
    '"t/0"',
    "vlan",
    "7",
    "mac",
    "02::1",
  ];
  assert.deepEqual(actionOf("add", "fdb", "lan", "t/0", "7", "02::1"), { do: "do", word, words });
  assert.deepEqual(actionOf("del", "fdb", "lan", "7", "02::1"), {
    do: "do",
    word: "del-fdb",
    words: ["switch", "lan", "vlan", "7", "mac", "02::1"],
  });
  assert.deepEqual(actionOf("flush", "fdb", "lan"), {
    do: "do",
    word: "flush-fdb",
    words: ["switch", "lan"],
  });
  assert.deepEqual(actionOf("show", "fdb", "lan"), {
    do: "show",
    what: "view",
    words: ["fdb", "lan"],
    details: false,
  });
});
