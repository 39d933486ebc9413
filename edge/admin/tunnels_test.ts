import assert from "node:assert/strict";
import { asking } from "./_ask.ts";
import { branchOffice, memoryAppliance } from "./testing.ts";
import { viewTunnel } from "./view.ts";

const minimal = { "tunnel-id": 1, "peer-tunnel-id": 2, "ip-daddr": "10.0.0.2" };

Deno.test("POST /v1/tunnels creates a tunnel with all defaults and says where it is", async () => {
  const ask = asking(memoryAppliance());
  const { status, headers, body } = await ask("POST", "/v1/tunnels", { json: minimal });
  assert.equal(status, 201);
  assert.equal(headers.get("location"), "/v1/tunnels/tunnel-1");
  const { "created-at": createdAt, statistics, ...rest } = body;
  assert.equal(createdAt, "2023-11-14T22:13:20.001Z");
  assert.equal(Object.keys(statistics as object).length, 10);
  assert.deepEqual(rest, {
    name: "tunnel-1",
    "tunnel-id": 1,
    "peer-tunnel-id": 2,
    "proto-version": 3,
    "encap-type": "udp",
    "ip-saddr": "0.0.0.0",
    "ip-daddr": "10.0.0.2",
    "udp-sport": 1701,
    "udp-dport": 1701,
    "udp-csum": true,
    sessions: 0,
    status: "up",
    origin: "api",
  });
  const got = await ask("GET", headers.get("location")!);
  assert.deepEqual([got.body, got.headers.get("etag")], [body, headers.get("etag")]);
});

Deno.test("a tunnel that has heard its peer says when", async () => {
  const appliance = memoryAppliance();
  await asking(appliance)("POST", "/v1/tunnels", { json: minimal });
  const state = await appliance.tunnel("tunnel-1");
  const view = viewTunnel({ ...state, heardAgoMs: 1500 }, 10_000);
  assert.equal(view["last-heard"], "1970-01-01T00:00:08.500Z");
  assert.ok(!("last-heard" in viewTunnel(state, 10_000)));
});

Deno.test("POST /v1/tunnels takes IPv6 over protocol 115", async () => {
  const ask = asking(memoryAppliance());
  const json = {
    name: "six",
    "tunnel-id": 0xffff_ffff,
    "peer-tunnel-id": 2,
    "encap-type": "ip",
    "ip6-daddr": "FD77::2",
  };
  const { status, body } = await ask("POST", "/v1/tunnels", { json });
  assert.equal(status, 201);
  assert.equal(body["ip6-saddr"], "::");
  assert.equal(body["ip6-daddr"], "fd77::2");
  assert.ok(!("udp-sport" in body) && !("udp-zero-csum6-tx" in body));
});

Deno.test("POST /v1/tunnels names every wrong attribute", async () => {
  const ask = asking(memoryAppliance());
  const json = { ...minimal, "udp-sport": 70000, "encap-type": "tcp", tunnel_id: 1, sessions: 2 };
  const { status, body } = await ask("POST", "/v1/tunnels", { json });
  assert.equal(status, 422);
  assert.equal(body.type, "urn:isthmus:problem:invalid");
  assert.equal(body.instance, "/v1/tunnels");
  assert.deepEqual(body.errors, [
    { attribute: "encap-type", message: 'got "tcp"; expected udp or ip' },
    { attribute: "udp-sport", message: "got 70000; expected a whole number from 1 to 65535" },
    { attribute: "tunnel_id", message: 'unknown key; did you mean "tunnel-id"?' },
    { attribute: "sessions", message: "only the appliance sets this; leave it out" },
  ]);
});

Deno.test("POST /v1/tunnels refuses values that disagree, and what is missing", async () => {
  const ask = asking(memoryAppliance());
  const v2 = await ask("POST", "/v1/tunnels", {
    json: { ...minimal, "proto-version": 2, "encap-type": "ip" },
  });
  assert.deepEqual([v2.status, (v2.body.errors as { attribute: string }[])[0]?.attribute], [
    422,
    "encap-type",
  ]);
  const empty = await ask("POST", "/v1/tunnels", { json: {} });
  assert.deepEqual(
    (empty.body.errors as { attribute: string }[]).map(({ attribute }) => attribute),
    ["tunnel-id", "peer-tunnel-id", "ip-daddr"],
  );
  const nothing = await ask("POST", "/v1/tunnels");
  assert.equal(nothing.status, 422);
});

Deno.test("POST /v1/tunnels refuses an id that is taken", async () => {
  const ask = asking(await branchOffice());
  const { status, body } = await ask("POST", "/v1/tunnels", { json: minimal });
  assert.equal(status, 409);
  assert.deepEqual(body, {
    type: "urn:isthmus:problem:exists",
    title: "Already there",
    status: 409,
    detail: "1 is taken",
    instance: "/v1/tunnels",
    errors: [{ attribute: "tunnel-id", message: "1 is taken" }],
  });
});

Deno.test("GET /v1/tunnels/{tunnel} finds a tunnel by id and by name, or says 404", async () => {
  const ask = asking(await branchOffice());
  assert.equal((await ask("GET", "/v1/tunnels/1")).body.name, "branch");
  assert.equal((await ask("GET", "/v1/tunnels/branch")).body["tunnel-id"], 1);
  const missing = await ask("GET", "/v1/tunnels/north");
  assert.deepEqual([missing.status, missing.body.type], [404, "urn:isthmus:problem:not-found"]);
});

