import assert from "node:assert/strict";
import { startNode } from "./support.ts";
import { freePort, loopback, until } from "./support.ts";

const main = new URL("../../edge/main.ts", import.meta.url).pathname;
const stream = new URL("../plugins/stream.ts", import.meta.url).pathname;
const A = loopback(121);
const B = loopback(122);

/** One end of a static tunnel; sessions by their circuits. */
function end(
  own: [string, number],
  far: [string, number],
  ids: [number, number],
  circuits: string[],
) {
  const sessions = circuits.map((circuit, n) =>
    `      s${n}: { session-id: ${10 * ids[0] + n}, peer-session-id: ${
      10 * ids[1] + n
    }, circuit: ${circuit} }`
  );
  return `  t${ids[0]}:
    static: { tunnel-id: ${ids[0]}, peer-tunnel-id: ${ids[1]} }
    local: ${own[0]}:${own[1]}
    remote: ${far[0]}:${far[1]}
    sessions:
${sessions.join("\n")}
`;
}

Deno.test("frames go through a bridge of two sessions, and find a new partner when one leaves", async () => {
  const [a, b] = [[A, freePort(A)], [B, freePort(B)]] as [[string, number], [string, number]];
  const far = `listen: []\ntunnels:\n${
    end(a, b, [1, 2], [
      "{ frames: { name: x } }",
      "{ frames: { name: y } }",
      "{ frames: { name: z } }",
    ])
  }`;
  const near = (circuits: string[]) =>
    `listen: []\ncircuits: { pair: { bridge: {} } }\ntunnels:\n${end(b, a, [2, 1], circuits)}`;
  await using outside = await startNode(far);
  await using bridge = await startNode(near(["pair", "pair", "{ sink: {} }"]));
  const [x, y, z] = ["x", "y", "z"].map((name) => outside.ends.get(name)!);
  await until(() => {
    x!.send(1);
    return y!.received.length > 0;
  });
  y!.send(2);
  await until(() => x!.received.length > 0);
  assert.deepEqual(z!.received, []);
  bridge.text = near(["pair", "{ sink: {} }", "pair"]);
  const report = await bridge.appliance.reload();
  assert.deepEqual(report.steps.map(({ path }) => path).sort(), [
    "tunnels/t2/sessions/s1",
    "tunnels/t2/sessions/s2",
  ]);
  await until(() => {
    x!.send(3);
    return z!.received.length > 0;
  });
  assert.ok(!y!.received.includes(3));
});

Deno.test("two sessions are bridged by hand, each once; frames go through, and no more when it is taken apart", async () => {
  const [a, b] = [[A, freePort(A)], [B, freePort(B)]] as [[string, number], [string, number]];
  const ends = ["x", "y", "z"].map((name) => `{ frames: { name: ${name} } }`);
  await using outside = await startNode(`listen: []\ntunnels:\n${end(a, b, [1, 2], ends)}`);
  await using bridge = await startNode(
    `listen: []\ncircuits: { hand: { bridge: { by-hand: true } } }\ntunnels:\n${
      end(b, a, [2, 1], ["hand", "hand", "hand"])
    }`,
  );
  const { appliance } = bridge;
  const [x, y, z] = ["x", "y", "z"].map((name) => outside.ends.get(name)!);
  const join = (a: string, b: string) =>
    appliance.run("add-bridge", { a: `t2/${a}`, b: `t2/${b}` });
  await join("s0", "s1");
  await until(() => {
    x!.send(1);
    return y!.received.length > 0;
  });
  await assert.rejects(join("s1", "s2"), { code: "in-use" });
  const rows = [];
  for await (const row of appliance.view("bridge")) rows.push(row);
  assert.deepEqual(rows, [{ a: "t2/s0", b: "t2/s1" }, { a: "t2/s2", b: null }]);
  await appliance.run("del-bridge", { session: "t2/s1" });
  await join("s0", "s2");
  await until(() => {
    x!.send(2);
    return z!.received.length > 0;
  });
  assert.ok(!y!.received.includes(2));
});

