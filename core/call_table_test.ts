import assert from "node:assert/strict";
import { CallTable } from "./call_table.ts";
import { seeded, testCall, testSettings } from "./testing.ts";

/** The table of a v2 tunnel: its session ids are its own. */
function tableOf(seed: number): CallTable {
  const { bytes } = seeded(seed);
  const host = {
    random: bytes,
    allocateSessionId: () => assert.fail("v2 asks nobody for ids"),
    releaseSessionId: () => assert.fail("v2 asks nobody for ids"),
    claimSessionId: () => assert.fail("v2 asks nobody for ids"),
  };
  return new CallTable(testSettings({ version: 2 }), host, false);
}

Deno.test("CallTable has room for as many v2 calls as there are ids, at first and after all have ended at once", () => {
  const table = tableOf(1);
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 0xffff; i++) {
      assert.ok(table.create("incoming-caller", testCall()), `round ${round}, call ${i}`);
    }
    assert.equal(table.create("incoming-caller", testCall()), undefined, "all ids are in use");
    const id = table.idToRefuseWith(0);
    assert.ok(id > 0 && id <= 0xffff, "a refusal has an id to name all the same");
    for (const call of [...table.values()]) table.remove(call, round);
  }
});

Deno.test("CallTable lets a v2 id rest in its own tunnel only", () => {
  const [one, other] = [tableOf(2), tableOf(2)];
  const call = one.create("incoming-caller", testCall())!;
  one.remove(call, 0);
  assert.notEqual(one.create("incoming-caller", testCall())!.localId, call.localId);
  assert.equal(other.create("incoming-caller", testCall())!.localId, call.localId);
});
