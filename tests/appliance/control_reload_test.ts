/** What a reload does to peers, managed tunnels and calls that are up: as little as can be, and it says what. */

import assert from "node:assert/strict";
import { type ControlNode, startControlNode } from "./control_support.ts";
import { loopback, sleep, until } from "./support.ts";

const [a, b] = [loopback(101), loopback(102)];

/** The one that is called. */
function called(peer: string, { accept, more = "", name = "hq" }: {
  readonly accept?: string;
  readonly more?: string;
  readonly name?: string;
} = {}): string {
  return `
listen: [{ udp: "${b}:1701" }${more}]
host-name: ${name}
peers:
  branch:
    ${peer}
    accept: [${accept ?? '{ name: "*", circuit: { sink: { echo: false } } }'}]
`;
}

const calls = (more = "") =>
  ["lab1", "shop1"].map((name) => `${name}: { ${more}circuit: { sink: {} } }`).join(", ");

/** The one that calls. */
function caller(peer: string, sessions = calls()): string {
  return `
host-name: branch
peers: { hq: { ${peer} } }
tunnels:
  to-hq: { peer: hq, local: "${a}:1701", remote: "${b}:1701", sessions: { ${sessions} } }
`;
}

/** Sessions by name, as the called one has them. */
async function idsAt({ appliance }: ControlNode): Promise<Record<string, number>> {
  const accepted = (await appliance.tunnels()).filter(({ control }) =>
    control?.mode === "accepted"
  );
  return Object.fromEntries(
    accepted.flatMap(({ sessions }) =>
      sessions.filter(({ status }) => status === "up")
        .map(({ config }) => [config.name, config.sessionId])
    ),
  );
}

const endings = (node: ControlNode) => node.events.filter(({ ending }) => ending !== undefined);

async function bothUp(hq: ControlNode, branch: ControlNode) {
  await until(async () =>
    Object.keys(await idsAt(hq)).length === 2 && (await branch.up("to-hq")).length === 2
  );
}

for (const version of [2, 3]) {
  const v2 = version === 2;
  const accept = v2 ? "{ pw-type: ppp, circuit: { sink: { echo: false } } }" : undefined;

  Deno.test(`a peer's limits, timers, addresses, names and secrets change with its calls up (v${version})`, async () => {
    const base = `proto-version: ${version}, retransmit: 0.1, secret: one`;
    const file = (peer: string, name = "hq") =>
      called(
        peer.split(", ").join("\n    "),
        { name, ...(accept && { accept }) },
      );
    await using hq = await startControlNode(file(base));
    await using branch = await startControlNode(caller(base, calls(v2 ? "pw-type: ppp, " : "")));
    await bothUp(hq, branch);
    const before = await idsAt(hq);
    const changes: readonly (readonly [string, string, string?])[] = [
      ["tunnel-limit", `${base}, tunnel-limit: 200`],
      ["call-limit", `${base}, session-limit: 2000`],
      ["hello-ms", `${base}, hello: 30`],
      ["addresses", `${base}, address: ${a.replace(/\d+$/, "0")}/24`],
      ["host-name", `${base}, host-name: "branch*"`],
      ...v2 ? [["secret", base.replace("one", "two")] as const] : [
        ["other-secret", `${base}, other-secret: two`] as const,
        ["secret, other-secret", `${base.replace("one", "two")}, other-secret: one`] as const,
      ],
      ["router-id", base, "other-name"],
    ];
    for (const [why, peer, name] of changes) {
      hq.text = file(peer, name);
      const { steps } = await hq.appliance.reload();
      const whys = steps.map(({ why }) => why).join("; ");
      assert.ok(steps.every(({ step }) => step === "changed"), JSON.stringify(steps));
      assert.ok(
        why === "router-id" ? steps.some(({ path }) => path === why) : whys.includes(why),
        whys,
      );
    }
    await sleep(100);
    assert.deepEqual(await idsAt(hq), before);
    assert.deepEqual([endings(hq), endings(branch)], [[], []]);
    assert.equal((await branch.up("to-hq")).length, 2);
  });
}

Deno.test("another hello counts at once in a tunnel that is up", async () => {
  await using hq = await startControlNode(called("hello: 3600"));
  await using branch = await startControlNode(caller("hello: 3600"));
  await bothUp(hq, branch);
  const sent = async () => (await hq.appliance.tunnels())[0]!.control!.messages!.sent;
  const before = await sent();
  hq.text = called("hello: 1");
  await hq.appliance.reload();
  await until(async () => await sent() >= before + 2);
  assert.deepEqual(endings(hq), []);
});

