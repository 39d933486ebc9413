import { checkedAdmin } from "./promised.ts";
import assert from "node:assert/strict";
import { ConfigError } from "../config/mod.ts";
import { asking } from "./_ask.ts";
import { routesOf } from "./document.ts";
import { maxBody } from "./guard.ts";
import { branchOffice, hq, memoryAppliance } from "./testing.ts";

Deno.test("/openapi.json lists exactly the routes there are", async () => {
  const ask = asking(memoryAppliance());
  const { body } = await ask("GET", "/openapi.json");
  const listed = Object.entries(body.paths as Record<string, object>)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method} ${path}`));
  const routes = ask.app.routes
    // What the page is made of is no part of the API.
    .filter(({ method, path }) => method !== "ALL" && !path.startsWith("/page."))
    .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:([a-z]+)/g, "{$1}")}`);
  assert.deepEqual(listed.sort(), [...new Set(routes)].sort());
  assert.equal(listed.length, routesOf(ask.app).length);
  assert.equal(body.openapi, "3.1.0");
  assert.ok(!JSON.stringify(body).includes('"$ref":"#/components/schemas/undefined"'));
});

Deno.test("GET /healthz says the version and the uptime in seconds, without a token", async () => {
  const api = memoryAppliance();
  api.admin = { ...api.admin, tokens: [{ name: "t", token: "s3cret" }] };
  const { status, body } = await asking(api)("GET", "/healthz");
  assert.equal(status, 200);
  assert.deepEqual(body, { status: "ok", version: "1.2.3", uptime: 1.5 });
});

Deno.test("GET /v1/config hides secrets", async () => {
  const api = await branchOffice();
  api.admin = { ...api.admin, tokens: [{ name: "t", token: "s3cret" }] };
  const headers = { authorization: "Bearer s3cret" };
  const { body, text } = await asking(api)("GET", "/v1/config", { headers });
  assert.ok(!text.includes("s3cret"));
  assert.ok("branch" in (body.tunnels as object));
});

Deno.test("GET /healthz says 503 while the datapath gives no sign of life", async () => {
  const api = memoryAppliance();
  api.healthy = false;
  const { status, body } = await asking(api)("GET", "/healthz");
  assert.equal(status, 503);
  assert.match((body as { detail: string }).detail, /no sign of life/);
});

Deno.test("GET /v1/datapath gives drops by reason and the datapath's own figures", async () => {
  const { body } = await asking(memoryAppliance())("GET", "/v1/datapath");
  assert.deepEqual(body, {
    "path-errors": { "port-unreachable": 2 },
    drops: { "unknown-session": 3, "bad-version": 0 },
    io: { "rx-batches": 7 },
  });
});

Deno.test("POST /v1/reload tells what it did, or where the file is wrong", async () => {
  const api = await branchOffice();
  const ask = asking(api);
  const report = await ask("POST", "/v1/reload");
  const down = [{
    path: "tunnels/new",
    reason: "the address is not there",
    since: "2023-11-14T22:13:20.000Z",
  }];
  assert.deepEqual(report.body, {
    steps: [
      { path: "tunnels/new", step: "added" },
      { path: "tunnels/branch", step: "changed", why: "remote" },
    ],
    kept: 1,
    down,
  });
  assert.deepEqual((await ask("GET", "/v1/down")).body, { down });
  api.reloadError = new ConfigError([
    { file: "a.yaml", line: 3, column: 5, path: "listen[0].udp", message: "expected an address" },
  ]);
  const { status, body } = await ask("POST", "/v1/reload");
  assert.equal(status, 422);
  assert.deepEqual(body.errors, [
    { attribute: "listen[0].udp", message: "a.yaml:3:5: expected an address" },
  ]);
});

Deno.test("malformed JSON is 400, whatever kind of it", async () => {
  const ask = asking(memoryAppliance());
  const headers = { "content-type": "application/json" };
  for (const raw of ["", "{", "{'a': 1}", "\0", "{}}", "NaN"]) {
    const { status, body } = await ask("POST", "/v1/tunnels", { raw, headers });
    assert.deepEqual([status, body.title], [400, "Bad Request"], raw);
  }
  for (const raw of ["[]", "null", "7", '"x"']) {
    assert.equal((await ask("POST", "/v1/tunnels", { raw, headers })).status, 422, raw);
  }
});

