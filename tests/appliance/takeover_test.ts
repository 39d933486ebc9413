/** A peer that was killed and is back takes over what it claims; nobody else loses anything by it. */

import assert from "node:assert/strict";
import { testCall, testSettings } from "../../core/testing.ts";
import { type ControlNode, fastClock, spawnPeer, startControlNode } from "./control_support.ts";
import { type RawPeer, startRawPeer } from "./raw_peer.ts";
import { loopback, sleep, until } from "./support.ts";

/** The one that is called; its probe takes one session, its sink any number. */
function called(at: string, peer: string, more = ""): string {
  return `
listen: [{ udp: "${at}:1701" }]
host-name: hq
peers:
  branch:
    ${["hello: 60", ...peer.split(", ").filter(Boolean)].join("\n    ")}
    accept:
      - { name: one, circuit: { probe: { address: 10.0.0.1/24 } } }
      - { name: many, circuit: { sink: { echo: true } }, pw-type: eth }
${more}`;
}

/** One that calls `one` or `many`, from whatever port. */
function caller(at: string, to: string, peer: string, call: string, more = ""): string {
  return `
log: { level: error }
listen: []
host-name: branch
router-id: 7
peers: { hq: { ${["hello: 60", ...peer.split(", ").filter(Boolean)].join(", ")} } }
tunnels:
  to-hq:
    peer: hq
    local: ${at}
    remote: ${to}:1701
    sessions: { ${call}: { circuit: { sink: {} }, pw-type: eth } }
${more}`;
}

const tunnels = (node: ControlNode) => node.appliance.tunnels();
const sessions = async (node: ControlNode) =>
  (await tunnels(node)).flatMap(({ sessions }) => sessions);
/** Why tunnels and calls ended, in order. */
const reasons = ({ events }: ControlNode) =>
  events.flatMap(({ ending, type }) => ending ? [`${type}: ${ending.reason}`] : []);

/** The ids of the tunnels whose session is up. */
async function up(node: ControlNode): Promise<number[]> {
  return (await tunnels(node)).filter(({ sessions }) =>
    sessions.some(({ status }) => status === "up")
  ).map(({ config }) => config.tunnelId);
}

for (const secret of ["secret: hush", ""]) {
  const how = secret === "" ? "once its former connection was silent when asked" : "after a second";
  Deno.test(`a peer that was killed gets its circuit back ${how}`, async () => {
    const [a, b] = [loopback(61), loopback(62)];
    await using node = await startControlNode(called(b, secret));
    await using peer = await spawnPeer(caller(a, b, secret, "one"));
    await until(async () => (await up(node)).length === 1);
    const [first] = await up(node);
    await peer.kill();
    peer.start();
    await until(async () => (await up(node)).some((id) => id !== first));
    assert.doesNotMatch(node.lines.join("\n"), /call refused/);
    const why = reasons(node).join("\n");
    if (secret === "") assert.match(why, /connection-state: timed out.*silent when asked/);
    else assert.match(why, /call-state: .*taken over by a newer call/);
    await until(async () => (await tunnels(node)).length === 1);
  });
}

Deno.test("who is there keeps its circuit, and the newer call is told so soon", async () => {
  const [a, b, c] = [loopback(63), loopback(64), loopback(65)];
  await using node = await startControlNode(called(b, ""));
  await using older = await startControlNode(caller(a, b, "", "one"));
  await until(async () => (await older.up("to-hq")).length === 1);
  await using newer = await startControlNode(caller(c, b, "", "one"));
  await until(() => newer.events.some(({ ending }) => ending?.result === 4));
  assert.equal((await older.up("to-hq")).length, 1);
  assert.equal((await newer.up("to-hq")).length, 0);
  assert.equal((await tunnels(node)).length, 2, "nobody's tunnel ended");
});

Deno.test("of two tunnels of one proven peer that are there, the first keeps its circuit, and neither flaps", async () => {
  const [a, b] = [loopback(199), loopback(200)];
  const peer = "secret: hush";
  await using node = await startControlNode(called(b, peer));
  const text = caller(a, b, peer, "one");
  // On demand: a tunnel whose only call was refused or ended is dialed anew for the next.
  const redialing = text.replace("peer: hq\n", "peer: hq\n    mode: on-demand\n");
  for (const [first, second] of [[text, text], [redialing, redialing]] as const) {
    await using older = await startControlNode(first);
    await until(async () => (await older.up("to-hq")).length === 1);
    await using newer = await startControlNode(second);
    const refused = () =>
      newer.events.filter(({ ending, type }) => type === "call-state" && ending?.by === "peer");
    // It tries again, and again is refused.
    await until(() => refused().length >= 2);
    assert.match(refused()[0]!.ending!.message!, /already carries a session: who has it is there/);
    assert.equal((await older.up("to-hq")).length, 1);
    assert.deepEqual(reasons(older), [], "it lost nothing");
    assert.ok(node.appliance.failures().counts["circuit-held"]! >= 2);
  }
  assert.doesNotMatch(reasons(node).join("\n"), /taken over/);
});

