/** What clients of the admin endpoint cannot do: end the appliance, or delay what it does for tunnels. */

import { checkedFetch } from "../../edge/admin/promised.ts";
import assert from "node:assert/strict";
import { startControlNode } from "./control_support.ts";
import { adminToken, type Process, spawnIsthmus } from "./process.ts";
import { loopback, until } from "./support.ts";

/** A body that never ends. */
const unfinished = "POST /v1/reload HTTP/1.1\r\nHost: localhost\r\n" +
  `Authorization: Bearer ${adminToken}\r\n` +
  "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";

/** An appliance as a process that dials one in this process. */
async function scene(last: number, limits = "") {
  const [near, far] = [loopback(last), loopback(last + 1)];
  const called = await startControlNode(`
listen: [{ udp: "${far}:1701" }]
host-name: hq
peers: { branch: { proto-version: 3, accept: [{ name: "*", circuit: { sink: {} } }] } }
`);
  const directory = Deno.makeTempDirSync({ prefix: "isthmus-" });
  const file = `${directory}/isthmus.yaml`;
  const admin = `${near}:8701`;
  Deno.writeTextFileSync(
    file,
    `listen: [{ udp: "${near}:1701" }]
admin: { listen: "${admin}", token: ${adminToken} }
host-name: branch
peers: { hq: { proto-version: 3 } }
tunnels:
  to-hq:
    peer: hq
    local: ${near}:1701
    remote: ${far}:1701
    sessions: { one: { circuit: { sink: {} } } }
`,
  );
  const process = spawnIsthmus(file, admin, {}, limits);
  await until(() => process.log().includes("running"));
  await until(() => process.log().includes("call established"));
  return {
    admin,
    called,
    file,
    process,
    connect: () => {
      const [hostname, port] = admin.split(":");
      return Deno.connect({ hostname: hostname!, port: Number(port) });
    },
    async [Symbol.asyncDispose]() {
      await process[Symbol.asyncDispose]();
      await called[Symbol.asyncDispose]();
      await Deno.remove(directory, { recursive: true });
    },
  };
}

const send = (connection: Deno.Conn, text: string) =>
  connection.write(new TextEncoder().encode(text));

async function answers(process: Process): Promise<boolean> {
  return await process.get("/healthz").then(({ status }) => status === 200, () => false);
}

Deno.test("SIGTERM with requests under way tells the peers first, and exits 0", async () => {
  await using all = await scene(141);
  const { called, process } = all;
  const held = await Promise.all(Array.from({ length: 5 }, () => all.connect()));
  for (const connection of held) await send(connection, unfinished);
  const events = await all.connect();
  await send(
    events,
    `GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${adminToken}\r\n\r\n`,
  );
  process.child.kill("SIGTERM");
  await until(() => called.events.some(({ ending }) => ending?.by === "peer"));
  assert.equal((await process.child.status).code, 0, process.log());
  for (const connection of [...held, events]) connection.close();
});

Deno.test("running out of descriptors ends nothing, and the endpoint answers again", async () => {
  await using all = await scene(145, "ulimit -n 64;");
  const idle: Deno.Conn[] = [];
  for (let i = 0; i < 200; i++) idle.push(await all.connect());
  await until(() => answers(all.process));
  for (const connection of idle) connection.close();
  assert.ok(await answers(all.process));
  all.process.child.kill("SIGTERM");
  assert.equal((await all.process.child.status).code, 0, all.process.log());
});

Deno.test("a reload that moves the endpoint outlives unfinished bodies at the former one", async () => {
  await using all = await scene(151);
  const { process } = all;
  const held = await all.connect();
  await send(held, unfinished);
  const moved = `${loopback(159)}:8702`;
  Deno.writeTextFileSync(
    all.file,
    Deno.readTextFileSync(all.file).replace(
      `"${all.admin}"`,
      `"${moved}"`,
    ),
  );
  process.child.kill("SIGHUP");
  await until(() => process.log().includes("configuration reloaded"));
  await new Promise((resolve) => setTimeout(resolve, 3000));
  const health = await checkedFetch(`http://${moved}/healthz`);
  assert.equal((await health.json()).status, "ok");
  held.close();
});

Deno.test("malformed requests leave no line in the log", async () => {
  await using all = await scene(161);
  const before = all.process.log();
  for (const host of ["a[b", "[::1", "%00"]) {
    const connection = await all.connect();
    await send(connection, `GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    let text = "";
    for await (const chunk of connection.readable) text += new TextDecoder().decode(chunk);
    assert.match(text, /^HTTP\/1\.1 40[03] /);
  }
  const connection = await all.connect();
  await send(connection, unfinished);
  connection.close();
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(all.process.log(), before);
});

Deno.test("SIGHUP before it runs is kept until it does", async () => {
  const near = loopback(165);
  const directory = Deno.makeTempDirSync({ prefix: "isthmus-" });
  const file = `${directory}/isthmus.yaml`;
  const admin = `${near}:8701`;
  const text = `admin: { listen: "${admin}", token: ${adminToken} }\n`;
  // It cannot run before somebody writes into its file, which can be opened for that once it reads it.
  assert.ok((await new Deno.Command("mkfifo", { args: [file] }).output()).success);
  try {
    await using process = spawnIsthmus(file, admin);
    const pipe = await Deno.open(file, { write: true });
    Deno.writeTextFileSync(`${file}.new`, text);
    Deno.renameSync(`${file}.new`, file);
    process.child.kill("SIGHUP");
    await pipe.write(new TextEncoder().encode(text));
    pipe.close();
    await until(() => process.log().includes("configuration reloaded"));
    assert.match(process.log(), /running[^]*configuration reloaded/);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
