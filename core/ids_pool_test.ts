import assert from "node:assert/strict";
import { IdPool } from "./ids_pool.ts";
import { seeded } from "./testing.ts";

const none: ReadonlySet<number> = new Set();

Deno.test("IdPool gives ids of the version's width, never 0 nor one that is taken", () => {
  const random = seeded(1);
  for (const version of [2, 3] as const) {
    const pool = new IdPool(version, random.bytes);
    const taken = new Set<number>();
    for (let i = 0; i < 20_000; i++) {
      const id = pool.allocate(taken);
      assert.ok(id !== undefined && id > 0 && id <= (version === 2 ? 0xffff : 0xffff_ffff));
      assert.ok(!taken.has(id));
      taken.add(id);
    }
    if (version === 3) assert.ok(Math.max(...taken) > 0xff00_0000);
  }
});

Deno.test("IdPool lets a freed id rest for a minute, unless no other is free", () => {
  // Draws 7 and 8 in turn.
  let draw = 0;
  const pool = new IdPool(2, () => Uint8Array.of(0, 0, 0, 7 + draw++ % 2));
  for (let i = 0; i < 5; i++) assert.ok([7, 8].includes(pool.allocate(none)!));
  pool.release(7, 1_000);
  for (let i = 0; i < 5; i++) assert.equal(pool.allocate(none), 8, "7 rests");
  pool.release(9, 60_999);
  assert.equal(pool.allocate(none), 8);
  pool.release(10, 61_000);
  assert.ok([pool.allocate(none), pool.allocate(none)].includes(7), "and is free after it");
});

Deno.test("IdPool looks beside what chance gives for an id that does not rest", () => {
  const pool = new IdPool(2, () => Uint8Array.of(0, 0, 0, 7));
  pool.release(7, 0);
  pool.release(8, 0);
  assert.equal(pool.allocate(none), 9);
});

Deno.test("IdPool gives every id before it gives none, and rest yields to need", () => {
  const pool = new IdPool(2, seeded(2).bytes);
  const taken = new Set<number>();
  for (let i = 0; i < 0xffff; i++) {
    const id = pool.allocate(taken);
    assert.ok(id !== undefined, `after ${i}`);
    assert.ok(id > 0 && !taken.has(id));
    taken.add(id);
  }
  assert.equal(pool.allocate(taken), undefined, "all are in use");
  // All end at once, and are wanted again at once: as many rest as may, and each is had all the same.
  for (const id of taken) pool.release(id, 0);
  taken.clear();
  for (let i = 0; i < 0xffff; i++) {
    const id = pool.allocate(taken);
    assert.ok(id !== undefined && !taken.has(id), `again after ${i}`);
    taken.add(id);
  }
});

Deno.test("IdPool takes the one that rested longest, where only resting ones are free", () => {
  const pool = new IdPool(2, seeded(3).bytes);
  const taken = new Set(Array.from({ length: 0xffff }, (_, i) => i + 1));
  for (const id of [500, 400, 300]) {
    taken.delete(id);
    pool.release(id, id);
  }
  for (const id of [500, 400, 300]) {
    assert.equal(pool.allocate(taken), id);
    taken.add(id);
  }
});

Deno.test("IdPool.any() is an id whatever is taken, and never 0", () => {
  let draw = 0;
  const pool = new IdPool(2, () => Uint8Array.of(0, 0, 0, draw++ % 3));
  for (let i = 0; i < 6; i++) assert.notEqual(pool.any(), 0);
});
