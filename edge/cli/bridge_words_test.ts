import assert from "node:assert/strict";
import { parseArgs } from "./args.ts";

const actionOf = (...args: string[]) => {
  const parsed = parseArgs(args, "1");
  return parsed.ok ? parsed.action : parsed.status;
};

Deno.test("bridges are made, shown and taken apart in words of their own", () => {
  assert.deepEqual(actionOf("add", "bridge", "one/a", "two/b"), {
    do: "do",
    word: "add-bridge",
    words: ["a", "one/a", "b", "two/b"],
  });
  assert.deepEqual(actionOf("del", "bridge", "one/a"), {
    do: "do",
    word: "del-bridge",
    words: ["session", "one/a"],
  });
  assert.deepEqual(actionOf("show", "bridge"), {
    do: "show",
    what: "view",
    words: ["bridge"],
    details: false,
  });
  assert.equal(actionOf("add", "bridge", "one/a"), 2);
  assert.equal(actionOf("set", "bridge", "one/a"), 2);
});
