import assert from "node:assert/strict";
import { Hono } from "hono";
import { inTurns } from "./turns.ts";

Deno.test("four requests are read for at a time, in their order; what is free, and what changes, waits for nobody", async () => {
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  const app = new Hono().use(inTurns(new Set(["/free"]))).all("*", async (c) => {
    begun.push(c.req.path);
    if (c.req.path === "/wrong") throw new Error("a fault");
    await new Promise<void>((resolve) => ends.push(resolve));
    return c.text("");
  }).onError((_, c) => c.text("", 500));
  const turn = () => new Promise((resolve) => setTimeout(resolve, 0));
  const all = ["/1", "/2", "/3", "/4", "/wrong", "/5", "/6"].map((path) => app.request(path));
  all.push(app.request("/free"), app.request("/change", { method: "POST" }));
  await turn();
  assert.deepEqual(begun, ["/1", "/2", "/3", "/4", "/free", "/change"]);
  ends.shift()!();
  await turn();
  assert.deepEqual(begun.slice(6), ["/wrong", "/5"], "one that fails gives its turn back");
  ends.shift()!();
  await turn();
  assert.deepEqual(begun.slice(8), ["/6"]);
  for (const end of ends) end();
  await Promise.all(all);
});
