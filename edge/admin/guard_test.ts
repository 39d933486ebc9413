import assert from "node:assert/strict";
import type { AdminConfig } from "../config/model.ts";
import { asking } from "./_ask.ts";
import { hostAllowed } from "./guard.ts";
import { branchOffice } from "./testing.ts";

Deno.test("hostAllowed() takes loopback names and the address listened on, nothing else", () => {
  const at = (host: string, token?: string): AdminConfig => ({
    listen: { host, port: 8701 },
    tokens: token === undefined ? [] : [{ name: "t", token }],
  });
  const cases: [string, AdminConfig, boolean][] = [
    ["localhost", at("127.0.0.1"), true],
    ["LOCALHOST:8701", at("127.0.0.1"), true],
    ["127.0.0.1:8701", at("127.0.0.1"), true],
    ["127.77.0.1:8701", at("127.77.0.1"), true],
    ["[::1]:8701", at("::1"), true],
    ["evil.example", at("127.0.0.1"), false],
    ["localhost.evil.example", at("127.0.0.1"), false],
    ["127.0.0.1.evil.example:8701", at("127.0.0.1"), false],
    ["10.0.0.1", at("127.0.0.1"), false],
    ["user@localhost", at("127.0.0.1"), false],
    ["", at("127.0.0.1"), false],
    ["10.0.0.1:8701", at("10.0.0.1", "t"), true],
    ["10.0.0.2:8701", at("10.0.0.1", "t"), false],
    ["[FD77:0::1]:8701", at("fd77::1", "t"), true],
    ["10.0.0.9", at("0.0.0.0"), true],
    ["edge.example", at("0.0.0.0"), false],
    ["edge.example", at("0.0.0.0", "t"), true],
    ["localhost", { listen: { path: "/run/x.sock" }, tokens: [] }, true],
    ["evil.example", { listen: { path: "/run/x.sock" }, tokens: [] }, false],
  ];
  for (const [host, admin, allowed] of cases) {
    assert.equal(hostAllowed(host, admin), allowed, `${host} at ${JSON.stringify(admin.listen)}`);
  }
});

Deno.test("a rebound name is refused before anything is told", async () => {
  const ask = asking(await branchOffice());
  for (const method of ["GET", "DELETE"]) {
    const { status, text } = await ask(method, "/v1/tunnels/1", {
      headers: { host: "evil.example" },
    });
    assert.equal(status, 403);
    assert.ok(!text.includes("branch"));
  }
});

Deno.test("changes from other origins are refused, from ours not", async () => {
  const ask = asking(await branchOffice());
  const send = async (headers: Record<string, string>) =>
    (await ask("POST", "/v1/reload", { headers: { host: "localhost:8701", ...headers } })).status;
  assert.equal(await send({}), 200);
  assert.equal(await send({ origin: "http://localhost:8701" }), 200);
  assert.equal(await send({ "sec-fetch-site": "same-origin" }), 200);
  assert.equal(await send({ origin: "http://localhost:3000" }), 403);
  assert.equal(await send({ origin: "https://evil.example" }), 403);
  assert.equal(await send({ origin: "null" }), 403);
  assert.equal(await send({ "sec-fetch-site": "cross-site" }), 403);
});

Deno.test("a configured token is required, and follows the configuration", async () => {
  const api = await branchOffice();
  const ask = asking(api);
  const status = async (authorization?: string) => {
    const headers = authorization === undefined ? {} : { authorization };
    return await ask("GET", "/v1/tunnels", { headers });
  };
  assert.equal((await status()).status, 200);
  api.admin = { ...api.admin, tokens: [{ name: "t", token: "s3cret" }] };
  const none = await status();
  assert.equal(none.status, 401);
  assert.equal(none.headers.get("www-authenticate"), 'Bearer realm="isthmus"');
  for (const wrong of ["Bearer s3cre", "Bearer s3cret2", "Basic s3cret", "s3cret", "Bearer "]) {
    assert.equal((await status(wrong)).status, 401, wrong);
  }
  assert.equal((await status("Bearer s3cret")).status, 200);
  assert.equal((await status("bearer  s3cret")).status, 200);
  const metrics = await ask("GET", "/metrics");
  assert.equal(metrics.status, 401);
});
