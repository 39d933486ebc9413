import assert from "node:assert/strict";
import { templateValues } from "./subscriber.ts";
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

Deno.test("a client's values name its VLANs, the outer first, and its user's realm", () => {
  const client = {
    mac: "02:00:00:00:00:01",
    vlans: [{ tpid: 0x88a8 as const, vid: 100 }, { tpid: 0x8100 as const, vid: 7 }],
    sessionId: 9,
    serviceName: new TextEncoder().encode("gold"),
    line: [],
    maxPayload: 1492,
  };
  const values = {
    mac: "02:00:00:00:00:01",
    interface: "eth1",
    vlan: "100.7",
    "service-name": "gold",
    "session-id": "9",
    "outer-vlan": "100",
    "inner-vlan": "7",
  };
  assert.deepEqual(templateValues(client, "eth1"), values);
  const { "inner-vlan": _, ...others } = values;
  assert.deepEqual(
    templateValues({ ...client, vlans: client.vlans.slice(1) }, "eth1", "bob@isp"),
    {
      ...others,
      vlan: "7",
      "outer-vlan": "7",
      user: "bob@isp",
      realm: "isp",
    },
  );
});
