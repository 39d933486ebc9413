import assert from "node:assert/strict";
import type { PortId } from "../../plugins/host/leaves.ts";
import type { SessionSpec } from "../../wasm/mod.ts";
import { sliceSlots } from "./protocol.ts";
import {
  addTunnel,
  collectAt,
  frameOf,
  type Lcce,
  numberOf,
  sessionSpec,
  sleep,
  startLcce,
  until,
} from "./testing.ts";

const lengths = [60, 61, 590, 1514, 1518, 9014];

/** Two LCCEs joined by one session, with a host port at either end. */
async function joined(a: Lcce, b: Lcce, options: Partial<SessionSpec> = {}) {
  const { cookie, peerCookie } = options;
  const swapped = {
    ...options,
    ...(peerCookie && { cookie: peerCookie }),
    ...(cookie && { peerCookie: cookie }),
  };
  const tunnels = [await addTunnel(a, b, 1), await addTunnel(b, a, 1)] as const;
  const sessions = [
    await a.datapath.addSession(tunnels[0], sessionSpec(11, options)),
    await b.datapath.addSession(tunnels[1], sessionSpec(11, swapped)),
  ] as const;
  const hosts = [
    await collectAt(a.datapath, sessions[0]),
    await collectAt(b.datapath, sessions[1]),
  ] as const;
  return { tunnels, sessions, hosts };
}

for (const address of ["127.0.0.1", "::1"]) {
  Deno.test(`frames cross a session over UDP on ${address}, unchanged and in order`, async () => {
    const local = { address, port: 0 };
    await using a = await startLcce({ local });
    await using b = await startLcce({ local });
    const cookie = Uint8Array.of(0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77);
    const peerCookie = Uint8Array.of(0x88, 0x99, 0xaa, 0xbb);
    const { hosts } = await joined(a, b, { cookie, peerCookie, sendSeq: true, recvSeq: true });
    const frames = Array.from({ length: 600 }, (_, i) => frameOf(i, lengths[i % lengths.length]!));
    for (let i = 0; i < frames.length; i += 20) {
      assert.ok(a.datapath.inject(hosts[0].port, frames.slice(i, i + 20)));
      assert.ok(b.datapath.inject(hosts[1].port, frames.slice(i, i + 20)));
      await hosts[0].received(i + 20);
      await hosts[1].received(i + 20);
    }
    assert.deepEqual(hosts[1].frames, frames);
    assert.deepEqual(hosts[0].frames, frames);
  });
}

Deno.test("frames cross two tunnels that are cross-connected in the middle", async () => {
  await using west = await startLcce();
  await using middle = await startLcce();
  await using east = await startLcce();
  const port = async (from: Lcce, to: Lcce, id: number) =>
    await from.datapath.addSession(await addTunnel(from, to, id), sessionSpec(id));
  const toWest = await port(middle, west, 21);
  const toEast = await port(middle, east, 22);
  const hostWest = await collectAt(west.datapath, await port(west, middle, 21));
  const hostEast = await collectAt(east.datapath, await port(east, middle, 22));
  await middle.datapath.crossConnect(toWest, toEast);

  const frames = Array.from({ length: 200 }, (_, i) => frameOf(i, 1514));
  assert.ok(west.datapath.inject(hostWest.port, frames));
  await hostEast.received(frames.length);
  assert.deepEqual(hostEast.frames, frames);
  assert.ok(east.datapath.inject(hostEast.port, frames));
  await hostWest.received(frames.length);
  assert.deepEqual(hostWest.frames, frames);

  const { sessions } = await middle.datapath.stats();
  for (const session of [toWest, toEast]) {
    const counters = sessions.get(session)!;
    assert.equal(counters["rx-packets"], frames.length);
    assert.equal(counters["tx-packets"], frames.length);
    assert.equal(counters["tx-bytes"], frames.length * 1514);
    assert.equal(counters["rx-bytes"], frames.length * 1514);
  }
});

