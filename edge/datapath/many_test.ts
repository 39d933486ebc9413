/** Thousands of tunnels and sessions, and what goes on beside them. @module */

import assert from "node:assert/strict";
import {
  addTunnel,
  collectAt,
  frameOf,
  numberOf,
  sessionSpec,
  startLcce,
  until,
} from "./testing.ts";

Deno.test("of 5,000 tunnels whose sessions have one id, each datagram reaches the one of its peer", async () => {
  await using a = await startLcce();
  await using peer = await startLcce();
  await using stranger = await startLcce();
  const { port } = peer.local;
  const ports = Array.from({ length: 5000 }, (_, i) => 10_000 + i).filter((each) =>
    each !== port && each !== stranger.local.port
  );
  ports.splice(2500, 0, port);
  const tunnels = await Promise.all(
    ports.map((port, i) => addTunnel(a, { local: { address: "127.0.0.1", port } }, i + 1)),
  );
  const sessions = await Promise.all(
    tunnels.map((tunnel) => a.datapath.addSession(tunnel, sessionSpec(1))),
  );
  const here = await collectAt(a.datapath, sessions[2500]!);
  const sender = async (from: typeof peer) => {
    const tunnel = await addTunnel(from, a, 1);
    return await collectAt(from.datapath, await from.datapath.addSession(tunnel, sessionSpec(1)));
  };
  const [there, elsewhere] = [await sender(peer), await sender(stranger)];
  for (let at = 0; at < 500; at += 50) {
    const frames = Array.from({ length: 50 }, (_, i) => frameOf(at + i, 100));
    assert.ok(peer.datapath.inject(there.port, frames));
    assert.ok(stranger.datapath.inject(elsewhere.port, frames));
    await here.received(at + 50);
  }
  assert.deepEqual(here.frames.map(numberOf), Array.from({ length: 500 }, (_, i) => i));
  const drops = async () => (await a.datapath.totals()).drops;
  await until(async () => (await drops())["wrong-source"] === 500);
  const { sessions: counted } = await a.datapath.stats();
  const received = [...counted].filter(([, counters]) => counters["rx-packets"] > 0);
  assert.deepEqual(received.map(([session]) => session), [sessions[2500]]);
});

Deno.test("frames do not wait for the statistics of 50,000 sessions", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  const idle = await addTunnel(a, b, 1);
  const sessions = 50_000;
  for (let at = 1; at <= sessions; at += 5000) {
    const ids = Array.from({ length: 5000 }, (_, i) => at + i);
    await Promise.all(ids.map((id) => a.datapath.addSession(idle, sessionSpec(id))));
  }
  const [near, far] = await Promise.all([a, b].map(async (end) => {
    const tunnel = await addTunnel(end, end === a ? b : a, 2);
    const session = await end.datapath.addSession(tunnel, sessionSpec(sessions + 1));
    return await collectAt(end.datapath, session);
  }));
  const rounds = 5;
  let crossed = 0;
  for (let round = 1; round <= rounds; round++) {
    let done = false;
    const asked = a.datapath.stats().then(({ sessions }) => {
      done = true;
      return sessions.size;
    });
    while (!done) {
      const before = near!.frames.length;
      assert.ok(b.datapath.inject(far!.port, [frameOf(round, 100)]));
      await near!.received(before + 1);
      crossed++;
    }
    assert.equal(await asked, sessions + 1);
  }
  assert.ok(crossed > rounds, `${crossed} frames came through before all was counted`);
});
