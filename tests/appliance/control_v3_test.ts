import assert from "node:assert/strict";
import { type ControlNode, startControlNode } from "./control_support.ts";
import { freePort, loopback, until } from "./support.ts";

/** The one that is called, at loopback address `at`. */
function hq(at: string, peer: string, more = ""): string {
  return `
listen: [{ udp: "${at}:1701" }]
host-name: hq
peers:
  branch:
    ${peer}
    accept:
      - { name: "office*", circuit: { probe: { address: 10.0.0.1/24 } } }
      - { name: "lab*", circuit: { sink: { echo: true } } }
${more}`;
}

/** The one that calls. */
function branch(at: string, to: string, peer: string, sessions: string): string {
  return `
listen: [{ udp: "${at}:1701" }]
host-name: branch
peers:
  hq: { ${peer} }
tunnels:
  to-hq:
    peer: hq
    mode: persistent
    local: ${at}:1701
    remote: ${to}:1701
    sessions: { ${sessions} }
`;
}

const office =
  "office: { circuit: { probe: { address: 10.0.0.2/24, ping: 10.0.0.1, interval-ms: 20 } } }";

async function details(node: ControlNode, tunnel: string, session: string) {
  const state = await node.tunnel(tunnel);
  return state?.sessions.find(({ config }) => config.name === session)?.circuit?.shown as Record<
    string,
    number
  >;
}

/** The tunnel that an appliance has from a peer that it did not dial. */
async function accepted(node: ControlNode) {
  return (await node.appliance.tunnels()).find(({ control }) => control?.mode === "accepted");
}

for (
  const [what, secret] of [
    ["without a secret", ""],
    ["with a secret, MD5", "secret: hush, digest: md5"],
    ["with a secret, SHA-1, AVPs hidden", "secret: hush, digest: sha1, hide-avps: true"],
  ] as const
) {
  Deno.test(`a managed L2TPv3 session comes up ${what}, and a ping crosses it`, async () => {
    const [a, b] = [loopback(1), loopback(2)];
    const block = ["proto-version: 3", ...secret.split(", ").filter(Boolean)].join("\n    ");
    await using called = await startControlNode(hq(b, block));
    await using caller = await startControlNode(
      branch(a, b, ["proto-version: 3", secret].filter(Boolean).join(", "), office),
    );
    await until(async () => (await details(caller, "to-hq", "office"))?.received! > 2);
    const [ours, theirs] = [await caller.tunnel("to-hq"), await accepted(called)];
    assert.equal(ours?.config.peerTunnelId, theirs?.config.tunnelId);
    assert.deepEqual([ours?.origin, ours?.control?.hostName], ["control", "hq"]);
    assert.equal(theirs?.config.name, `branch-${theirs?.config.tunnelId}`);
    const [mine, yours] = [ours?.sessions[0]?.config, theirs?.sessions[0]?.config];
    assert.equal(mine?.cookie.length, 16);
    assert.equal(mine?.cookie, yours?.peerCookie);
    assert.equal(yours?.cookie, mine?.peerCookie);
    assert.equal(yours?.name, "office");
  });
}

Deno.test("both ends of an L2TPv3 tunnel call", async () => {
  const [a, b] = [loopback(3), loopback(4)];
  await using called = await startControlNode(`
listen: [{ udp: "${b}:1701" }]
host-name: hq
peers:
  branch:
    proto-version: 3
    accept: [{ name: one, circuit: { sink: {} } }]
tunnels:
  from-branch:
    peer: branch
    mode: passive
    sessions: { two: { circuit: { sink: {} } }, both: { circuit: { sink: {} } } }
`);
  await using caller = await startControlNode(`
listen: [{ udp: "${a}:1701" }]
host-name: branch
peers:
  hq: { proto-version: 3, accept: [{ name: two, circuit: { sink: {} } }] }
tunnels:
  to-hq:
    peer: hq
    mode: persistent
    local: "${a}:0"
    remote: ${b}:1701
    sessions: { one: { circuit: { sink: {} } }, both: { circuit: { sink: {} } } }
`);
  const all = ["both", "one", "two"];
  await until(async () => (await caller.up("to-hq")).length === 3);
  await until(async () => (await called.up("from-branch")).length === 3);
  assert.deepEqual(await caller.up("to-hq"), all);
  assert.deepEqual(await called.up("from-branch"), all);
  const state = await caller.tunnel("to-hq");
  assert.notEqual(state?.config.local.port, 0);
  assert.notEqual(state?.config.local.port, 1701, "port 0 is an ephemeral one");
});

Deno.test("a tunnel over IPv6 comes up between the listeners' ports", async () => {
  const [a, b] = [freePort("::1"), freePort("::1")];
  await using _called = await startControlNode(`
listen: [{ udp: "[::1]:${b}" }]
peers: { any: { accept: [{ circuit: { probe: { address: 10.0.0.1/24 } } }] } }
`);
  await using caller = await startControlNode(`
listen: [{ udp: "[::1]:${a}" }]
peers: { hq: {} }
tunnels:
  to-hq: { peer: hq, local: "[::1]:${a}", remote: "[::1]:${b}", sessions: { ${office} } }
`);
  await until(async () => (await details(caller, "to-hq", "office"))?.received! > 2);
});