Deno.test("stats() counts a wrong cookie, and nothing of it passes", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  const { sessions, hosts } = await joined(a, b, { cookie: Uint8Array.of(1, 2, 3, 4) });
  await a.datapath.changeSession(sessions[0], { cookie: Uint8Array.of(1, 2, 3, 5) });
  assert.ok(a.datapath.inject(hosts[0].port, [frameOf(1, 100)]));
  await until(async () => {
    const stats = await b.datapath.stats();
    return stats.sessions.get(sessions[1])!["rx-cookie-discards"] === 1;
  });
  assert.equal(hosts[1].frames.length, 0);
});

Deno.test("stats() has tunnels, drops by reason, and figures of system calls", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  const { tunnels, hosts } = await joined(a, b);
  a.datapath.inject(hosts[0].port, [frameOf(1, 100), frameOf(2, 200)]);
  await hosts[1].received(2);
  const [sent, received] = [await a.datapath.stats(), await b.datapath.stats()];
  assert.equal(sent.tunnels.get(tunnels[0])!["tx-packets"], 2);
  assert.equal(received.tunnels.get(tunnels[1])!["rx-bytes"], 300);
  assert.ok(sent.io["tx-calls"]! >= 1);
  assert.ok(received.io["rx-calls"]! >= 1);
  assert.equal(received.drops["host-queue-full"], 0);
});

Deno.test("counters() has what is asked for alone, and when each tunnel last received something valid", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  const { sessions, tunnels, hosts } = await joined(a, b);
  const asked = { sessions: [sessions[1], 0x7fff as PortId], tunnels: [tunnels[1]] };
  assert.deepEqual([...(await b.datapath.counters(asked)).heardAgoMs], []);
  a.datapath.inject(hosts[0].port, [frameOf(1, 100)]);
  await hosts[1].received(1);
  await sleep(20);
  const stats = await b.datapath.counters(asked);
  assert.deepEqual([...stats.sessions.keys()], [sessions[1]]);
  assert.deepEqual([...stats.tunnels.keys()], [tunnels[1]]);
  assert.equal(stats.tunnels.get(tunnels[1])!["rx-packets"], 1);
  const ago = stats.heardAgoMs.get(tunnels[1])!;
  assert.ok(ago >= 15 && ago < 5000, `${ago}`);
  const all = await b.datapath.stats();
  assert.ok(all.heardAgoMs.get(tunnels[1])! >= ago);
  assert.equal((await a.datapath.stats()).heardAgoMs.size, 0);
  const none = await b.datapath.counters({ sessions: [], tunnels: [] });
  assert.deepEqual([none.sessions.size, none.tunnels.size, none.socketDrops.size], [0, 0, 0]);
  assert.equal((await b.datapath.totals()).io["rx-datagrams"], 1);
});

Deno.test("stats() has every session and tunnel of tables of many slices", async () => {
  await using a = await startLcce();
  const ids = Array.from({ length: sliceSlots + 10 }, (_, i) => i + 1);
  const tunnels = await Promise.all(ids.map((id) => addTunnel(a, a, id)));
  const ports = await Promise.all(
    ids.map((id, i) => a.datapath.addSession(tunnels[i]!, sessionSpec(id))),
  );
  const stats = await a.datapath.stats();
  assert.deepEqual([...stats.sessions.keys()], ports);
  assert.deepEqual([...stats.tunnels.keys()], tunnels);
});

Deno.test("inject() refuses beyond its bound, counts it, and works again", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  const { hosts } = await joined(a, b);
  const frames = Array.from({ length: 64 }, (_, i) => frameOf(i, 9014));
  let accepted = 0;
  while (a.datapath.inject(hosts[0].port, frames)) accepted++;
  assert.ok(accepted >= 1);
  const { drops } = await a.datapath.stats();
  assert.equal(drops["inject-queue-full"], frames.length);
  assert.ok(a.datapath.inject(hosts[0].port, [frameOf(7, 60)]));
  await until(() => hosts[1].frames.some((frame) => frame.length === 60));
});

