import assert from "node:assert/strict";
import { Groups } from "./groups.ts";

Deno.test("things of one name are found together, and go one by one", () => {
  const groups = new Groups<{ id: number }>();
  const [one, two, three] = [{ id: 1 }, { id: 2 }, { id: 3 }];
  groups.add("a", one);
  groups.add("a", one);
  assert.deepEqual(groups.get("a"), [one]);
  groups.add("a", two);
  groups.add("b", three);
  groups.add("a", one);
  assert.deepEqual(groups.get("a"), [one, two]);
  groups.remove("a", three);
  groups.remove("nobody", three);
  groups.remove("a", one);
  assert.deepEqual([groups.get("a"), groups.get("b")], [[two], [three]]);
  groups.remove("a", two);
  groups.remove("b", one);
  assert.deepEqual([groups.get("a"), groups.get("b")], [[], [three]]);
  groups.remove("b", three);
  assert.deepEqual(groups.get("b"), []);
});
