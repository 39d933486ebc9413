import assert from "node:assert/strict";
import { asking } from "./_ask.ts";
import { serveAdmin } from "./serve.ts";
import { branchOffice } from "./testing.ts";

Deno.test("serveAdmin() answers on TCP and stops on disposal", async () => {
  const { app } = asking(await branchOffice());
  let url: string;
  {
    await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
    url = server.url;
    const response = await fetch(`${url}/v1/tunnels/branch`);
    assert.equal((await response.json())["tunnel-id"], 1);
    const post = await fetch(`${url}/v1/tunnels`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ "tunnel-id": 3, "peer-tunnel-id": 4, "ip-daddr": "10.0.0.2" }),
    });
    assert.equal(post.status, 201);
    await post.body?.cancel();
    const big = await fetch(`${url}/v1/tunnels`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: " ".repeat(2 * 1024 * 1024),
    });
    assert.equal(big.status, 413);
    await big.body?.cancel();
    const chunked = await fetch(`${url}/v1/tunnels`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: ReadableStream.from([new TextEncoder().encode("{}")]),
    });
    assert.equal(chunked.status, 422);
    await chunked.body?.cancel();
    const empty = await fetch(`${url}/v1/reload`, { method: "POST" });
    assert.equal(empty.status, 200);
    await empty.body?.cancel();
  }
  await assert.rejects(fetch(`${url}/healthz`));
});

Deno.test("serveAdmin() answers on a Unix socket, takes over a stale one and leaves none", async () => {
  const { app } = asking(await branchOffice());
  const directory = await Deno.makeTempDir({ prefix: "isthmus-admin-" });
  try {
    const path = `${directory}/admin.sock`;
    await leaveStaleSocket(path);
    {
      await using server = await serveAdmin({ listen: { path } }, app);
      assert.equal(server.url, `unix:${path}`);
      assert.equal((await Deno.stat(path)).mode! & 0o777, 0o660);
      using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
      const response = await fetch("http://localhost/v1/tunnels/1", { client });
      assert.equal((await response.json()).name, "branch");
      await assert.rejects(serveAdmin({ listen: { path } }, app), /another program listens/);
    }
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
    await Deno.writeTextFile(path, "precious");
    await assert.rejects(serveAdmin({ listen: { path } }, app), /is no socket/);
    assert.equal(await Deno.readTextFile(path), "precious");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("serveAdmin() does not listen beyond loopback without a token", async () => {
  const { app } = asking(await branchOffice());
  await assert.rejects(
    serveAdmin({ listen: { host: "0.0.0.0", port: 0 } }, app),
    /needs a token to listen on 0\.0\.0\.0/,
  );
});

/** A socket file whose listener died without removing it. */
async function leaveStaleSocket(path: string): Promise<void> {
  const code =
    `Deno.listen({ transport: "unix", path: Deno.args[0] }); Deno.kill(Deno.pid, "SIGKILL");`;
  await new Deno.Command(Deno.execPath(), {
    args: ["eval", code, "--", path],
    stdout: "null",
    stderr: "null",
  }).output();
  assert.ok((await Deno.lstat(path)).isSocket);
}