const mergePatch = "application/json, application/merge-patch+json";

Deno.test("a body that is not declared as JSON is 415", async () => {
  const ask = asking(await branchOffice());
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"]) {
    const headers = { "content-type": type };
    const post = await ask("POST", "/v1/tunnels", { raw: "{}", headers });
    assert.deepEqual([post.status, post.headers.get("accept-post")], [415, "application/json"]);
    const patch = await ask("PATCH", "/v1/tunnels/1", { raw: "{}", headers });
    assert.deepEqual([patch.status, patch.headers.get("accept-patch")], [415, mergePatch]);
  }
  const headers = { "content-type": "application/json; charset=utf-8" };
  assert.equal((await ask("PATCH", "/v1/tunnels/1", { raw: "{}", headers })).status, 200);
});

Deno.test("a body beyond 1 MiB is 413, declared or streamed", async () => {
  const ask = asking(memoryAppliance());
  const big = " ".repeat(maxBody + 1);
  const headers = { "content-type": "application/json" };
  const declared = { ...headers, "content-length": String(big.length) };
  assert.equal((await ask("POST", "/v1/tunnels", { raw: big, headers: declared })).status, 413);
  assert.equal((await ask("POST", "/v1/tunnels", { raw: big, headers })).status, 413);
  const fits = `{}${" ".repeat(maxBody - 2)}`;
  assert.equal((await ask("POST", "/v1/tunnels", { raw: fits, headers })).status, 422);
});

Deno.test("an unknown path is 404, an unknown method 405 with what is allowed", async () => {
  const ask = asking(await branchOffice());
  const missing = await ask("GET", "/v2/tunnels");
  assert.deepEqual([missing.status, missing.body.title], [404, "Not Found"]);
  assert.equal(missing.headers.get("content-type"), "application/problem+json");
  const put = await ask("PUT", "/v1/tunnels/1");
  assert.deepEqual([put.status, put.headers.get("allow")], [
    405,
    "GET, HEAD, PATCH, DELETE, OPTIONS",
  ]);
  assert.equal(
    (await ask("DELETE", "/v1/tunnels")).headers.get("allow"),
    "GET, HEAD, POST, OPTIONS",
  );
  assert.equal((await ask("OPTIONS", "/v1/reload")).headers.get("allow"), "POST, OPTIONS");
});

Deno.test("an unforeseen error is logged and told to nobody", async () => {
  const api = await branchOffice();
  const errors: string[] = [];
  const ask = asking(api, errors);
  api.reloadError = new Error("/etc/isthmus/secret-place exploded");
  const { status, text } = await ask("POST", "/v1/reload");
  assert.equal(status, 500);
  assert.ok(!text.includes("secret-place") && !text.includes(".ts:"));
  assert.equal(errors.length, 1);
  assert.match(errors[0]!, /secret-place/);
});

Deno.test("a failed change does not hold up the next one", async () => {
  const api = await branchOffice();
  const ask = asking(api);
  api.reloadError = new Error("once");
  const [failed, created] = await Promise.all([
    ask("POST", "/v1/reload"),
    ask("POST", "/v1/tunnels", {
      json: { "tunnel-id": 5, "peer-tunnel-id": 6, "ip-daddr": "10.0.0.2" },
    }),
  ]);
  assert.deepEqual([failed.status, created.status], [500, 201]);
});

Deno.test("/metrics tells of peers, of the last reload and of the process", async () => {
  const api = await branchOffice();
  api.peers = [hq];
  const app = checkedAdmin(api, {
    vitals: () => ({
      descriptors: { open: 20, limit: 1024 },
      residentBytes: 5000,
      heapBytes: 4000,
      droppedLines: 12,
      lagMs: 250,
    }),
  });
  for (const state of ["wait-ctl-reply", "established", "wait-ctl-reply"] as const) {
    api.bus.publish({ type: "connection-state", tunnel: "t", peer: "hq", tunnelId: 1, state });
  }
  const text = await (await app.request("http://localhost/metrics")).text();
  for (
    const line of [
      'isthmus_connection_states_total{state="wait-ctl-reply"} 2',
      'isthmus_connection_states_total{state="established"} 1',
      'isthmus_connection_states_total{state="closed"} 0',
      "process_open_fds 20",
      "process_max_fds 1024",
      "process_resident_memory_bytes 5000",
      'isthmus_memory_bytes{part="control-heap"} 4000',
      'isthmus_memory_bytes{part="datapath-heap"} 3000',
      'isthmus_memory_bytes{part="datapath-wasm"} 65536',
      "isthmus_log_dropped_lines_total 12",
      "isthmus_event_loop_lag_seconds 0.25",
      "isthmus_config_last_reload_successful 1",
      "isthmus_config_reload_failures_total 0",
    ]
  ) assert.ok(text.split("\n").includes(line), `${line}\n${text}`);
  for (const status of ["up", "down"]) {
    assert.match(
      text,
      new RegExp(`^isthmus_peer_tunnels\\{peer="hq",status="${status}"\\} 0$`, "m"),
    );
  }
});

