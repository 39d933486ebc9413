import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import type { Scope } from "../scope.ts";
import { Memory } from "./memory.ts";

/** A run of the plugin on a database: its timers, and what its scope undoes in the end. */
function run(db: DatabaseSync) {
  const timers: (() => void)[] = [];
  const undos: (() => void)[] = [];
  const scope = {
    now: () => 0,
    date: () => 1,
    log() {},
    timer(_: number, due: () => void) {
      timers.push(due);
      return { cancel: () => void timers.splice(timers.indexOf(due), 1) };
    },
    defer: (undo: () => void) => void undos.push(undo),
    store: () => db,
  } as unknown as Scope;
  return { memory: new Memory(scope), timers, end: () => undos.forEach((undo) => undo()) };
}

Deno.test("what users had last is known after a restart, and looked up for each when it comes", () => {
  const db = new DatabaseSync(":memory:");
  const first = run(db);
  for (let i = 0; i < 1000; i++) first.memory.set(`user ${i}`, `10.0.${i >> 8}.${i & 255}`);
  assert.equal(first.memory.get("user 7"), "10.0.0.7");
  first.end();
  const second = run(db);
  const prepare = db.prepare.bind(db);
  let rows = 0;
  db.prepare = (sql) => {
    const statement = prepare(sql);
    const all = statement.all.bind(statement);
    statement.all = ((...given: []) => {
      const found = all(...given);
      rows += found.length;
      return found;
    }) as typeof statement.all;
    return statement;
  };
  assert.equal(second.memory.get("user 999"), "10.0.3.231");
  assert.equal(second.memory.get("nobody"), undefined);
  assert.equal(rows, 0, "not all of them are read");
  second.memory.set("user 999", "10.9.9.9");
  assert.equal(second.memory.get("user 999"), "10.9.9.9");
});

Deno.test("what is new is written down a bounded number at a time, and all of it in the end", () => {
  const db = new DatabaseSync(":memory:");
  const { memory, timers, end } = run(db);
  for (let i = 0; i < 1000; i++) memory.set(`user ${i}`, "10.0.0.1");
  const count = () => Number(db.prepare("SELECT count(*) AS n FROM last_lease").get()!["n"]);
  assert.deepEqual([count(), timers.length], [0, 1]);
  timers.shift()!();
  assert.ok(count() > 0 && count() <= 256, `${count()} in one turn`);
  assert.equal(timers.length, 1, "the rest follows");
  end();
  assert.equal(count(), 1000);
});
