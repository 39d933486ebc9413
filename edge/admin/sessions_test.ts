import assert from "node:assert/strict";
import { asking } from "./_ask.ts";
import { branchOffice } from "./testing.ts";

const sessions = "/v1/tunnels/branch/sessions";

Deno.test("GET a session shows its attributes, circuit and statistics", async () => {
  const api = await branchOffice();
  api.count("branch", "office", { "rx-packets": 2, "rx-bytes": 196, "rx-cookie-discards": 1 });
  const { status, body } = await asking(api)("GET", `${sessions}/11`);
  assert.equal(status, 200);
  const { "created-at": _, ...rest } = body;
  assert.deepEqual(rest, {
    tunnel: "branch",
    "tunnel-id": 1,
    "peer-tunnel-id": 2,
    name: "office",
    "session-id": 11,
    "peer-session-id": 12,
    "pw-type": "ethernet",
    "l2spec-type": "default",
    cookie: "0011223344556677",
    "peer-cookie": "",
    "recv-seq": false,
    "send-seq": false,
    "lns-mode": false,
    "reorder-timeout": 0,
    "restart-after": 1000,
    "restart-run": 32,
    mtu: 1446,
    ifname: "office0",
    status: "up",
    circuit: { tap: { name: "office0" } },
    "circuit-state": { mac: "02:00:00:00:00:01" },
    origin: "api",
    statistics: {
      "tx-packets": 0,
      "tx-bytes": 0,
      "tx-errors": 0,
      "rx-packets": 2,
      "rx-bytes": 196,
      "rx-errors": 0,
      "rx-seq-discards": 0,
      "rx-oos-packets": 0,
      "rx-cookie-discards": 1,
      "rx-invalid": 0,
    },
  });
});

Deno.test("POST creates a session with its circuit, and hides the circuit's secrets", async () => {
  const ask = asking(await branchOffice());
  const json = {
    name: "lab",
    "session-id": 21,
    "peer-session-id": 22,
    "peer-cookie": "AABBCCDD",
    circuit: { tap: { name: "lab0", "admin-password": "hunter2" } },
  };
  const { status, headers, body, text } = await ask("POST", sessions, { json });
  assert.equal(status, 201);
  assert.equal(headers.get("location"), `${sessions}/lab`);
  assert.equal(body["peer-cookie"], "aabbccdd");
  assert.ok(!text.includes("hunter2"));
  const again = await ask("GET", headers.get("location")!);
  assert.equal(again.headers.get("etag"), headers.get("etag"));
});

Deno.test("POST names what is wrong with a circuit", async () => {
  const ask = asking(await branchOffice());
  const faults = async (circuit: unknown, more = {}) => {
    const json = { "session-id": 21, "peer-session-id": 22, circuit, ...more };
    const { status, body } = await ask("POST", sessions, { json });
    assert.equal(status, 422);
    return body.errors;
  };
  assert.deepEqual(await faults({ tpa: {} }), [
    { attribute: "circuit.tpa", message: 'no such plugin; did you mean "tap"?' },
  ]);
  assert.deepEqual(await faults({ tap: { name: 7, nmae: "x" } }), [
    {
      attribute: "circuit.tap.name",
      message: "got 7; expected a string (in quotes if it looks like a number)",
    },
    { attribute: "circuit.tap.nmae", message: 'unknown key; did you mean "name"?' },
  ]);
  assert.deepEqual(await faults({ tap: { name: "x0" } }, { "pw-type": "ppp" }), [{
    attribute: "circuit",
    message: "tap carries ethernet, not ppp; expected another circuit or pw-type",
  }]);
});

Deno.test("PATCH changes a session while it runs", async () => {
  const api = await branchOffice();
  const ask = asking(api);
  const json = { "send-seq": true, "reorder-timeout": 100, cookie: "", "pw-type": "eth" };
  const { status, body } = await ask("PATCH", `${sessions}/office`, { json });
  assert.equal(status, 200);
  assert.deepEqual([body["send-seq"], body["reorder-timeout"], body.cookie], [true, 100, ""]);
  assert.deepEqual(body.circuit, { tap: { name: "office0" } });
  const replaced = await ask("PATCH", `${sessions}/office`, {
    json: { circuit: { tap: { name: "office1" } } },
  });
  assert.equal(replaced.body.ifname, "office1");
});

Deno.test("PATCH checks new values against those that stay", async () => {
  const ask = asking(await branchOffice());
  const patch = async (json: unknown) => {
    const { status, body } = await ask("PATCH", `${sessions}/office`, { json });
    assert.equal(status, 422);
    return (body.errors as { attribute: string }[]).map(({ attribute }) => attribute);
  };
  assert.equal((await ask("PATCH", `${sessions}/11`, { json: { "recv-seq": true } })).status, 200);
  assert.deepEqual(await patch({ "l2spec-type": "none" }), ["recv-seq"]);
  assert.deepEqual(await patch({ "pw-type": "ppp" }), ["pw-type"], "it stays as it is");
  assert.deepEqual(await patch({ "session-id": 99 }), ["session-id"]);
  assert.deepEqual(await patch({ ifname: "x" }), ["ifname"]);
});

Deno.test("sessions keep their own version under If-Match", async () => {
  const ask = asking(await branchOffice());
  const headers = { "if-match": (await ask("GET", `${sessions}/11`)).headers.get("etag")! };
  const change = (mtu: number) => ask("PATCH", `${sessions}/11`, { json: { mtu }, headers });
  assert.deepEqual([(await change(1400)).status, (await change(1300)).status], [200, 412]);
  assert.equal((await ask("DELETE", `${sessions}/11`, { headers })).status, 412);
  assert.equal((await ask("DELETE", `${sessions}/11`)).status, 204);
  assert.equal((await ask("GET", `${sessions}/11`)).status, 404);
});

Deno.test("GET lists the sessions of one tunnel and of all, in pages", async () => {
  const ask = asking(await branchOffice());
  await ask("POST", "/v1/tunnels", {
    json: { "tunnel-id": 2, "peer-tunnel-id": 1, "ip-daddr": "10.0.0.2" },
  });
  for (const id of [5, 11]) {
    const json = { "session-id": id, "peer-session-id": id };
    await ask("POST", "/v1/tunnels/2/sessions", { json });
  }
  const names = (body: Record<string, unknown>) =>
    (body.sessions as Record<string, unknown>[]).map(({ tunnel, name }) => `${tunnel}/${name}`);
  assert.deepEqual(names((await ask("GET", sessions)).body), ["branch/office"]);
  const first = await ask("GET", "/v1/sessions?limit=2");
  assert.deepEqual(names(first.body), ["branch/office", "tunnel-2/session-5"]);
  assert.equal(first.body.next, "2.5");
  const second = await ask("GET", `/v1/sessions?limit=2&cursor=${first.body.next}`);
  assert.deepEqual(names(second.body), ["tunnel-2/session-11"]);
  assert.equal(second.body.next, undefined);
  assert.equal((await ask("GET", "/v1/tunnels/9/sessions")).status, 404);
});

Deno.test("a session in a tunnel that is not there is 404", async () => {
  const ask = asking(await branchOffice());
  const json = { "session-id": 1, "peer-session-id": 1 };
  assert.equal((await ask("POST", "/v1/tunnels/9/sessions", { json })).status, 404);
  assert.equal((await ask("PATCH", `${sessions}/none`, { json: {} })).status, 404);
  assert.equal((await ask("DELETE", `${sessions}/none`)).status, 404);
});
