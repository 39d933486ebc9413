import assert from "node:assert/strict";
import { makeLog } from "../log/log.ts";
import { forEach, transaction } from "./transaction.ts";

const lines: string[] = [];
const log = makeLog({ level: "info", format: "text" }, { write: (line) => void lines.push(line) });

Deno.test("transaction() commits in order, or takes back in reverse", async () => {
  const steps: string[] = [];
  const work = (fail: boolean) =>
    transaction(log, (tx) => {
      for (const name of ["a", "b"]) {
        tx.undo(() => steps.push(`undo ${name}`));
        tx.commit(() => steps.push(`commit ${name}`));
      }
      return fail ? Promise.reject(new Error("no")) : Promise.resolve(7);
    });
  assert.equal(await work(false), 7);
  assert.deepEqual(steps.splice(0), ["commit a", "commit b"]);
  await assert.rejects(work(true), /no/);
  assert.deepEqual(steps, ["undo b", "undo a"]);
});

Deno.test("transaction() goes on taking back where one step fails, and logs it", async () => {
  const steps: string[] = [];
  const work = transaction(log, (tx) => {
    tx.undo(() => steps.push("first"));
    tx.undo(() => Promise.reject(new Error("stuck")));
    return Promise.reject(new Error("no"));
  });
  await assert.rejects(work, /no/);
  assert.deepEqual(steps, ["first"]);
  assert.match(lines.join(""), /cannot take back.*stuck/);
});

Deno.test("forEach() keeps to its width, begins no more after a failure, and waits for those begun", async () => {
  let [running, most, begun] = [0, 0, 0];
  const items = Array.from({ length: 50 }, (_, i) => i);
  const work = async (item: number) => {
    begun++;
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve));
    running--;
    if (item === 10) throw new Error("item 10");
  };
  await assert.rejects(forEach(items, 4, work), /item 10/);
  assert.equal(running, 0);
  assert.equal(most, 4);
  assert.ok(begun < 20);
});
