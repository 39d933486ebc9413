import assert from "node:assert/strict";
import { reasonOf, SourceBudget } from "./refusals.ts";

Deno.test("SourceBudget lets each source have its burst, then one each interval, whatever others do", () => {
  const budget = new SourceBudget({ burst: 3, everyMs: 1000 });
  const taken = (address: string, now: number) => {
    let count = 0;
    while (budget.take(address, now)) count++;
    return count;
  };
  assert.equal(taken("10.0.0.1", 0), 3);
  assert.equal(taken("10.0.0.2", 0), 3);
  assert.equal(taken("10.0.0.1", 999), 0);
  assert.equal(taken("10.0.0.1", 1000), 1);
  assert.equal(taken("10.0.0.1", 60_000), 3, "no more than the burst is saved");
  // A flood from everywhere: bounded all together.
  let told = 0;
  for (let i = 0; i < 100_000; i++) {
    told += Number(budget.take(`10.9.${i >> 8}.${i & 0xff}`, 70_000));
  }
  assert.ok(told <= 3 * 256, `${told}`);
});

Deno.test("reasonOf() has few words, however many AVPs and results there are", () => {
  assert.equal(reasonOf({ result: 2, error: 2 }, 15), "avp-15");
  assert.equal(reasonOf({ result: 2, error: 8 }, 15), "unknown-avp");
  assert.equal(reasonOf({ result: 2, error: 2 }, 30_000), "wrong-length");
  assert.equal(reasonOf({ result: 2, error: 3 }), "out-of-range");
  assert.equal(reasonOf({ result: 4 }), "call-limit");
  assert.equal(reasonOf({ result: 14 }), "unsupported-pseudowire");
  assert.equal(reasonOf({ result: 9 }), "result-9");
  assert.equal(reasonOf({ result: 65_000 }), reasonOf({ result: 64_000 }));
});
