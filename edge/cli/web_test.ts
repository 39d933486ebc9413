/** The page as a browser of this machine gets it: once by the printed address, then by the cookie; and nobody else. */

import assert from "node:assert/strict";
import { serveAdmin } from "../admin/mod.ts";
import { checkedAdmin } from "../admin/promised.ts";
import { branchOffice } from "../admin/testing.ts";
import { openClient } from "./client.ts";
import { web } from "./web.ts";

const token = "a-token-that-nobody-guesses";

async function served(work: (address: URL) => Promise<void>): Promise<void> {
  const api = await branchOffice();
  api.admin = { ...api.admin, tokens: [{ name: "t", token }] };
  const app = checkedAdmin(api, {
    version: "1.2.3",
  });
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  using client = openClient(server.url, token);
  const stop = new AbortController();
  const printed = Promise.withResolvers<string>();
  const running = web(client, { port: 0, stdout: printed.resolve, signal: stop.signal });
  try {
    await work(new URL((await Promise.race([printed.promise, running]))!.trim()));
  } finally {
    stop.abort();
    await running;
  }
}

async function get(url: URL | string, headers: Record<string, string> = {}) {
  const response = await fetch(url, { headers, redirect: "manual" });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

Deno.test("the page and what it asks come by the cookie that the printed address gives, once", async () => {
  await served(async (address) => {
    const first = await get(address);
    assert.equal(first.status, 303);
    assert.equal(first.headers.get("location"), "/");
    const given = first.headers.get("set-cookie")!;
    assert.match(given, /; HttpOnly; SameSite=Strict; Path=\/$/);
    assert.equal((await get(address)).status, 403, "the address works twice");
    const cookie = given.split(";")[0]!;
    const page = await get(new URL("/", address), { cookie, accept: "text/html,*/*" });
    assert.equal(page.status, 200);
    assert.match(
      page.headers.get("content-security-policy")!,
      /^default-src 'none'; script-src 'self'/,
    );
    assert.match(page.text, /<script type="module" src="page.js">/);
    for (const path of ["/page.js", "/page.css", "/v1/tunnels", "/v1/failures", "/healthz"]) {
      assert.equal((await get(new URL(path, address), { cookie })).status, 200, path);
    }
    assert.equal((await get(new URL("/v1/nothing", address), { cookie })).status, 404);
    assert.doesNotMatch(JSON.stringify([...page.headers]), new RegExp(token));
  });
});

Deno.test("nobody without the cookie gets anything, and nobody changes anything", async () => {
  await served(async (address) => {
    const tunnels = new URL("/v1/tunnels", address);
    const wrong = new URL(address);
    wrong.searchParams.set("once", "0".repeat(48));
    for (const url of [tunnels, new URL("/", address), wrong]) {
      assert.equal((await get(url)).status, 403, String(url));
    }
    assert.equal((await get(tunnels, { cookie: `isthmus=${"0".repeat(48)}` })).status, 403);
    assert.equal((await get(address)).status, 303, "a wrong key used up the right one");
    const posted = await fetch(tunnels, { method: "POST" });
    await posted.body?.cancel();
    assert.equal(posted.status, 405);
    // By a name that somebody made to mean this machine.
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: Number(address.port) });
    await conn.write(new TextEncoder().encode(
      `GET ${address.pathname}${address.search} HTTP/1.1\r\nHost: evil.example:${address.port}\r\nConnection: close\r\n\r\n`,
    ));
    const said = await new Response(conn.readable).text();
    assert.match(said, /^HTTP\/1.1 403 /);
  });
});
