import assert from "node:assert/strict";
import type { RealmOptions } from "../options.ts";
import { realmOf, route } from "./realms.ts";
import { readTemplate, unknownParts } from "./templates.ts";

const rules: RealmOptions[] = [
  { realm: "isp.example", strip: true, servers: ["a"], profile: "gold" },
  { realm: "*.isp.example", strip: false, servers: ["b"] },
  { realm: "corp", strip: true },
  { realm: "-", strip: false, servers: ["c"] },
];

Deno.test("a realm stands behind the last @, or before the first backslash", () => {
  assert.deepEqual(realmOf("a@b@ISP.example"), {
    realm: "isp.example",
    bare: "a@b",
    before: false,
  });
  assert.deepEqual(realmOf("CORP\\a\\b"), { realm: "corp", bare: "a\\b", before: true });
  for (const name of ["a", "a@", "\\a"]) assert.equal(realmOf(name).realm, undefined, name);
});

Deno.test("rules strip, choose servers and a profile; the first that fits counts", () => {
  const routed = (name: string, kept = false, fallback?: string) =>
    route(name, rules, fallback, kept);
  assert.deepEqual(routed("bob@isp.example"), { name: "bob", servers: ["a"], profile: "gold" });
  assert.deepEqual(routed("bob@x.isp.example"), { name: "bob@x.isp.example", servers: ["b"] });
  assert.deepEqual(routed("bob@notisp.example"), { name: "bob@notisp.example" });
  assert.deepEqual(routed("CORP\\bob"), { name: "bob" });
  assert.deepEqual(routed("bob"), { name: "bob", servers: ["c"] });
  assert.deepEqual(routed("bob", false, "x.isp.example"), {
    name: "bob@x.isp.example",
    servers: ["b"],
  });
});

Deno.test("MS-CHAPv2 keeps a realm that its proof covers", () => {
  assert.equal(route("bob@isp.example", rules, undefined, true).name, "bob@isp.example");
  assert.equal(route("CORP\\bob", rules, undefined, true).name, "bob");
  assert.equal(route("bob", rules, "isp.example", true).name, "bob");
});

Deno.test("templates say what a call was, or nothing", () => {
  const line = [{ type: 1, value: new TextEncoder().encode("eth 1/2") }];
  const call = { id: "1", name: "t/1", portType: 5, callingNumber: "555", vlans: [7, 9], line };
  assert.equal(readTemplate("{calling-number}:{user}@{vlan}")(call, "bob"), "555:bob@7.9");
  assert.equal(readTemplate("{circuit-id}")(call, "bob"), "eth 1/2");
  assert.equal(readTemplate("x{called-number}")(call, "bob"), undefined);
  assert.equal(readTemplate("")(call, "bob"), undefined);
  assert.deepEqual(unknownParts("{user}{nothing}"), ["nothing"]);
});