Deno.test("/metrics has totals and no labels of tunnels or sessions", async () => {
  const api = await branchOffice();
  const ask = asking(api);
  api.count("branch", "office", { "tx-packets": 4, "tx-bytes": 400 });
  await ask("GET", "/v1/tunnels/branch");
  await ask("GET", "/nowhere");
  const first = await ask("GET", "/metrics");
  assert.match(first.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
  const lines = first.text.split("\n");
  for (
    const line of [
      'isthmus_build_info{version="1.2.3"} 1',
      "isthmus_start_time_seconds 1700000000",
      "isthmus_tunnels 1",
      'isthmus_sessions{status="up"} 1',
      'isthmus_sessions{status="down"} 0',
      "isthmus_tx_packets_total 4",
      "isthmus_tx_bytes_total 400",
      'isthmus_drops_total{reason="unknown-session"} 3',
      'isthmus_drops_total{reason="bad-version"} 0',
      "isthmus_datapath_rx_batches_total 7",
      "isthmus_tap_devices 1",
      'isthmus_http_requests_total{method="GET",route="/v1/tunnels/:tunnel",status="200"} 1',
      'isthmus_http_requests_total{method="other",route="other",status="404"} 1',
    ]
  ) assert.ok(lines.includes(line), `${line} is not in\n${first.text}`);
  assert.ok(!first.text.includes("branch") && !first.text.includes("office"));

  api.count("branch", "office", { "tx-packets": 3 });
  await ask("DELETE", "/v1/tunnels/branch");
  const second = (await ask("GET", "/metrics")).text.split("\n");
  assert.ok(second.includes("isthmus_tx_packets_total 7"), "counters never fall");
  assert.ok(second.includes("isthmus_tunnels 0"));
});

Deno.test("of very many faults the first twenty are told, and how many more there are", async () => {
  const ask = asking(await branchOffice());
  const keys = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 1]));
  const { body, status, text } = await ask("POST", "/v1/tunnels", { json: keys(9_000) });
  assert.equal(status, 422);
  assert.equal((body["errors"] as unknown[]).length, 20);
  assert.ok(Number(body["more"]) >= 9_000 - 20);
  assert.ok(text.length < 20_000, `${text.length} characters`);
  // More of them are not even read: that would take longer than others may wait.
  for (const [method, path] of [["POST", "/v1/tunnels"], ["PATCH", "/v1/config"]] as const) {
    const { body, status } = await ask(method, path, { json: keys(80_000) });
    assert.equal(status, 413);
    assert.match(String(body["detail"]), /more than 10000 keys/);
  }
});

