import { checkedFetch } from "../../edge/admin/promised.ts";
import assert from "node:assert/strict";
import { openLibc } from "../../edge/io/libc.ts";
import { adminToken, type Process, spawnIsthmus as spawn } from "./process.ts";
import { loopback, until } from "./support.ts";

/** The service manager's end of sd_notify(3), on an abstract name. */
function notifySocket(): Disposable & { readonly name: string; read(): string } {
  const libc = openLibc();
  const name = `@isthmus-notify-${Deno.pid}`;
  const address = new TextEncoder().encode(`\x01\0${name.replace("@", "\0")}`); // AF_UNIX
  const fd = libc.call.socket(1, 2, 0);
  assert.equal(libc.call.bind(fd, address, address.length), 0);
  const room = new Uint8Array(512);
  return {
    name,
    read() {
      const length = libc.call.recv(fd, room, BigInt(room.length), 0x40); // MSG_DONTWAIT
      return new TextDecoder().decode(room.subarray(0, Math.max(0, length)));
    },
    [Symbol.dispose]() {
      libc.call.close(fd);
      libc[Symbol.dispose]();
    },
  };
}

interface Scene extends AsyncDisposable {
  readonly file: string;
  readonly admin: string;
  write(sessions: string, more?: string): void;
}

function scene(last: number): Scene {
  const directory = Deno.makeTempDirSync({ prefix: "isthmus-" });
  const file = `${directory}/isthmus.yaml`;
  const [local, remote] = [loopback(last), loopback(last + 1)];
  const admin = `${local}:8701`;
  return {
    file,
    admin,
    write: (sessions, more = "") =>
      Deno.writeTextFileSync(
        file,
        `listen: [{ udp: "${local}:1701" }]
admin: { listen: "${admin}", token: ${adminToken} }
${more}
tunnels:
  branch:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    local: "${local}:1701"
    remote: "${remote}:1701"
    sessions:
${sessions}
`,
      ),
    [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }),
  };
}

const one =
  "      one: { session-id: 1, peer-session-id: 1, circuit: { probe: { address: 10.0.0.1/24 } } }";
const two = "      two: { session-id: 2, peer-session-id: 2 }";

async function sessionNames(process: Process): Promise<string[]> {
  const { body } = await process.get("/v1/sessions");
  return (body as { sessions: { name: string }[] }).sessions.map(({ name }) => name);
}

const ready = (process: Process) => until(() => process.log().includes("running"));

Deno.test("SIGHUP reloads the file, and a bad file changes nothing", async () => {
  await using files = scene(21);
  files.write(one);
  await using process = spawn(files.file, files.admin);
  await ready(process);
  assert.deepEqual(await sessionNames(process), ["one"]);
  files.write(`${one}\n${two}`);
  process.child.kill("SIGHUP");
  await until(() => process.log().includes("configuration reloaded"));
  assert.deepEqual(await sessionNames(process), ["one", "two"]);
  files.write(`${one.replace("session-id: 1", "sesion-id: 1")}`);
  process.child.kill("SIGHUP");
  await until(() => process.log().includes("reload failed"));
  assert.match(process.log(), /isthmus\.yaml:\d+:\d+: tunnels\.branch\.sessions\.one/);
  assert.deepEqual(await sessionNames(process), ["one", "two"]);
});

Deno.test("the service manager is told of readiness, reloads and the stop", async () => {
  await using files = scene(25);
  files.write(one);
  using manager = notifySocket();
  await using process = spawn(files.file, files.admin, { NOTIFY_SOCKET: manager.name });
  const told = async (state: string) => {
    await until(() => manager.read().includes(state));
  };
  await told(`READY=1\nSTATUS=admin at http://${files.admin}`);
  process.child.kill("SIGHUP");
  await told("RELOADING=1");
  await told("READY=1");
  process.child.kill("SIGTERM");
  await told("STOPPING=1");
  assert.equal((await process.child.status).code, 0);
});

Deno.test("a reload moves the admin endpoint", async () => {
  await using files = scene(31);
  files.write(one);
  await using process = spawn(files.file, files.admin);
  await ready(process);
  const moved = loopback(39) + ":8709";
  const text = Deno.readTextFileSync(files.file).replace(files.admin, moved);
  Deno.writeTextFileSync(files.file, text);
  const response = await checkedFetch(`http://${files.admin}/v1/reload`, {
    method: "POST",
    headers: { authorization: `Bearer ${adminToken}` },
  });
  assert.deepEqual((await response.json()).steps, [{ path: "admin", step: "changed" }]);
  const health = await checkedFetch(`http://${moved}/healthz`);
  assert.equal((await health.json()).status, "ok");
  await assert.rejects(checkedFetch(`http://${files.admin}/healthz`));
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} stops the appliance in order`, async () => {
    await using files = scene(signal === "SIGTERM" ? 41 : 51);
    files.write(one);
    await using process = spawn(files.file, files.admin);
    await ready(process);
    process.child.kill(signal);
    const { code } = await process.child.status;
    assert.equal(code, 0);
    await until(() => process.log().includes(`stopping signal=${signal}`));
  });
}

Deno.test("a wrong file ends `run` with status 2 and its place, and nothing is started", async () => {
  await using files = scene(61);
  files.write(one, "lissten: []");
  await using process = spawn(files.file, files.admin);
  assert.equal((await process.child.status).code, 2);
  await until(() => process.log().includes("isthmus.yaml"));
  assert.match(process.log(), /isthmus\.yaml:3:1: lissten: .*listen/);
  await assert.rejects(checkedFetch(`http://${files.admin}/healthz`));
});

Deno.test("an address that is not there yet keeps `run` from nothing else, and is listed as down", async () => {
  await using files = scene(71);
  files.write(one);
  const text = Deno.readTextFileSync(files.file).replace(
    /listen: \[(.*)\]/,
    'listen: [$1, { udp: "203.0.113.1:1701" }]',
  );
  Deno.writeTextFileSync(files.file, text);
  await using process = spawn(files.file, files.admin);
  await ready(process);
  assert.deepEqual(await sessionNames(process), ["one"]);
  const { body } = await process.get("/v1/down");
  const { down } = body as { down: { path: string; reason: string }[] };
  assert.deepEqual(down.map(({ path }) => path), ["listen/udp:203.0.113.1:1701"]);
  assert.match(down[0]!.reason, /203\.0\.113\.1:1701.*EADDRNOTAVAIL/);
});

Deno.test("an admin endpoint whose address another holds keeps nothing else down, and comes when it is free", async () => {
  await using files = scene(81);
  files.write(one);
  const [hostname, port] = files.admin.split(":");
  const other = Deno.listen({ hostname: hostname!, port: Number(port) });
  try {
    await using process = spawn(files.file, files.admin);
    await ready(process);
    assert.match(process.log(), /warn .*path=admin.*in use/i);
    other.close();
    await until(() => process.get("/healthz").then(({ status }) => status === 200, () => false));
    assert.deepEqual((await process.get("/v1/down")).body, { down: [] });
  } finally {
    try {
      other.close();
    } catch { /* closed above */ }
  }
});