Deno.test("a named circuit changes in place, begins anew where it must, and takes its sessions with it", async () => {
  const [a, b] = [[A, freePort(A)], [B, freePort(B)]] as [[string, number], [string, number]];
  const text = (circuits: string, session: string) =>
    `listen: []\ncircuits: { ${circuits} }\ntunnels:\n${end(b, a, [2, 1], [session])}`;
  await using node = await startNode(text("lan: { sink: {} }", "lan"));
  const session = async () => (await node.appliance.tunnel("t2")).sessions[0]!;
  const steps = async (next: string) => {
    node.text = next;
    return (await node.appliance.reload()).steps.map(({ path, step }) => `${path} ${step}`);
  };
  assert.equal((await session()).status, "up");
  assert.deepEqual(await steps(text("lan: { sink: { echo: true } }", "lan")), [
    "circuits/lan changed",
  ]);
  assert.equal((await session()).circuit?.shown?.["echo"], true);
  assert.ok(
    (await steps(text("lan: { bridge: {} }", "lan"))).includes("circuits/lan restarted"),
  );
  await until(async () => "far" in ((await session()).circuit?.shown ?? {}));
  await assert.rejects(steps(text("lan: { bridge: {} }", "wan")), /no such circuit/);
  assert.deepEqual(
    (await steps(text("other: { sink: {} }", "{ sink: {} }"))).sort(),
    ["circuits/lan removed", "circuits/other added", "tunnels/t2/sessions/s0 changed"],
  );
  assert.equal((await session()).status, "up");
});

Deno.test({
  name: "a plugin that is loaded by its path carries frames, and hooks run without capabilities",
  ignore: Deno.uid() !== 0,
  async fn() {
    const folder = await Deno.makeTempDir();
    const socket = `${folder}/vm.sock`;
    const [a, b] = [[A, freePort(A)], [B, freePort(B)]] as [[string, number], [string, number]];
    const admin = `unix:${folder}/admin.sock`;
    const hook = `${folder}/hook`;
    await Deno.writeTextFile(
      hook,
      `#!/bin/sh\necho "$ISTHMUS_EVENT $ISTHMUS_TUNNEL $ISTHMUS_SESSION $(grep CapEff /proc/self/status)" >> ${folder}/hooks\n`,
    );
    await Deno.chmod(hook, 0o755);
    await Deno.writeTextFile(
      `${folder}/isthmus.yaml`,
      `listen: []
admin: { listen: "${admin}" }
plugins: [${stream}]
stream: { queue-limit: 10 }
state-folder: ${folder}
circuits: { vm: { stream: { socket: ${socket} } } }
hooks: { tunnel-up: ${hook}, session-up: ${hook}, session-down: [${hook}] }
tunnels:
${end(b, a, [2, 1], ["vm"])}`,
    );
    const listener = Deno.listen({ transport: "unix", path: socket });
    const child = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "-q", "-P=appliance", `--allow-write=${folder}`, `--allow-run=${hook}`],
        ...[main, "run", "--config", `${folder}/isthmus.yaml`],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "inherit",
      env: { NO_COLOR: "1" },
    }).spawn();
    try {
      await using outside = await startNode(
        `listen: []\ntunnels:\n${end(a, b, [1, 2], ["{ frames: { name: x } }"])}`,
      );
      const x = outside.ends.get("x")!;
      const vm = await listener.accept();
      const room = new Uint8Array(1000);
      x.send(7);
      const sent = setInterval(() => x.send(7), 50);
      const length = await vm.read(room);
      clearInterval(sent);
      assert.ok(length! >= 68);
      assert.equal(new DataView(room.buffer).getUint32(0), 64);
      await vm.write(room.subarray(0, 68));
      await until(() => x.received.includes(7));
      const hooks = () => Deno.readTextFile(`${folder}/hooks`).catch(() => "");
      await until(async () => (await hooks()).split("\n").length > 2);
      const none = "CapEff:\t0000000000000000";
      assert.deepEqual((await hooks()).trim().split("\n").sort(), [
        `session-up t2 s0 ${none}`,
        `tunnel-up t2  ${none}`,
      ]);
      vm.close();
      await until(async () => (await hooks()).includes("session-down t2 s0"));
      child.kill("SIGTERM");
      assert.equal((await child.status).code, 0);
      assert.ok((await Deno.stat(`${folder}/stream.sqlite`)).size > 0);
    } finally {
      listener.close();
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended already.
      }
      await child.status;
      await Deno.remove(folder, { recursive: true });
    }
  },
});
