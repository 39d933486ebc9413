/** What HTTP itself asks of an endpoint (RFC 9110), as clients that know no more than that would try it. */

import assert from "node:assert/strict";
import { asking } from "./_ask.ts";
import { serveAdmin } from "./serve.ts";
import { branchOffice, hq } from "./testing.ts";

const branch = "/v1/tunnels/branch";
Deno.test("OPTIONS tells what is allowed, and changes nothing", async () => {
  const ask = asking(await branchOffice());
  for (
    const [path, allowed] of [
      ["/v1/tunnels", "GET, HEAD, POST, OPTIONS"],
      [branch, "GET, HEAD, PATCH, DELETE, OPTIONS"],
      ["/v1/reload", "POST, OPTIONS"],
    ] as const
  ) {
    const { headers, status, text } = await ask("OPTIONS", path);
    assert.deepEqual([status, headers.get("allow"), text], [204, allowed, ""]);
    assert.equal(headers.get("access-control-allow-origin"), null);
  }
  const nowhere = await ask("OPTIONS", "/nowhere");
  assert.equal(nowhere.status, 404);
  assert.match(String(nowhere.body.detail), /\/ lists what there is/);
});

Deno.test("HEAD is answered as GET is, without the body", async () => {
  const ask = asking(await branchOffice());
  for (const path of [branch, "/v1/tunnels", "/healthz", "/metrics", "/", "/v1/events", "/none"]) {
    const [get, head] = path === "/v1/events"
      ? [undefined, await ask("HEAD", path)]
      : [await ask("GET", path), await ask("HEAD", path)];
    assert.equal(head.text, "", path);
    if (!get) continue;
    assert.equal(head.status, get.status, path);
    for (const name of ["content-type", "etag", "vary"]) {
      assert.equal(head.headers.get(name), get.headers.get(name), `${path}: ${name}`);
    }
  }
});

Deno.test("names may be percent-encoded, and problems name the path as it was asked for", async () => {
  const ask = asking(await branchOffice());
  assert.equal((await ask("GET", "/v1/tunnels/%62ranch")).body.name, "branch");
  for (const given of ["a%2Fb", "%00", "%ff", "%E2%80%AE", "a%20b"]) {
    const { body, status } = await ask("GET", `/v1/tunnels/${given}`);
    assert.equal(status, 404, given);
    assert.equal(body.instance, `/v1/tunnels/${given}`);
  }
});

Deno.test("a body is JSON in UTF-8 that is not compressed; changes may be called merge patches", async () => {
  const ask = asking(await branchOffice());
  const send = (method: string, path: string, headers: Record<string, string>) =>
    ask(method, path, { raw: "{}", headers });
  const json = (rest = "") => ({ "content-type": `application/json${rest}` });
  for (const rest of ["", "; charset=utf-8", '; charset="UTF-8"', ";charset=utf8"]) {
    assert.equal((await send("PATCH", branch, json(rest))).status, 200, rest);
  }
  for (const rest of ["; charset=utf-16", ';charset="latin1"']) {
    assert.equal((await send("PATCH", branch, json(rest))).status, 415, rest);
  }
  const merge = { "content-type": "application/merge-patch+json" };
  assert.equal((await send("PATCH", branch, merge)).status, 200);
  assert.equal((await send("POST", "/v1/tunnels", merge)).status, 415);
  const packed = await send("PATCH", branch, { ...json(), "content-encoding": "gzip" });
  assert.deepEqual([packed.status, packed.headers.get("accept-encoding")], [415, "identity"]);
  assert.match(String(packed.body.detail), /got the Content-Encoding gzip/);
});

Deno.test("conditions are heeded wherever something can be changed", async () => {
  const api = await branchOffice();
  api.peers = [hq];
  const ask = asking(api);
  const office = `${branch}/sessions/office`;
  for (const path of [branch, office, "/v1/peers/hq"]) {
    const { headers } = await ask("GET", path);
    const etag = headers.get("etag")!;
    assert.match(etag, /^"[\w-]+"$/, path);
    const change = async (headers: Record<string, string>) =>
      (await ask("PATCH", path, { json: {}, headers })).status;
    assert.equal(await change({ "if-match": etag }), 200, path);
    assert.equal(await change({ "if-match": `"x", ${etag}` }), 200, path);
    assert.equal(await change({ "if-match": "*" }), 200, path);
    assert.equal(await change({ "if-match": '"x"' }), 412, path);
    assert.equal(await change({ "if-match": `W/${etag}` }), 412, `${path}: weak tags never match`);
    assert.equal(await change({ "if-none-match": '"x"' }), 200, path);
    assert.equal(await change({ "if-none-match": etag }), 412, path);
    assert.equal(await change({ "if-none-match": `W/${etag}` }), 412, path);
    assert.equal(await change({ "if-none-match": "*" }), 412, path);
  }
  const before = api.edits.length;
  for (const [name, value] of [["if-match", '"x"'], ["if-none-match", "*"]] as const) {
    const { status } = await ask("PATCH", "/v1/config", { json: {}, headers: { [name]: value } });
    assert.equal(status, 412, `${name} of what has no version`);
  }
  assert.equal(
    await ask("DELETE", "/v1/peers/hq", { headers: { "if-match": '"x"' } })
      .then(({ status }) => status),
    412,
  );
  assert.equal(api.edits.length, before, "nothing was deleted");
});

Deno.test("numbers in a query are digits, and nothing else that could be read as one", async () => {
  const ask = asking(await branchOffice());
  for (const given of ["0x10", "1e2", "%2010", "10%20", "+5", "-1", "", "1.0", "Infinity", "９"]) {
    assert.equal((await ask("GET", `/v1/tunnels?limit=${given}`)).status, 422, given);
    assert.equal((await ask("DELETE", `${branch}?result=${given}`)).status, 422, given);
  }
  assert.equal((await ask("GET", "/v1/tunnels?limit=10")).status, 200);
});

Deno.test("the page is for who asks for it at least as much as for JSON", async () => {
  const ask = asking(await branchOffice());
  for (
    const [accept, type] of [
      ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"],
      ["text/html;q=0, application/json", "application/json"],
      ["application/json, text/html;q=0.5", "application/json"],
      ["TEXT/HTML", "text/html"],
      ["*/*", "application/json"],
      ["application/vnd.text/html", "application/json"],
    ] as const
  ) {
    const { headers } = await ask("GET", "/", { headers: { accept } });
    assert.equal(headers.get("content-type")?.split(";")[0], type, accept);
    assert.equal(headers.get("vary"), "accept");
  }
});

Deno.test("what is no request is answered by a problem, too", async () => {
  const { app } = asking(await branchOffice());
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  const { hostname, port } = new URL(server.url);
  for (
    const [request, status] of [
      [`GET /v1/tunnels/${"a".repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, 431],
      [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"a".repeat(20_000)}\r\n\r\n`, 431],
      ["nonsense\r\n\r\n", 400],
      ["GET / HTTP/1.1\r\n\r\n", 400],
    ] as const
  ) {
    const connection = await Deno.connect({ hostname, port: Number(port) });
    await connection.write(new TextEncoder().encode(request));
    let text = "";
    for await (const chunk of connection.readable.pipeThrough(new TextDecoderStream())) {
      text += chunk;
    }
    const [head, body] = text.split("\r\n\r\n") as [string, string];
    assert.match(head, new RegExp(`^HTTP/1.1 ${status} `), request.slice(0, 30));
    if (status !== 431 && !request.startsWith("nonsense")) continue; // Node's own
    assert.match(head, /^content-type: application\/problem\+json$/mi);
    assert.equal(JSON.parse(body).status, status);
  }
});