Deno.test("two that dial each other end up with one tunnel, which is both's", async () => {
  const [a, b] = [loopback(5), loopback(6)];
  const text = (at: string, to: string) => `
listen: [{ udp: "${at}:1701" }]
peers: { other: { proto-version: 3 } }
tunnels:
  there:
    peer: other
    mode: persistent
    local: ${at}:1701
    remote: ${to}:1701
    sessions: { office: { circuit: { sink: {} } } }
`;
  await using one = await startControlNode(text(a, b));
  await using two = await startControlNode(text(b, a));
  await until(async () => (await one.up("there")).length + (await two.up("there")).length === 2);
  const [x, y] = [await one.tunnel("there"), await two.tunnel("there")];
  assert.equal(x?.config.peerTunnelId, y?.config.tunnelId);
  assert.equal((await one.appliance.tunnels()).length, 1);
  assert.equal((await two.appliance.tunnels()).length, 1);
});

Deno.test("a wrong secret is refused and counted", async () => {
  const [a, b] = [loopback(7), loopback(8)];
  await using called = await startControlNode(hq(b, "proto-version: 3\n    secret: right"));
  await using caller = await startControlNode(
    branch(a, b, "proto-version: 3, secret: wrong, retransmit: 0.1", office),
  );
  await until(async () => (await called.appliance.datapath()).drops["control-digest-wrong"]! > 1);
  assert.equal(await accepted(called), undefined);
  assert.equal((await caller.tunnel("to-hq"))?.control?.state, "wait-ctl-reply");
  assert.equal((await called.appliance.connections())["wait-ctl-conn"], 0);
});

Deno.test("a stranger gets no answer and is counted", async () => {
  const [a, b] = [loopback(9), loopback(10)];
  await using called = await startControlNode(
    hq(b, "proto-version: 3\n    address: 10.9.9.9"),
  );
  await using _caller = await startControlNode(branch(a, b, "proto-version: 3", office));
  await until(async () => (await called.appliance.datapath()).drops["control-unknown-peer"]! > 0);
});

Deno.test("calls that are not among those accepted are refused with a reason", async () => {
  const [a, b] = [loopback(11), loopback(12)];
  await using _called = await startControlNode(hq(b, "proto-version: 3"));
  await using caller = await startControlNode(
    branch(a, b, "proto-version: 3", "shop: {}, lab1: { pw-type: ppp }"),
  );
  const closed = (session: string) =>
    caller.events.find((event) =>
      event.type === "call-state" && event.session === session && event.state === "closed"
    )?.ending;
  await until(() => closed("shop") !== undefined && closed("lab1") !== undefined);
  assert.deepEqual(
    [closed("shop")?.by, closed("shop")?.result, closed("shop")?.message],
    ["peer", 6, "no such call"],
  );
  assert.equal(closed("lab1")?.result, 6, "that name is there for Ethernet");
});

Deno.test("frames cross both ways where the ends want different sublayers", async () => {
  const [a, b] = [loopback(27), loopback(28)];
  await using called = await startControlNode(hq(b, "proto-version: 3"));
  await using caller = await startControlNode(
    branch(
      a,
      b,
      "proto-version: 3",
      "office1: { l2spec-type: none, circuit: { probe: { address: 10.0.0.2/24, ping: 10.0.0.1, interval-ms: 20 } } }",
    ),
  );
  await until(async () => (await caller.up("to-hq")).length === 1);
  const session = async () => (await caller.tunnel("to-hq"))!.sessions[0]!;
  await until(async () => (await details(caller, "to-hq", "office1"))?.received! > 2);
  const { l2spec, peerL2spec } = (await session()).config;
  assert.deepEqual([l2spec, peerL2spec], ["default", "none"]);
  const theirs = (await accepted(called))!.sessions[0]!.config;
  assert.deepEqual([theirs.l2spec, theirs.peerL2spec], ["none", "default"]);
});

Deno.test("deleting says why, and what is configured stays down until a reload", async () => {
  const [a, b] = [loopback(13), loopback(14)];
  await using called = await startControlNode(hq(b, "proto-version: 3"));
  await using caller = await startControlNode(
    branch(a, b, "proto-version: 3", "lab1: { circuit: { sink: {} } }"),
  );
  await until(async () => (await caller.up("to-hq")).length === 1);
  await caller.appliance.deleteSession("to-hq", "lab1", { result: 3, message: "enough" });
  assert.deepEqual(await caller.up("to-hq"), []);
  await until(() => called.events.some(({ ending }) => ending?.message === "enough"));
  const call = called.events.find(({ ending }) => ending?.message === "enough");
  assert.deepEqual([call?.type, call?.ending?.by, call?.ending?.result], ["call-state", "peer", 3]);

  await caller.appliance.deleteTunnel("to-hq", { result: 6, error: 0, message: "back at noon" });
  assert.deepEqual((await caller.tunnel("to-hq"))?.sessions, []);
  await until(() => called.events.some(({ ending }) => ending?.message === "back at noon"));
  await until(async () => await accepted(called) === undefined);
  assert.ok(called.lines.some((line) => line.includes("back at noon")));
  await until(async () => (await caller.tunnel("to-hq"))?.control?.state !== "stopping");
  assert.equal((await caller.tunnel("to-hq"))?.config.tunnelId, 0);

  const { steps } = await caller.appliance.reload();
  const why = "an operator had ended it";
  assert.ok(steps.some((step) => step.path === "tunnels/to-hq" && step.why === why));
  await until(async () => (await caller.up("to-hq")).length === 1);
});