Deno.test("PATCH /v1/tunnels/{tunnel} changes what is given and nothing else", async () => {
  const api = await branchOffice();
  const ask = asking(api);
  const json = { "ip-daddr": "10.77.0.3", "udp-csum": false, "tunnel-id": 1 };
  const { status, body } = await ask("PATCH", "/v1/tunnels/branch", { json });
  assert.equal(status, 200);
  const { config } = await api.tunnel("1");
  assert.deepEqual([body["ip-daddr"], body["udp-csum"]], ["10.77.0.3", false]);
  assert.deepEqual(config.remote, { address: "10.77.0.3", port: 1701 });
  assert.deepEqual(config.local, { address: "10.77.0.1", port: 1701 });
  assert.equal(config.sessions.length, 1);
});

Deno.test("PATCH /v1/tunnels/{tunnel} moves a tunnel to IPv6", async () => {
  const ask = asking(await branchOffice());
  const json = { "ip6-saddr": "fd77::1", "ip6-daddr": "fd77::2", "udp-zero-csum6-tx": true };
  const { body } = await ask("PATCH", "/v1/tunnels/branch", { json });
  assert.deepEqual([body["ip6-saddr"], body["ip6-daddr"]], ["fd77::1", "fd77::2"]);
  assert.deepEqual([body["ip-daddr"], body["udp-zero-csum6-tx"]], [undefined, true]);
  assert.equal(body["udp-sport"], 1701);
});

Deno.test("PATCH /v1/tunnels/{tunnel} refuses what only a new tunnel can have", async () => {
  const ask = asking(await branchOffice());
  const json = { name: "north", "tunnel-id": 5 };
  const { status, body } = await ask("PATCH", "/v1/tunnels/branch", { json });
  assert.equal(status, 422);
  assert.deepEqual(body.errors, [
    {
      attribute: "name",
      message: "cannot be changed from branch; delete it and create it anew",
    },
    { attribute: "tunnel-id", message: "cannot be changed from 1; delete it and create it anew" },
  ]);
});

Deno.test("PATCH and DELETE with If-Match refuse to touch what was changed since", async () => {
  const api = await branchOffice();
  const ask = asking(api);
  const etag = (await ask("GET", "/v1/tunnels/branch")).headers.get("etag")!;
  api.count("branch", "office", { "rx-packets": 5 });
  const counted = await ask("GET", "/v1/tunnels/branch");
  assert.equal(counted.headers.get("etag"), etag, "counters are no change");
  const headers = { "if-match": `"other", ${etag}` };
  const first = await ask("PATCH", "/v1/tunnels/branch", { json: { "udp-dport": 1702 }, headers });
  assert.equal(first.status, 200);
  assert.notEqual(first.headers.get("etag"), etag);
  const second = await ask("PATCH", "/v1/tunnels/branch", { json: { "udp-dport": 9 }, headers });
  assert.deepEqual([second.status, second.body.type], [412, "about:blank"]);
  assert.equal((await ask("DELETE", "/v1/tunnels/branch", { headers })).status, 412);
  const any = { "if-match": "*" };
  assert.equal((await ask("DELETE", "/v1/tunnels/branch", { headers: any })).status, 204);
});

Deno.test("If-Match lets only one of two concurrent changes through", async () => {
  const ask = asking(await branchOffice());
  const headers = { "if-match": (await ask("GET", "/v1/tunnels/1")).headers.get("etag")! };
  const answers = await Promise.all(
    [5, 6].map((port) => ask("PATCH", "/v1/tunnels/1", { json: { "udp-dport": port }, headers })),
  );
  assert.deepEqual(answers.map(({ status }) => status), [200, 412]);
});

Deno.test("GET /v1/tunnels pages through tunnels by ascending id while they come and go", async () => {
  const ask = asking(memoryAppliance());
  for (const id of [9, 10, 100, 2, 7]) {
    await ask("POST", "/v1/tunnels", { json: { ...minimal, "tunnel-id": id } });
  }
  const ids = (body: Record<string, unknown>) =>
    (body.tunnels as Record<string, unknown>[]).map((tunnel) => tunnel["tunnel-id"]);
  const first = await ask("GET", "/v1/tunnels?limit=2");
  assert.deepEqual([ids(first.body), first.body.next], [[2, 7], "7.tunnel-7"]);
  await ask("DELETE", "/v1/tunnels/7");
  const second = await ask("GET", "/v1/tunnels?limit=2&cursor=7.tunnel-7");
  assert.deepEqual([ids(second.body), second.body.next], [[9, 10], "10.tunnel-10"]);
  const last = await ask("GET", "/v1/tunnels?limit=2&cursor=10.tunnel-10");
  assert.deepEqual([ids(last.body), last.body.next], [[100], undefined]);
});

Deno.test("GET /v1/tunnels refuses a limit, cursor or parameter that makes no sense", async () => {
  const ask = asking(memoryAppliance());
  for (const query of ["limit=0", "limit=10001", "limit=x", "limit=1.5", "cursor=x", "lmit=3"]) {
    const { status, body } = await ask("GET", `/v1/tunnels?${query}`);
    assert.equal(status, 422, query);
    const [error] = body.errors as { attribute: string }[];
    assert.equal(error?.attribute, query.split("=")[0], query);
  }
});

Deno.test("DELETE /v1/tunnels/{tunnel} deletes once", async () => {
  const ask = asking(await branchOffice());
  assert.equal((await ask("DELETE", "/v1/tunnels/branch")).status, 204);
  assert.equal((await ask("DELETE", "/v1/tunnels/branch")).status, 404);
});
