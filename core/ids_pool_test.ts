import assert from "node:assert/strict";
import { IdPool } from "./ids_pool.ts";
import { seeded } from "./testing.ts";

Deno.test("IdPool gives ids of the version's width, never 0 nor one that is taken", () => {
  const random = seeded(1);
  for (const version of [2, 3] as const) {
    const pool = new IdPool(version, random.bytes);
    const taken = new Set<number>();
    for (let i = 0; i < 20_000; i++) {
      const id = pool.allocate((one) => taken.has(one));
      assert.ok(id !== undefined && id > 0 && id <= (version === 2 ? 0xffff : 0xffff_ffff));
      assert.ok(!taken.has(id));
      taken.add(id);
    }
    if (version === 3) assert.ok(Math.max(...taken) > 0xff00_0000);
  }
});

Deno.test("IdPool lets a freed id rest for a minute", () => {
  const pool = new IdPool(2, () => Uint8Array.of(0, 0, 0, 7));
  assert.equal(pool.allocate(() => false), 7);
  pool.release(7, 1_000);
  assert.equal(pool.allocate(() => false), undefined, "the only id that is drawn rests");
  pool.release(8, 60_999);
  assert.equal(pool.allocate(() => false), undefined);
  pool.release(9, 61_000);
  assert.equal(pool.allocate(() => false), 7, "and is free after it");
});

Deno.test("IdPool lets no more than so many ids rest", () => {
  const random = seeded(2);
  const pool = new IdPool(2, random.bytes);
  for (let i = 0; i < 50_000; i++) {
    const id = pool.allocate(() => false);
    assert.ok(id !== undefined, `after ${i}`);
    pool.release(id, 0);
  }
});

Deno.test("IdPool says so where all ids are taken", () => {
  const pool = new IdPool(2, seeded(3).bytes);
  assert.equal(pool.allocate(() => true), undefined);
});