Deno.test("a body that says a key twice is refused, and nothing is changed", async () => {
  const api = await branchOffice();
  const ask = asking(api);
  const cases: [string, string, string, string][] = [
    ["POST", "/v1/tunnels", '{"tunnel-id":7,"peer-tunnel-id":1,"tunnel-id":8}', "tunnel-id"],
    ["PATCH", "/v1/tunnels/branch", '{"udp-csum":true,"udp\\u002dcsum":false}', "udp-csum"],
    ["PATCH", "/v1/config", '{"peers":{"hq":{"hello":1,\n"hello":2}}}', "peers.hq.hello"],
    ["POST", "/v1/words/none", '{"of":[{"a":1},{"a":1,"a":2}]}', "of[1].a"],
  ];
  for (const [method, path, body, key] of cases) {
    const answer = await ask(method, path, {
      raw: body,
      headers: { "content-type": "application/json" },
    });
    assert.equal(answer.status, 400, path);
    assert.equal(answer.body["type"], "urn:isthmus:problem:repeated-key");
    const [error] = answer.body["errors"] as { attribute: string; message: string }[];
    assert.equal(error!.attribute, key);
    assert.match(error!.message, /^given twice, again at line [12], column \d+; expected/);
  }
  assert.deepEqual(api.edits, []);
  // A key that no key looks like may be a secret that lost its quotes.
  const { text } = await ask("PATCH", "/v1/config", {
    raw: '{"secret:hunter2":1,"secret:hunter2":2}',
    headers: { "content-type": "application/json" },
  });
  assert.ok(!text.includes("hunter2"));
  const deep = { raw: "[".repeat(100_000), headers: { "content-type": "application/json" } };
  assert.equal((await ask("PATCH", "/v1/config", deep)).status, 400);
});

Deno.test("the description tells every number that is taken, and every word that is shown", async () => {
  const ask = asking(await branchOffice());
  const { body, text } = await ask("GET", "/openapi.json");
  // deno-lint-ignore no-explicit-any
  const { components } = body as any;
  const numbers = (schema: unknown) =>
    [...JSON.stringify(schema).matchAll(/"const":(\d+)/g)].map(([, n]) => Number(n)).sort();
  assert.deepEqual(numbers(components.schemas.Tunnel.properties["proto-version"]), [2, 3]);
  assert.deepEqual(numbers(components.schemas.SessionInput.properties["pw-type"]), [4, 5, 7]);
  assert.deepEqual(components.schemas.Session.properties["pw-type"].enum.sort(), [
    ...["ethernet", "ethernet-vlan", "ppp"],
  ]);
  assert.ok(!text.includes('"enum":[]'));
});

Deno.test("whatever a body is, and of whatever route, what is wrong with it is told as a problem", async () => {
  const ask = asking(await branchOffice());
  for (
    const [method, path] of [
      ["PATCH", "/v1/config"],
      ["PATCH", "/v1/peers/hq"],
      ["POST", "/v1/peers"],
      ["POST", "/v1/words/add"],
      ["POST", "/v1/tunnels"],
      ["POST", "/v1/tunnels/branch/sessions"],
    ] as const
  ) {
    for (const json of [3, [null, null], "text"]) {
      const { headers, status } = await ask(method, path, { json });
      assert.equal(headers.get("content-type"), "application/problem+json", `${method} ${path}`);
      assert.ok(status === 422 || status === 404, `${method} ${path}: ${status}`);
    }
  }
  const nothing = await ask("PATCH", "/v1/config");
  assert.equal(nothing.status, 415);
});

Deno.test("parameters that a route does not have, or has twice, are refused by name", async () => {
  const ask = asking(await branchOffice());
  for (
    const [method, target, attribute, message] of [
      ["GET", "/v1/tunnels?lmit=3", "lmit", 'unknown parameter; did you mean "limit"?'],
      ["GET", "/v1/tunnels?limit=3&limit=4", "limit", "is given more than once"],
      ["GET", "/v1/tunnels/branch?x", "x", "unknown parameter; expected none"],
      ["GET", "/healthz?verbose=1", "verbose", "unknown parameter; expected none"],
      ["GET", "/v1/peers?limit=3", "limit", "unknown parameter; expected none"],
      ["DELETE", "/v1/tunnels/branch?force=true", "force", undefined],
      ["POST", "/v1/reload?dry_run=true", "dry_run", 'unknown parameter; did you mean "dry-run"?'],
      ["POST", "/v1/tunnels?__proto__=1", "__proto__", "unknown parameter; expected none"],
    ] as const
  ) {
    const { body, status } = await ask(method, target);
    assert.equal(status, 422, target);
    const [error] = body.errors as { attribute: string; message: string }[];
    assert.equal(error?.attribute, attribute, target);
    if (message !== undefined) assert.equal(error?.message, message, target);
  }
  assert.equal((await ask("HEAD", "/v1/tunnels?lmit=3")).status, 422);
  assert.equal((await ask("GET", "/nothing?x=1")).status, 404);
  assert.equal((await ask("GET", "/v1/tunnels/branch")).status, 200, "nothing was deleted");
});