Deno.test("a slow receiver loses frames, counted, and gets what comes after", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  const { hosts } = await joined(a, b);
  let last = -1;
  let got = 0;
  let pause = 150;
  const slow = await b.datapath.addHostPort("ethernet", (frames) => {
    const end = performance.now() + pause;
    while (performance.now() < end);
    pause = 5;
    got += frames.length;
    last = numberOf(frames.at(-1)!);
  });
  const session = await b.datapath.addSession(await addTunnel(b, a, 2), sessionSpec(12));
  const tunnel = await addTunnel(a, b, 2);
  const host = await collectAt(a.datapath, await a.datapath.addSession(tunnel, sessionSpec(12)));
  await b.datapath.crossConnect(slow, session);

  let number = 0;
  for (let burst = 0; burst < 40; burst++) {
    const frames = Array.from({ length: 200 }, () => frameOf(number++, 1514));
    if (!a.datapath.inject(host.port, frames)) number -= 200;
    await sleep(1);
  }
  await until(async () => {
    const { sessions, drops } = await b.datapath.stats();
    const received = sessions.get(session)!["rx-packets"];
    return received > 0 && got + drops["host-queue-full"]! >= received;
  });
  pause = 0;
  await until(() => {
    a.datapath.inject(host.port, [frameOf(0xffff, 60)]);
    return last === 0xffff;
  });
  // The other session was not touched.
  a.datapath.inject(hosts[0].port, [frameOf(1, 60)]);
  await hosts[1].received(1);
});

Deno.test("removePort() and removeTunnel() while traffic flows leave the other sessions whole", async () => {
  await using a = await startLcce();
  await using b = await startLcce();
  const { hosts } = await joined(a, b);
  const doomed = await addTunnel(a, b, 9);
  const peer = await b.datapath.addSession(await addTunnel(b, a, 9), sessionSpec(19));
  const peerHost = await collectAt(b.datapath, peer);
  const session = await a.datapath.addSession(doomed, sessionSpec(19));
  const host = await collectAt(a.datapath, session);

  const total = 2000;
  let sent = 0;
  while (sent < total) {
    const burst = Array.from({ length: 50 }, () => frameOf(sent++, 300));
    assert.ok(a.datapath.inject(hosts[0].port, burst));
    a.datapath.inject(host.port, burst);
    if (sent === 1000) {
      await a.datapath.removePort(session);
      await a.datapath.removeTunnel(doomed);
      await b.datapath.removePort(peerHost.port);
    }
    await hosts[1].received(sent);
  }
  assert.deepEqual(hosts[1].frames.map(numberOf), Array.from({ length: total }, (_, i) => i));
  assert.ok(peerHost.frames.length <= 1000);
  const { drops } = await a.datapath.stats();
  assert.ok(Object.values(drops).some((count) => count >= 1000), JSON.stringify(drops));
});

Deno.test("a worker without traffic sleeps", async () => {
  await using a = await startLcce();
  const before = (await a.datapath.stats()).io["wake-ups"]!;
  await sleep(100);
  const after = (await a.datapath.stats()).io["wake-ups"]!;
  assert.equal(after - before, 1); // the second question itself
});

Deno.test("a connected socket's ICMP errors cost only what they are about", async () => {
  await using b = await startLcce();
  const absent = { address: "127.0.0.1", port: 9 };
  await using a = await startLcce({ remote: absent });
  const tunnel = await addTunnel(a, { local: absent }, 1, { segment: false });
  const session = await a.datapath.addSession(tunnel, sessionSpec(11));
  const host = await collectAt(a.datapath, session);
  for (let i = 0; i < 50; i++) {
    a.datapath.inject(host.port, [frameOf(i, 100)]);
    await sleep(1);
  }
  const { io, sessions } = await a.datapath.stats();
  assert.equal(io["socket-failures"], 0);
  assert.ok(io["wake-ups"]! < 500, `${io["wake-ups"]}`);
  assert.equal(sessions.get(session)!["tx-errors"], 0);
  await b.datapath.stats();
});
