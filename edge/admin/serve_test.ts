import { ApplianceError } from "../appliance/errors.ts";
import assert from "node:assert/strict";
import { openSystem } from "../io/system.ts";
import { asking } from "./_ask.ts";
import type { Patience } from "./connections.ts";
import { type RequestHandler, serveAdmin } from "./serve.ts";
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
  await drained();
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

/** A connection on which bytes are sent as they are; `read` gives all that comes within a time, or until it is closed. */
async function raw(url: string): Promise<
  { send(text: string): Promise<unknown>; read(ms?: number): Promise<string> } & Disposable
> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  let closed = false;
  const close = () => {
    if (!closed) connection.close();
    closed = true;
  };
  return {
    send: (text) => connection.write(new TextEncoder().encode(text)),
    async read(ms = 5000) {
      const timer = setTimeout(close, ms);
      let text = "";
      try {
        for await (const chunk of connection.readable) text += new TextDecoder().decode(chunk);
      } catch { /* it was closed, by one of us */ }
      closed = true;
      clearTimeout(timer);
      return text;
    },
    [Symbol.dispose]: close,
  };
}

const quick: Patience = { headersMs: 400, requestMs: 800, stalledMs: 1500 };

Deno.test("malformed requests are answered by 400, and are no errors of ours", async () => {
  const errors: string[] = [];
  const { app } = asking(await branchOffice(), errors);
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  for (
    const request of [
      "GET /healthz HTTP/1.1\r\nHost: a[b\r\n\r\n",
      "GET /healthz HTTP/1.1\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: 127.0.0.1\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nHost: local host\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\r\n\r\n",
      "GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ]
  ) {
    using client = await raw(server.url);
    await client.send(request);
    assert.match(
      await client.read(1000),
      /^HTTP\/1\.1 400 Bad Request\r\n/,
      JSON.stringify(request),
    );
  }
  using old = await raw(server.url);
  await old.send("GET /healthz HTTP/1.0\r\n\r\n");
  assert.match(await old.read(1000), /^HTTP\/1\.1 200 OK/);
  assert.deepEqual(errors, []);
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  assert.match(metrics, /isthmus_http_refused_total\{reason="malformed"\} [1-9]/);
});

Deno.test("who sends no whole request, or does not read, is cut off; aborted uploads are no errors", async () => {
  const errors: string[] = [];
  const api = await branchOffice();
  const { app } = asking(api, errors);
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app, {
    patience: quick,
  });
  using silent = await raw(server.url);
  using half = await raw(server.url);
  await half.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Y");
  using body = await raw(server.url);
  await body.send(
    "POST /v1/tunnels HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
  );
  const answers = await Promise.all([silent.read(), half.read(), body.read()]);
  for (const answer of answers) assert.match(answer, /^(HTTP\/1\.1 408 Request Timeout\r\n|$)/);
  {
    using aborted = await raw(server.url);
    await aborted.send(
      "POST /v1/tunnels HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
    );
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(errors, []);
  assert.equal((await fetch(`${server.url}/healthz`).then((r) => r.json())).status, "ok");
});

Deno.test("who asks for much and reads nothing is cut off", async () => {
  const refused: string[] = [];
  let cancelled = false;
  const app: RequestHandler = {
    fetch: () =>
      new Response(
        new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
          cancel: () => void (cancelled = true),
        }, { highWaterMark: 0 }),
      ),
    refused: (reason) => void refused.push(reason),
  };
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app, {
    patience: { headersMs: 400, requestMs: 600, stalledMs: 500 },
  });
  using client = await raw(server.url);
  await client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  for (let i = 0; i < 200 && !cancelled; i++) await new Promise((r) => setTimeout(r, 50));
  assert.ok(cancelled);
  assert.deepEqual(refused, ["stalled"]);
});

Deno.test("who waits for an answer that takes us long is not cut off", async () => {
  const app: RequestHandler = {
    async fetch() {
      await new Promise((resolve) => setTimeout(resolve, 1200));
      return new Response("at last");
    },
  };
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app, {
    patience: { headersMs: 400, requestMs: 600, stalledMs: 300 },
  });
  const response = await fetch(server.url);
  assert.equal(await response.text(), "at last");
});