Deno.test("two slow tunnels of one proven peer do not take a circuit from each other for ever", async () => {
  const [a, b] = [loopback(201), loopback(202)];
  await using node = await startControlNode(called(b, "secret: hush"));
  const secret = new TextEncoder().encode("hush");
  const settings = testSettings({ version: 3, hostName: "branch", routerId: 7, secret });
  const dial = async (port: number) => {
    const peer = await startRawPeer(a, b, settings, port);
    const connection = peer.act((lcce, now) => lcce.dial(settings, peer.path(), now));
    const isUp = () => peer.lcce.connection(connection)?.state === "established";
    peer.onEvent = (event) => {
      if (event.type !== "call-state" || event.state !== "wait-proceed") return;
      peer.lcce.proceed(event.call, peer.now());
    };
    await until(isUp);
    const call = () =>
      peer.act((lcce, now) => {
        const parameters = testCall({ name: "one", sequencing: false });
        return lcce.placeCall(connection, "incoming-caller", parameters, now);
      });
    return { peer, call };
  };
  const states = ({ events }: RawPeer) =>
    events.flatMap((event) => event.type === "call-state" ? [event.state] : []);
  const older = await dial(1701);
  await using _older = older.peer;
  older.call();
  await until(() => states(older.peer).includes("established"));
  // All is said that the two have to say, so that nothing but an answer to HELLO is a sign of life.
  const slow = async ({ peer }: typeof older) => {
    await sleep(500);
    peer.lag = 2000;
  };
  await slow(older);
  // Whose tunnel came up later may be the same one again.
  const newer = await dial(1702);
  await using _newer = newer.peer;
  newer.call();
  await until(() => states(newer.peer).includes("established"));
  await until(() => states(older.peer).includes("closed"));
  // Whose tunnel is older than the call cannot be.
  await slow(newer);
  older.call();
  await until(() => states(older.peer).filter((state) => state === "closed").length === 2);
  assert.ok(!states(newer.peer).includes("closed"), "it answered, if late");
  assert.equal(node.appliance.failures().counts["circuit-held"], 1);
});