Deno.test("an accept entry changes its circuit in place; one on which both ends must agree ends its calls only", async () => {
  const accept = (echo: boolean, l2spec = "default") =>
    `{ name: "lab*", l2spec-type: ${l2spec}, circuit: { sink: { echo: ${echo} } } }, { name: "shop*", circuit: { sink: {} } }`;
  await using hq = await startControlNode(called("proto-version: 3", { accept: accept(false) }));
  await using branch = await startControlNode(caller("proto-version: 3, retransmit: 0.1"));
  await bothUp(hq, branch);
  const before = await idsAt(hq);
  hq.text = called("proto-version: 3", { accept: accept(true) });
  assert.deepEqual((await hq.appliance.reload()).steps, [
    { path: "peers/branch/accept/0", step: "changed", why: "circuit" },
  ]);
  assert.deepEqual(await idsAt(hq), before);
  hq.text = called("proto-version: 3", {
    accept: accept(true).replace('"shop*",', '"shop*", mtu: 1200, mss-clamp: 1100,'),
  });
  assert.deepEqual((await hq.appliance.reload()).steps, [
    { path: "peers/branch/accept/1", step: "changed", why: "mss-clamp, mtu" },
  ]);
  const [tunnel] = await hq.appliance.tunnels();
  const shop = tunnel!.sessions.find(({ config }) => config.name === "shop1");
  assert.deepEqual([shop?.status, shop?.config.mtu, shop?.config.mssClamp], ["up", 1200, 1100]);
  assert.deepEqual(await idsAt(hq), before);
  hq.text = called("proto-version: 3", { accept: accept(true) });
  await hq.appliance.reload();
  hq.text = called("proto-version: 3", { accept: accept(true, "none") });
  assert.deepEqual((await hq.appliance.reload()).steps, [
    { path: "peers/branch/accept/0", step: "restarted", why: "l2spec changed" },
  ]);
  assert.deepEqual(await idsAt(hq), { shop1: before["shop1"] });
  assert.ok(endings(hq).every(({ type }) => type === "call-state"));
});

Deno.test("an option of calls without a circuit changes under them", async () => {
  const accept = (mtu: number) => `{ name: "*", mtu: ${mtu} }`;
  await using hq = await startControlNode(called("proto-version: 3", { accept: accept(1400) }));
  await using branch = await startControlNode(caller("proto-version: 3"));
  await until(async () => (await branch.up("to-hq")).length === 2);
  hq.text = called("proto-version: 3", { accept: accept(1300) });
  assert.deepEqual((await hq.appliance.reload()).steps, [
    { path: "peers/branch/accept/0", step: "changed", why: "mtu" },
  ]);
  const [tunnel] = await hq.appliance.tunnels();
  assert.deepEqual(tunnel!.sessions.map(({ config }) => config.mtu), [1300, 1300]);
  assert.deepEqual(endings(hq), []);
});

Deno.test("one more entry, peer or listener touches nothing that is up", async () => {
  const one = '{ name: "*", circuit: { sink: {} } }';
  await using hq = await startControlNode(called("proto-version: 3", { accept: one }));
  await using branch = await startControlNode(caller("proto-version: 3"));
  await bothUp(hq, branch);
  const before = await idsAt(hq);
  const text = called("proto-version: 3", {
    accept: `{ name: "other*" }, ${one}`,
    more: `, { udp: "${b}:1702" }`,
  }).replace("peers:\n", "peers:\n  first: { address: 10.9.9.9 }\n");
  hq.text = text;
  const { kept, steps } = await hq.appliance.reload();
  assert.deepEqual(steps, [
    { path: `listen/udp:${b}:1702`, step: "added" },
    { path: "peers/first", step: "added" },
    { path: "peers/branch/accept/0", step: "added" },
  ]);
  assert.equal(kept, 3);
  assert.deepEqual([await idsAt(hq), endings(hq)], [before, []]);
});

Deno.test("a peer that goes, or an address that fits no more, ends its tunnels and says why", async () => {
  await using hq = await startControlNode(called(`address: ${a}`));
  await using branch = await startControlNode(caller("retransmit: 0.1"));
  await bothUp(hq, branch);
  hq.text = called("address: 10.9.9.9");
  const { steps } = await hq.appliance.reload();
  assert.deepEqual(steps.map(({ step, why }) => [step, why]), [
    ["changed", "addresses"],
    ["removed", "the peer's address or host-name is another now"],
  ]);
  assert.deepEqual(await hq.appliance.tunnels(), []);
});

