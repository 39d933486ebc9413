import assert from "node:assert/strict";
import { checkedAdmin } from "./promised.ts";
import type { Client } from "./client.ts";
import { branchOffice, tapPlugin } from "./testing.ts";

/** An app whose log is kept, and a way to ask it as somebody. */
async function audited(token?: string) {
  const api = await branchOffice();
  if (token !== undefined) {
    api.admin = { ...api.admin, tokens: [{ name: "bob", token: "b" }, { name: "eve", token }] };
  }
  const lines: string[] = [];
  const say = (level: string) => (message: string, fields?: unknown) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  let now = 0;
  const app = checkedAdmin(api, {
    plugins: [tapPlugin],
    log: { error: say("error"), warn: say("warn"), info: say("info") },
    refusalDelayMs: 0,
    now: () => now,
  });
  return {
    lines,
    pass: (ms: number) => void (now += ms),
    ask: async (method: string, path: string, client: Client, given = "") => {
      const response = await app.request(`http://localhost${path}`, {
        method,
        headers: given === "" ? {} : { authorization: `Bearer ${given}` },
      }, { ending: new AbortController().signal, client });
      await response.text();
      return response.status;
    },
  };
}

Deno.test("each change is logged with who made it, what is only read is not", async () => {
  const { ask, lines } = await audited();
  assert.equal(await ask("GET", "/v1/tunnels", { uid: 1000, pid: 7 }), 200);
  assert.equal(await ask("POST", "/v1/reload", { uid: 1000, pid: 7 }), 200);
  assert.equal(await ask("DELETE", "/v1/tunnels/nothing", { uid: 1000, pid: 7 }), 404);
  assert.deepEqual(lines, [
    'info changed by request {"uid":1000,"pid":7,"method":"POST","path":"/v1/reload"}',
  ]);
});

Deno.test("changes over TCP are logged with the address and the token's name, never the token", async () => {
  const { ask, lines } = await audited("0123456789abcdef");
  const client = { address: "10.0.0.9" };
  assert.equal(await ask("POST", "/v1/reload", client, "0123456789abcdef"), 200);
  assert.deepEqual(lines, [
    'info changed by request {"address":"10.0.0.9","token-name":"eve","method":"POST","path":"/v1/reload"}',
  ]);
});

Deno.test("refused requests are logged, five at once and then one every five seconds", async () => {
  const { ask, lines, pass } = await audited("0123456789abcdef");
  for (let i = 0; i < 20; i++) {
    assert.equal(await ask("GET", "/v1/config", { address: "10.0.0.9" }, "guess"), 401);
  }
  assert.equal(lines.length, 5);
  assert.match(
    lines[0]!,
    /^warn .* \{"address":"10\.0\.0\.9","method":"GET","path":"\/v1\/config","status":401\}$/,
  );
  assert.ok(!lines.join().includes("guess"));
  pass(5000);
  assert.equal(await ask("GET", "/v1/config", { address: "10.0.0.9" }), 401);
  assert.match(lines[5]!, /"not-logged":15/);
});
