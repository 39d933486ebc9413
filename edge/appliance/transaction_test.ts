import assert from "node:assert/strict";
import { setImmediate } from "node:timers";
import { makeLog } from "../log/log.ts";
import { makePace } from "../slices.ts";
import { forEach, makeLimit, transaction } from "./transaction.ts";

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

Deno.test("forEach() lets others have their turn though its work waits for nothing", async () => {
  let now = 0;
  let done = 0;
  const seen: number[] = [];
  const look = () => {
    seen.push(done);
    if (done < 100) setImmediate(look);
  };
  setImmediate(look);
  const work = () => Promise.resolve(void (now++, done++));
  await forEach(Array.from({ length: 100 }), 4, work, makePace(() => now));
  assert.ok(seen[0]! > 0 && seen[0]! <= 8, `${seen}`);
  assert.ok(seen.length >= 10, `${seen}`);
});

Deno.test("steps to commit or to take back let others have their turn", async () => {
  for (const fails of [false, true]) {
    let done = 0;
    let turns = 0;
    const busy = () => {
      const end = performance.now() + 1;
      while (performance.now() < end);
      done++;
    };
    const look = () => {
      turns++;
      if (done < 60) setImmediate(look);
    };
    setImmediate(look);
    await transaction(log, (tx) => {
      for (let i = 0; i < 60; i++) {
        if (fails) tx.undo(busy);
        else tx.commit(busy);
      }
      return fails ? Promise.reject(new Error("no")) : Promise.resolve();
    }).catch(() => {});
    assert.ok(turns >= 3, `${turns} turns`);
  }
});

Deno.test("a limit runs so much at a time, in order, and goes on after what failed", async () => {
  const limit = makeLimit(2);
  const began: number[] = [];
  const ends: PromiseWithResolvers<void>[] = [];
  const all = [0, 1, 2, 3].map((i) =>
    limit.run(() => {
      began.push(i);
      return (ends[i] = Promise.withResolvers<void>()).promise;
    })
  );
  await settled();
  assert.deepEqual(began, [0, 1]);
  ends[1]!.reject(new Error("no"));
  await assert.rejects(all[1]!, /no/);
  await settled();
  assert.deepEqual(began, [0, 1, 2]);
  ends[0]!.resolve();
  await settled();
  assert.deepEqual(began, [0, 1, 2, 3]);
  ends[2]!.resolve();
  ends[3]!.resolve();
  await Promise.all([all[0], all[2], all[3]]);
});

const settled = () => new Promise((resolve) => setTimeout(resolve));