Deno.test("a reload that fails touches no managed tunnel; an address that is not there fails none", async () => {
  const peer = "proto-version: 3, retransmit: 0.1";
  await using hq = await startControlNode(called(peer.split(", ").join("\n    ")));
  await using branch = await startControlNode(caller(peer));
  await bothUp(hq, branch);
  const before = await idsAt(hq);
  const config = structuredClone(branch.appliance.config());
  await branch.appliance.createTunnel({
    ...(await branch.tunnel("to-hq"))!.config,
    name: "in-the-way",
    tunnelId: 77 as never,
    sessions: [],
  });
  const late = "  in-the-way: { static: { tunnel-id: 5, peer-tunnel-id: 6 }, " +
    `local: "${a}:1703", remote: "${b}:1703" }\n`;
  branch.text = caller(`${peer}, hello: 1`, "lab1: { circuit: { sink: {} } }") + late;
  await assert.rejects(branch.appliance.reload(), { code: "exists" });
  await branch.appliance.deleteTunnel("in-the-way");
  assert.deepEqual(branch.appliance.config(), config);
  assert.deepEqual([await idsAt(hq), endings(hq), endings(branch)], [before, [], []]);

  branch.text = `listen: [{ udp: "203.0.113.1:1701" }]\n${caller(`${peer}, hello: 1`)}`;
  const { down, steps } = await branch.appliance.reload();
  assert.deepEqual(down.map(({ path }) => path), ["listen/udp:203.0.113.1:1701"]);
  assert.deepEqual(steps, [
    { path: "listen/udp:203.0.113.1:1701", step: "added" },
    { path: "peers/hq", step: "changed", why: "hello-ms" },
  ]);
  assert.deepEqual([await idsAt(hq), endings(hq)], [before, []]);
});

Deno.test("a managed tunnel whose remote or local changes begins anew at once; mode and calls change around what stays", async () => {
  await using hq = await startControlNode(called("proto-version: 3"));
  await using branch = await startControlNode(caller("proto-version: 3, retransmit: 0.1"));
  await bothUp(hq, branch);
  const before = await idsAt(hq);
  const base = branch.text;
  branch.text = base.replace("remote:", "mode: on-demand, remote:");
  assert.deepEqual((await branch.appliance.reload()).steps, [
    { path: "tunnels/to-hq", step: "changed", why: "mode" },
  ]);
  assert.deepEqual(await idsAt(hq), before);
  branch.text = base.replace(`${a}:1701`, `${a}:1709`);
  const { steps } = await branch.appliance.reload();
  assert.ok(
    steps.some(({ path, step, why }) =>
      path === "tunnels/to-hq" && step === "restarted" && why === "local changed"
    ),
    JSON.stringify(steps),
  );
  await until(async () => {
    const ids = await idsAt(hq);
    return Object.keys(ids).length === 2 && ids["lab1"] !== before["lab1"];
  });
});

/** Has a reload with another admin endpoint wait where nothing is done yet that has no way back; disposal lets it go on. */
function holdReload({ appliance }: ControlNode) {
  const held = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  appliance.onAdminChange = () => (reached.resolve(), held.promise);
  return { reached: reached.promise, goOn: held.resolve, [Symbol.dispose]: held.resolve };
}

const elsewhere = (text: string) =>
  `${text}\nadmin: { listen: "127.0.0.1:1", token: a-token-for-these-tests }\n`;

Deno.test("a tunnel or call that is ended while a reload is under way stays ended", async () => {
  await using hq = await startControlNode(called("proto-version: 3"));
  await using branch = await startControlNode(caller("proto-version: 3"));
  await bothUp(hq, branch);
  using hold = holdReload(branch);
  branch.text = elsewhere(caller("proto-version: 3"));
  const reload = branch.appliance.reload();
  await Promise.race([hold.reached, reload]);
  const session = branch.appliance.deleteSession("to-hq", "lab1");
  const tunnel = branch.appliance.deleteTunnel("to-hq");
  await sleep(50);
  assert.equal((await branch.up("to-hq")).length, 2);
  hold.goOn();
  assert.deepEqual((await reload).steps, [{ path: "admin", step: "changed" }]);
  await Promise.all([session, tunnel]);
  await sleep(200);
  assert.equal((await branch.tunnel("to-hq"))?.control?.state, "idle");
});

Deno.test("a connection that comes up while its peer is on the way out ends with it", async () => {
  await using hq = await startControlNode(called("proto-version: 3"));
  using hold = holdReload(hq);
  hq.text = elsewhere(called("proto-version: 3").replace("  branch:", "  other:"));
  const reload = hq.appliance.reload();
  await Promise.race([hold.reached, reload]);
  await using branch = await startControlNode(caller("proto-version: 3"));
  await bothUp(hq, branch);
  hold.goOn();
  const { steps } = await reload;
  const why = "its peer is not in the configuration any more";
  assert.deepEqual(steps.find((step) => step.why === why)?.step, "removed");
  assert.equal(endings(hq).some(({ type }) => type === "connection-state"), true);
});