Deno.test("an appliance that stops tells its peers", async () => {
  const [a, b] = [loopback(15), loopback(16)];
  await using called = await startControlNode(hq(b, "proto-version: 3"));
  {
    await using caller = await startControlNode(
      branch(a, b, "proto-version: 3", "lab1: { circuit: { sink: {} } }"),
    );
    await until(async () => (await caller.up("to-hq")).length === 1);
  }
  await until(() => called.events.some(({ ending }) => ending?.by === "peer"));
  const ending = called.events.find(({ type, ending }) => type === "connection-state" && ending);
  assert.deepEqual([ending?.ending?.by, ending?.ending?.result], ["peer", 6]);
});

Deno.test("a reload touches only the tunnels and calls that changed", async () => {
  const [a, b] = [loopback(17), loopback(18)];
  await using called = await startControlNode(hq(b, "proto-version: 3"));
  const text = (sessions: string, second: string) =>
    branch(a, b, "proto-version: 3", sessions) + `
  again:
    peer: hq
    mode: persistent
    local: ${a}:1701
    remote: ${b}:1701
    sessions: { ${second} }
`;
  const lab = (n: number, echo = false) => `lab${n}: { circuit: { sink: { echo: ${echo} } } }`;
  await using caller = await startControlNode(text(`${lab(1)}, ${lab(2)}`, lab(3)));
  await until(async () =>
    (await caller.up("to-hq")).length === 2 && (await caller.up("again")).length === 1
  );
  const ids = async (tunnel: string) =>
    Object.fromEntries(
      (await caller.tunnel(tunnel))!.sessions.map(({ config }) => [config.name, config.sessionId]),
    );
  const before = [await ids("to-hq"), await ids("again")] as const;
  const calls = called.events.length;
  caller.text = text(`${lab(1)}, ${lab(2, true)}, ${lab(4)}`, lab(3));
  const report = await caller.appliance.reload();
  assert.deepEqual(report.steps.toSorted((a, b) => a.path < b.path ? -1 : 1), [
    { path: "tunnels/to-hq/sessions/lab2", step: "changed", why: "circuit" },
    { path: "tunnels/to-hq/sessions/lab4", step: "added" },
  ]);
  await until(async () => (await caller.up("to-hq")).length === 3);
  const after = [await ids("to-hq"), await ids("again")] as const;
  assert.deepEqual(after[1], before[1]);
  assert.equal(after[0].lab1, before[0].lab1);
  assert.equal(after[0].lab2, before[0].lab2);
  assert.ok(called.events.slice(calls).every(({ type }) => type === "call-state"));

  caller.text = branch(a, b, "proto-version: 3", `${lab(1)}, ${lab(2, true)}, ${lab(4)}`);
  await caller.appliance.reload();
  assert.equal(await caller.tunnel("again"), undefined);
  assert.deepEqual(await ids("to-hq"), after[0]);
});

Deno.test("a call to a circuit that is taken is refused with the circuit's reason, and tried again", async () => {
  const [a, b] = [loopback(19), loopback(20)];
  await using called = await startControlNode(hq(b, "proto-version: 3"));
  await using caller = await startControlNode(
    branch(a, b, "proto-version: 3", "office1: { circuit: { sink: {} } }, office2: {}"),
  );
  const refusal = () =>
    caller.events.find((event) => event.type === "call-state" && event.ending?.by === "peer");
  await until(() => refusal() !== undefined);
  assert.deepEqual(
    [refusal()?.ending?.result, refusal()?.ending?.message],
    [4, "the probe circuit already carries a session"],
  );
  await until(async () => (await accepted(called))?.sessions.length === 1);
  const [first] = (await accepted(called))!.sessions.map(({ config }) => config.name);
  await caller.appliance.deleteSession("to-hq", first!);
  const other = first === "office1" ? "office2" : "office1";
  await until(async () =>
    (await accepted(called))!.sessions.some(({ config }) => config.name === other)
  );
});

Deno.test("a peer that answers under another name than it must is hung up on", async () => {
  const [a, b] = [loopback(48), loopback(49)];
  await using called = await startControlNode(hq(b, ""));
  await using caller = await startControlNode(branch(a, b, 'host-name: "other-*"', office));
  const hungUp = (node: ControlNode) =>
    node.events.some(({ ending }) =>
      ending?.result === 4 && /Host Name/.test(ending.message ?? "")
    );
  await until(() => hungUp(caller) && hungUp(called));
  assert.deepEqual(await caller.up("to-hq"), []);
});