Deno.test("two clients with one address, Host Name and secret stay side by side", async () => {
  const [a, b] = [loopback(66), loopback(67)];
  for (const version of [2, 3]) {
    const peer = `secret: hush, proto-version: ${version}`;
    const ppp = (text: string) => version === 2 ? text.replaceAll(", pw-type: eth", "") : text;
    await using node = await startControlNode(
      ppp(called(b, peer)).replace(/- \{ name: one.*/, ""),
    );
    await using one = await startControlNode(ppp(caller(a, b, peer, "many")));
    await until(async () => (await one.up("to-hq")).length === 1);
    const other = ppp(caller(a, b, peer, "many"));
    await using two = await startControlNode(other);
    await until(async () => (await two.up("to-hq")).length === 1);
    await sleep(300);
    assert.equal((await up(node)).length, 2);
    assert.deepEqual(reasons(node), []);
  }
});

Deno.test("three tunnels of one LAC, from one port under one name and secret, all stay", async () => {
  const [a, b] = [loopback(68), loopback(69)];
  for (const encap of ["udp", "ip"]) {
    await using node = await startControlNode(
      called(b, "secret: hush").replace("listen: [", `listen: [{ ip: "${b}" }, `),
    );
    const tunnel = (n: number) =>
      `  t${n}: { peer: hq, encap: ${encap}, local: ${a}, remote: ${b}, sessions: { many: { pw-type: eth, circuit: { sink: {} } } } }`;
    await using lac = await startControlNode(`
listen: [{ udp: "${a}:1701" }, { ip: "${a}" }]
host-name: branch
peers: { hq: { secret: hush } }
tunnels:
${[1, 2, 3].map(tunnel).join("\n")}
`);
    await until(async () => (await up(node)).length === 3);
    await sleep(300);
    assert.equal((await up(node)).length, 3);
    assert.equal((await tunnels(lac)).filter(({ sessions }) => sessions.length === 1).length, 3);
    assert.deepEqual([...reasons(node), ...reasons(lac)], []);
  }
});

Deno.test("where two claim one managed tunnel's place, the newer has it if a secret proves it the same, but not within a minute", async () => {
  const [a, b] = [loopback(70), loopback(71)];
  const place = "tunnels: { place: { peer: branch, mode: passive } }\n";
  for (const [secret, times] of [["secret: hush", 60], ["secret: hush", 1], ["", 1]] as const) {
    // On a clock this fast whatever waits for the peer would be given up too soon.
    const peer = `${secret}${secret && ", "}hello: 0`;
    const patient = "retransmit: 8, attempts: 100, establish-timeout: 3600, call-timeout: 3600";
    await using node = await startControlNode(
      called(b, `${peer}, ${patient}`, place).replace("hello: 60\n    ", ""),
      fastClock(times),
    );
    const ours = async () => (await node.tunnel("place"))?.config.tunnelId;
    const text = caller(a, b, peer, "many").replace("hello: 60, ", "");
    await using one = await startControlNode(text);
    await until(async () => (await one.up("to-hq")).length === 1);
    const first = await ours();
    if (times > 1) await sleep(1500);
    await using two = await startControlNode(text);
    await until(async () => (await two.up("to-hq")).length === 1);
    if (secret === "" || times === 1) {
      assert.equal(await ours(), first, "who is there keeps it");
      assert.deepEqual(reasons(node), []);
      assert.equal((await tunnels(node)).length, 2);
    } else {
      await until(async () => ![first, 0].includes(await ours()));
      assert.match(reasons(node)[0]!, /replaced by a newer/);
    }
  }
});

Deno.test("a LAC that was killed gets all of its places back, each tunnel one of them", async () => {
  const [a, b] = [loopback(79), loopback(80)];
  const place = (name: string) => `  ${name}: { peer: branch, mode: passive }\n`;
  await using node = await startControlNode(
    called(b, "secret: hush", `tunnels:\n${place("first")}${place("second")}`),
  );
  const text = caller(a, b, "secret: hush", "many");
  const tunnel = text.slice(text.indexOf("  to-hq:"));
  await using lac = await spawnPeer(text + tunnel.replace("to-hq", "other"));
  const ids = async () => [
    (await node.tunnel("first"))?.config.tunnelId,
    (await node.tunnel("second"))?.config.tunnelId,
  ];
  await until(async () => (await up(node)).length === 2);
  const before = await ids();
  assert.deepEqual([...before].sort(), (await up(node)).sort(), "nobody replaced anybody");
  await lac.kill();
  lac.start();
  await until(async () => {
    const now = await ids();
    return (await up(node)).length === 2 && now.every((id) => id !== 0 && !before.includes(id));
  });
  await sleep(300);
  assert.deepEqual([...await ids()].sort(), (await up(node)).sort());
});

Deno.test("at the tunnel limit a newcomer that proved itself gets the place of one that is silent, and of no other", async () => {
  const [a, b, c, d] = [loopback(72), loopback(73), loopback(74), loopback(75)];
  await using node = await startControlNode(called(b, "tunnel-limit: 2, secret: hush"));
  await using living = await startControlNode(caller(a, b, "secret: hush", "many"));
  await until(async () => (await living.up("to-hq")).length === 1);
  await using ghost = await spawnPeer(caller(c, b, "secret: hush", "many"));
  await until(async () => (await up(node)).length === 2);
  await using newcomer = await startControlNode(caller(d, b, "secret: hush", "many"));
  await until(() => newcomer.events.some(({ ending }) => ending?.result === 2));
  assert.equal((await up(node)).length, 2, "both were there, and stayed");
  await ghost.kill();
  await until(async () => (await newcomer.up("to-hq")).length === 1);
  assert.equal((await living.up("to-hq")).length, 1);
  assert.equal((await up(node)).length, 2);
  assert.equal((await sessions(node)).length, 2);
});

Deno.test("at the tunnel limit one that cannot prove itself has nobody asked", async () => {
  const [a, b, c] = [loopback(76), loopback(77), loopback(78)];
  await using node = await startControlNode(called(b, "tunnel-limit: 1, secret: hush"));
  await using living = await startControlNode(caller(a, b, "secret: hush", "many"));
  await until(async () => (await living.up("to-hq")).length === 1);
  await using stranger = await startControlNode(caller(c, b, "secret: wrong", "many"));
  await sleep(1500);
  assert.equal((await stranger.up("to-hq")).length, 0);
  assert.doesNotMatch(node.lines.join("\n"), /asking this peer's tunnels/);
  assert.equal((await living.up("to-hq")).length, 1);
});
