import assert from "node:assert/strict";
import { spawnPeer, startControlNode } from "./control_support.ts";
import { loopback, until } from "./support.ts";

function lns(at: string, secret: string, more = ""): string {
  return `
listen: [{ udp: "${at}:1701" }]
host-name: lns
peers:
  lac:
    proto-version: 2
    ${secret}
    hello: 1
    retransmit: 0.1
    attempts: 3
    accept: [{ name: "*", circuit: { sink: { echo: true } } }]
${more}`;
}

function lac(at: string, to: string, peer: string, sessions: string, more = ""): string {
  return `
listen: [{ udp: "${at}:1701" }]
host-name: lac
peers:
  lns: { proto-version: 2, hello: 1, retransmit: 0.1, attempts: 3, ${peer} }
tunnels:
  to-lns:
    peer: lns
    mode: persistent
    local: ${at}:1701
    remote: ${to}
    sessions: { ${sessions} }
${more}`;
}

const quiet = `log: { level: warn }\n`;
const sink = "circuit: { sink: {} }";

for (const secret of ["", "secret: hush", "secret: hush, hide-avps: true"]) {
  Deno.test(`L2TPv2 calls come up ${secret === "" ? "without a secret" : `with ${secret}`}`, async () => {
    const [a, b] = [loopback(31), loopback(32)];
    await using called = await startControlNode(lns(b, secret.replaceAll(", ", "\n    ")));
    await using caller = await startControlNode(
      lac(a, `${b}:1701`, secret, `one: { ${sink} }, two: { seq: both, ${sink} }`),
    );
    await until(async () => (await caller.up("to-lns")).length === 2);
    const theirs = async () => (await called.appliance.tunnels())[0]!;
    await until(async () => (await theirs()).sessions.length === 2);
    const two = (await theirs()).sessions.find(({ config }) => config.name === "two")!.config;
    assert.deepEqual([two.sendSeq, two.recvSeq, two.lnsMode], [true, true, true]);
    const ours = (await caller.tunnel("to-lns"))!.sessions
      .find(({ config }) => config.name === "two")!.config;
    assert.deepEqual([ours.peerSessionId, ours.lnsMode], [two.sessionId, false]);
    assert.deepEqual([two.cookie, two.l2spec, two.pseudowireType], ["", "none", 7]);
  });
}

Deno.test("a wrong L2TPv2 secret ends with StopCCN 4, and is tried again later", async () => {
  const [a, b] = [loopback(33), loopback(34)];
  await using _called = await startControlNode(lns(b, "secret: right"));
  await using caller = await startControlNode(lac(a, `${b}:1701`, "secret: wrong", `one: {}`));
  await until(() => caller.events.some(({ ending }) => ending?.result === 4));
  await until(async () => (await caller.tunnel("to-lns"))?.control?.state === "waiting");
  const control = (await caller.tunnel("to-lns"))?.control;
  assert.match(control?.reason ?? "", /result 4/);
  assert.ok(control?.redialAt! > Date.now());
});

Deno.test("the next address is tried where one does not answer, the lowest preference first", async () => {
  const [a, b, c] = [loopback(35), loopback(36), loopback(37)];
  await using _called = await startControlNode(lns(c, ""));
  await using caller = await startControlNode(
    lac(
      a,
      `[{ address: "${b}:1701", preference: 1 }, { address: "${c}:1701", preference: 2 }]`,
      "",
      `one: { ${sink} }`,
    ),
  );
  await until(async () => (await caller.up("to-lns")).length === 1);
  assert.equal((await caller.tunnel("to-lns"))?.config.remote.address, c);
  assert.ok(caller.events.some(({ ending }) => ending?.by === "timeout"));
});

Deno.test("a peer that vanishes is noticed by HELLO, and dialed again when it is back", async () => {
  const [a, b] = [loopback(38), loopback(39)];
  await using peer = await spawnPeer(lns(b, "secret: hush", quiet));
  await using caller = await startControlNode(
    lac(a, `${b}:1701`, "secret: hush", `one: { ${sink} }`),
  );
  await until(async () => (await caller.up("to-lns")).length === 1);
  const first = (await caller.tunnel("to-lns"))?.config.tunnelId;
  // While the peer was starting, dialing it may have timed out, too.
  const before = caller.events.length;
  await peer.kill();
  await until(() => caller.events.slice(before).some(({ ending }) => ending?.by === "timeout"));
  await until(async () => (await caller.up("to-lns")).length === 0);
  peer.start();
  await until(async () => (await caller.up("to-lns")).length === 1);
  assert.notEqual((await caller.tunnel("to-lns"))?.config.tunnelId, first);
});

Deno.test("a peer that was killed comes back into its passive tunnel at once", async () => {
  const [a, b] = [loopback(40), loopback(41)];
  await using peer = await spawnPeer(
    lac(a, `${b}:1701`, "", `one: { ${sink} }`, quiet),
  );
  await using called = await startControlNode(
    lns(b, "", "tunnels: { from-lac: { peer: lac, mode: passive } }\n").replace(
      "hello: 1",
      "hello: 60",
    ),
  );
  assert.equal((await called.tunnel("from-lac"))?.control?.state, "waiting");
  await until(async () => (await called.up("from-lac")).length === 1);
  const first = (await called.tunnel("from-lac"))?.config.tunnelId;
  await peer.kill();
  peer.start();
  await until(async () => {
    const state = await called.tunnel("from-lac");
    return state?.config.tunnelId !== first && state?.sessions.length === 1;
  });
  assert.equal((await called.appliance.tunnels()).length, 1);
});

Deno.test("many peers behind one address each get their tunnel", async () => {
  const [a, b] = [loopback(42), loopback(43)];
  await using called = await startControlNode(lns(b, ""));
  const tunnel = (n: number) => `
  t${n}: { peer: lns, mode: persistent, local: "${a}:0", remote: "${b}:1701", sessions: { s: { ${sink} } } }`;
  await using caller = await startControlNode(
    `
listen: []
host-name: lac
peers: { lns: { proto-version: 2 } }
tunnels: ${[1, 2, 3, 4, 5].map(tunnel).join("")}
`,
  );
  await until(async () => {
    const states = await called.appliance.tunnels();
    return states.length === 5 && states.every(({ sessions }) => sessions.length === 1);
  });
  const ports = new Set((await called.appliance.tunnels()).map(({ config }) => config.remote.port));
  assert.equal(ports.size, 5);
  assert.equal((await caller.appliance.tunnels()).length, 5);
});