Deno.test("connections are bounded, and those that ask something come before idle ones", async () => {
  const { app } = asking(await branchOffice());
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app, {
    cap: 4,
  });
  const idle = await Promise.all(Array.from({ length: 40 }, () => raw(server.url)));
  for (let i = 0; i < 10; i++) {
    assert.equal((await fetch(`${server.url}/healthz`).then((r) => r.json())).status, "ok");
  }
  const ends = await Promise.all(idle.map((each) => each.read(300)));
  assert.deepEqual(new Set(ends), new Set([""]));
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const count = Number(/reason="too-many-connections"\} (\d+)/.exec(metrics)![1]);
  assert.ok(count >= 36, `${count} were refused`);
});

Deno.test("a trace that cannot be had takes no place among the streams", async () => {
  const api = await branchOffice();
  api.trace = () => Promise.reject(new ApplianceError("not-found", undefined, "there is none"));
  const ask = asking(api);
  for (let i = 0; i < 20; i++) assert.equal((await ask("GET", "/v1/trace?of=none")).status, 404);
});

Deno.test("streams without an end are bounded, and their places come back", async () => {
  const { app } = asking(await branchOffice());
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  const open = async () => {
    const abort = new AbortController();
    const response = await fetch(`${server.url}/v1/events`, { signal: abort.signal });
    return { abort, response, status: response.status };
  };
  const streams = await Promise.all(Array.from({ length: 16 }, open));
  assert.deepEqual(new Set(streams.map(({ status }) => status)), new Set([200]));
  const over = await fetch(`${server.url}/v1/events`);
  assert.equal(over.status, 503);
  await over.body?.cancel();
  const [first, ...others] = streams;
  first!.abort.abort();
  await first!.response.body?.cancel().catch(() => {});
  let status = 503;
  let again: Awaited<ReturnType<typeof open>> | undefined;
  for (let i = 0; i < 100 && status === 503; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    again = await open();
    status = again.status;
    if (status === 503) await again.response.body?.cancel();
  }
  assert.equal(status, 200);
  for (const each of [...others, again!]) {
    each.abort.abort();
    await each.response.body?.cancel().catch(() => {});
  }
});

Deno.test("disposal waits two seconds for unfinished requests, and no longer", async () => {
  const { app } = asking(await branchOffice());
  const server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  using body = await raw(server.url);
  await body.send(
    "POST /v1/tunnels HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
  );
  await new Promise((resolve) => setTimeout(resolve, 100));
  const begun = Date.now();
  await server[Symbol.asyncDispose]();
  assert.ok(Date.now() - begun < 20_000);
  await body.read(2000);
  await drained();
});

Deno.test("who connected to a Unix socket is known by uid", async () => {
  using system = openSystem();
  const directory = await Deno.makeTempDir({ prefix: "isthmus-admin-" });
  try {
    const path = `${directory}/admin.sock`;
    let client: unknown;
    const app: RequestHandler = {
      fetch: (_request, environment) => {
        client = environment.client;
        return new Response("seen");
      },
    };
    await using _server = await serveAdmin({ listen: { path } }, app, {
      credentials: system.peerCredentials,
    });
    using http = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    await (await fetch("http://localhost/", { client: http })).text();
    assert.deepEqual(client, { pid: Deno.pid, uid: Deno.uid() });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** Waits as long as the adapter does for the rest of a body that nobody wants. */
async function drained(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 700));
}

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

Deno.test("a connection's requests begin one after another, and who sends many before it reads is cut off", async () => {
  let running = 0;
  let most = 0;
  let begun = 0;
  const refused: string[] = [];
  const app: RequestHandler = {
    async fetch() {
      begun++;
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      return new Response("done");
    },
    refused: (reason) => void refused.push(reason),
  };
  await using server = await serveAdmin({ listen: { host: "127.0.0.1", port: 0 } }, app);
  const ask = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  {
    using connection = await raw(server.url);
    await connection.send(ask.repeat(10));
    const text = await connection.read(1000);
    assert.equal(text.match(/done/g)?.length, 10);
    assert.deepEqual([begun, most], [10, 1]);
  }
  using connection = await raw(server.url);
  await connection.send(ask.repeat(100));
  await connection.read(1000);
  assert.deepEqual(refused, ["pipelined"]);
  assert.ok(begun < 30, `${begun} were begun`);
});
