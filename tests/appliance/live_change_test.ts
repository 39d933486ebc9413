import { pathsOf } from "../../edge/appliance/part.ts";
import assert from "node:assert/strict";
import type { SessionId, TunnelId } from "../../core/ids.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import type { SessionConfig, TunnelConfig } from "../../edge/config/model.ts";
import { loopback, type Node, sleep, startNode, until } from "./support.ts";

const A = loopback(11);
const B = loopback(12);

/** One end of a tunnel with one session of test frames. */
function config(me: 1 | 2, more = ""): string {
  const [local, remote] = me === 1 ? [A, B] : [B, A];
  return `listen: [{ udp: "${local}:1701" }]
tunnels:
  steady:
    static: { tunnel-id: ${me}, peer-tunnel-id: ${3 - me} }
    local: "${local}:1701"
    remote: "${remote}:1701"
    sessions:
      frames: { session-id: ${me}, peer-session-id: ${
    3 - me
  }, seq: both, circuit: { frames: { name: steady } } }
${more}`;
}

/** Sends numbered frames both ways until stopped; gives how many each way. */
function flow(left: Node, right: Node): () => Promise<number> {
  const ends = [left, right].map(({ ends }) => ends.get("steady")!);
  let [number, stop] = [0, false];
  const done = (async () => {
    while (!stop) {
      for (let i = 0; i < 4; i++) {
        for (const end of ends) end.send(number);
        number++;
      }
      await sleep(1);
    }
    return number;
  })();
  return () => {
    stop = true;
    return done;
  };
}

/** Asserts that both ends have received every frame, once and in order. */
async function lostNothing(left: Node, right: Node, sent: number) {
  const expected = Array.from({ length: sent }, (_, i) => i);
  for (const { ends } of [left, right]) {
    const { received } = ends.get("steady")!;
    await until(() => received.length >= sent);
    assert.deepEqual(received, expected);
  }
}

const other: TunnelConfig = {
  name: "other",
  version: 3,
  tunnelId: 7 as TunnelId,
  peerTunnelId: 8 as TunnelId,
  encap: "udp",
  local: { address: A, port: 1701 },
  remote: { address: loopback(13), port: 1701 },
  checksum: { udp: true, zero6Tx: false, zero6Rx: false },
  sessions: [],
};

function session(id: number): SessionConfig {
  return {
    name: `s${id}`,
    sessionId: id as SessionId,
    peerSessionId: id as SessionId,
    pseudowireType: PseudowireType.Ethernet,
    l2spec: "default",
    cookie: "",
    peerCookie: "",
    sendSeq: false,
    recvSeq: false,
    lnsMode: false,
    reorderTimeoutMs: 0,
    restartAfterMs: 1000,
    restartRun: 32,
    circuit: { plugin: "probe", options: { address: "10.9.0.1/24", ping: "10.9.0.2" } },
  };
}

Deno.test("creating, changing and deleting tunnels and sessions loses no frame of another session", async () => {
  await using left = await startNode(config(1));
  await using right = await startNode(config(2));
  const stop = flow(left, right);
  const { appliance } = left;
  for (let round = 0; round < 10; round++) {
    await appliance.createTunnel(other);
    await appliance.createSession("other", session(20));
    await appliance.createSession("steady", session(21));
    await appliance.changeSession("steady", "21", { cookie: "00112233", sendSeq: true });
    await appliance.changeSession("steady", "21", { peerSessionId: 99 as SessionId });
    await appliance.changeTunnel("other", { local: { address: A, port: 1800 + round } });
    await appliance.changeTunnel("other", { peerTunnelId: 9 as TunnelId });
    await appliance.deleteSession("steady", "s21");
    await appliance.deleteTunnel("7");
  }
  await lostNothing(left, right, await stop());
});

Deno.test("changing a session live at both ends loses none of its frames", async () => {
  await using left = await startNode(config(1));
  await using right = await startNode(config(2));
  const stop = flow(left, right);
  for (const [reorderTimeoutMs, restartRun] of [[10, 1], [0, 1024], [20, 32]] as const) {
    for (const { appliance } of [left, right]) {
      const change = { reorderTimeoutMs, lnsMode: true, restartAfterMs: 500, restartRun };
      await appliance.changeSession("steady", "frames", change);
      await sleep(20);
    }
  }
  await lostNothing(left, right, await stop());
  for (const { appliance } of [left, right]) {
    const { heardAgoMs } = await appliance.tunnel("steady");
    assert.ok(heardAgoMs !== undefined && heardAgoMs >= 0 && heardAgoMs < 60_000, `${heardAgoMs}`);
  }
});

Deno.test("a tunnel moved to a socket of its own and back loses nothing", async () => {
  await using left = await startNode(config(1));
  await using right = await startNode(config(2));
  const stop = flow(left, right);
  for (let round = 0; round < 3; round++) {
    for (
      const listen of ["", `listen: [{ udp: "${A}:1701" }]`, `listen: [{ udp: "0.0.0.0:1701" }]`]
    ) {
      left.text = config(1).replace(/listen:.*/, listen);
      await left.appliance.reload();
      await sleep(20);
    }
  }
  await lostNothing(left, right, await stop());
});

Deno.test("reload() under traffic: what the file adds, changes and removes, and a bad file", async () => {
  await using left = await startNode(config(1));
  await using right = await startNode(config(2));
  const stop = flow(left, right);
  const { appliance } = left;
  await appliance.createTunnel(other);
  left.text = config(1, "      second: { session-id: 5, peer-session-id: 5 }\n");
  assert.deepEqual(pathsOf(await appliance.reload(), "added"), ["tunnels/steady/sessions/second"]);
  left.text = config(
    1,
    '      second: { session-id: 5, peer-session-id: 5, cookie: "00112233" }\n',
  );
  assert.deepEqual(pathsOf(await appliance.reload(), "changed"), [
    "tunnels/steady/sessions/second",
  ]);
  left.text = "tunnels: { steady: { sttic: {} } }";
  const before = appliance.config();
  await assert.rejects(appliance.reload(), (error: Error) => {
    assert.equal(error.name, "ConfigError");
    assert.match(error.message, /^test\.yaml:1:\d+: tunnels\.steady/);
    return true;
  });
  assert.deepEqual(appliance.config(), before);
  left.text = config(1);
  assert.deepEqual(pathsOf(await appliance.reload(), "removed"), [
    "tunnels/steady/sessions/second",
  ]);
  assert.equal((await appliance.tunnels()).length, 2);
  await lostNothing(left, right, await stop());
});

Deno.test("duplicate ids and names are refused by a running appliance", async () => {
  await using left = await startNode(config(1));
  const { appliance } = left;
  const steady = (await appliance.tunnel("1")).config;
  const attributes = async (work: Promise<unknown>) => {
    const error = await work.then(() => undefined, (error) => error);
    return [error?.code, error?.attribute];
  };
  assert.deepEqual(await attributes(appliance.createTunnel(steady)), ["exists", "name"]);
  assert.deepEqual(
    await attributes(appliance.createTunnel({ ...other, tunnelId: 1 as TunnelId })),
    ["exists", "tunnel-id"],
  );
  assert.deepEqual(await attributes(appliance.createSession("1", session(1))), [
    "exists",
    "session-id",
  ]);
  assert.deepEqual(
    await attributes(appliance.createSession("1", { ...session(2), name: "frames" })),
    ["exists", "name"],
  );
});
