import assert from "node:assert/strict";
import type { AdminConfig } from "../config/model.ts";
import { movableAdmin } from "./movable.ts";

type Listen = AdminConfig["listen"];

/** Where somebody listens, as the system has it: one on a port, whatever the address. */
function bench(refused: readonly string[] = []) {
  const taken = new Map<string, string>();
  const lines: string[] = [];
  const admin = movableAdmin((listen: Listen) => {
    const url = "path" in listen ? listen.path : `${listen.host}:${listen.port}`;
    const key = "path" in listen ? listen.path : String(listen.port);
    if (taken.has(key)) return Promise.reject(new Error(`${url}: in use`));
    if (refused.includes(url)) return Promise.reject(new Error(`${url}: no address`));
    taken.set(key, url);
    lines.push(`+${url}`);
    const retire = () => {
      if (taken.get(key) === url && taken.delete(key)) lines.push(`-${url}`);
    };
    return Promise.resolve({
      url,
      retire,
      [Symbol.asyncDispose]: () => Promise.resolve(retire()),
    });
  });
  return { admin, lines };
}

const at = (host: string, port: number) => ({ listen: { host, port }, tokens: [] });

Deno.test("it listens at the new place before it leaves the former one", async () => {
  const { admin, lines } = bench();
  await admin.move(at("127.0.0.1", 1));
  await admin.move(at("127.0.0.1", 1));
  await admin.move({ listen: { path: "/a.sock" }, tokens: [] });
  assert.deepEqual(lines, ["+127.0.0.1:1", "+/a.sock", "-127.0.0.1:1"]);
  assert.equal(admin.url(), "/a.sock");
  await admin[Symbol.asyncDispose]();
  assert.equal(lines.at(-1), "-/a.sock");
});

Deno.test("where two places are in each other's way, the former one goes first", async () => {
  const { admin, lines } = bench();
  await admin.move(at("127.0.0.1", 1));
  await admin.move(at("0.0.0.0", 1));
  assert.deepEqual(lines, ["+127.0.0.1:1", "-127.0.0.1:1", "+0.0.0.0:1"]);
});

Deno.test("what cannot be had leaves it where it was", async () => {
  const { admin, lines } = bench(["0.0.0.0:1", "10.0.0.1:2"]);
  await admin.move(at("127.0.0.1", 1));
  await assert.rejects(admin.move(at("10.0.0.1", 2)), /no address/);
  assert.equal(admin.url(), "127.0.0.1:1");
  await assert.rejects(admin.move(at("0.0.0.0", 1)), /no address/);
  assert.equal(admin.url(), "127.0.0.1:1");
  assert.deepEqual(lines, ["+127.0.0.1:1", "-127.0.0.1:1", "+127.0.0.1:1"]);
});
