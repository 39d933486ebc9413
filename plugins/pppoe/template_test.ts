import assert from "node:assert/strict";
import { fillTemplate, realmOf, templateProblem } from "./template.ts";

Deno.test("templates are filled with what is known, and refused for what nobody knows", () => {
  assert.equal(
    fillTemplate("{circuit-id}/{mac}@{realm}", { "circuit-id": "a b", mac: "02:00" }),
    "a b/02:00@",
  );
  assert.equal(fillTemplate("{user}{user}", { user: "{mac}", mac: "x" }), "{mac}{mac}");
  assert.equal(templateProblem("{mac}@line"), undefined);
  assert.match(templateProblem("{Mac}")!, /\{Mac\} stands for nothing/);
  assert.match(templateProblem("{}")!, /stands for nothing/);
  for (const wrong of ["{mac", "mac}", "{{mac}"]) assert.match(templateProblem(wrong)!, /brace/);
  assert.deepEqual(["a@b", "a@b@c", "a", "@", "a@"].map(realmOf), ["b", "c", undefined, "", ""]);
});
