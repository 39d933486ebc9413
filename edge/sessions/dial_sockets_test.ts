import assert from "node:assert/strict";
import { systemClock } from "../io/clock.ts";
import type { SocketOptions } from "../io/sockets.ts";
import { makeLog } from "../log/log.ts";
import { makeSockets } from "./sockets.ts";
import { memoryDatapath, memorySystem } from "../testing/memory.ts";

const log = makeLog({ level: "error", format: "text" });

function scene() {
  const system = memorySystem();
  const datapath = memoryDatapath(system);
  return { system, datapath, sockets: makeSockets(system, datapath, systemClock, log) };
}

const listener = { encap: "udp", address: "0.0.0.0", port: 1701 } as const;
const local = { address: "10.77.0.1", port: 1701 };

Deno.test("dial() uses the listener that covers the address", async () => {
  const { datapath, sockets, system } = scene();
  await sockets.open(listener);
  const lease = await sockets.dial("udp", local);
  assert.equal(datapath.sockets.size, 1);
  await lease[Symbol.asyncDispose]();
  await sockets.withdraw(listener)?.close();
  assert.equal(system.open.size, 0);
});

Deno.test("dial() opens one unconnected socket for an address that no listener covers", async () => {
  const { datapath, sockets, system } = scene();
  const [one, two] = [await sockets.dial("udp", local), await sockets.dial("udp", local)];
  assert.equal(one.socket, two.socket);
  assert.deepEqual([...system.open.values()].map(({ options }) => "remote" in options), [false]);
  await one[Symbol.asyncDispose]();
  assert.equal(datapath.sockets.size, 1);
  await two[Symbol.asyncDispose]();
  assert.equal(system.open.size, 0);
});

Deno.test("dial() gives port 0 a socket of its own, and tells its port", async () => {
  const { sockets, system } = scene();
  await sockets.open(listener);
  const any = { address: "10.77.0.1", port: 0 };
  const [one, two] = [await sockets.dial("udp", any), await sockets.dial("udp", any)];
  assert.notEqual(one.socket, two.socket);
  assert.notEqual(one.local.port, two.local.port);
  assert.ok(one.local.port > 0);
  for (const lease of [one, two]) await lease[Symbol.asyncDispose]();
  await sockets.withdraw(listener)?.close();
  assert.equal(system.open.size, 0);
});

Deno.test("dial() says why a socket cannot be had, and keeps nothing of it", async () => {
  const { sockets, system } = scene();
  system.refused.add("10.77.0.1");
  await assert.rejects(sockets.dial("udp", local), { name: "ApplianceError", attribute: "local" });
  system.refused.clear();
  const lease = await sockets.dial("udp", local);
  await lease[Symbol.asyncDispose]();
  assert.equal(system.open.size, 0);
});

Deno.test("dial() by a way that the listener does not take opens a socket of its own, one for all of that way", async () => {
  const { datapath, sockets, system } = scene();
  await sockets.open(listener);
  const ways = [{ df: true }, { df: false }, { device: "blue" }, { df: true, device: "blue" }];
  const leases = [];
  for (const way of [...ways, ...ways]) leases.push(await sockets.dial("udp", local, way));
  assert.equal(new Set(leases.map(({ socket }) => socket)).size, ways.length);
  const opened = [...system.open.values()].slice(1).map(({ options }) => options as SocketOptions);
  assert.deepEqual(
    opened.map(({ df, device, shared }) => [df, device, shared]),
    ways.map(({ df, device }: { df?: boolean; device?: string }) => [df, device, true]),
  );
  assert.equal(datapath.sockets.size, 1 + ways.length);
  for (const lease of leases) await lease[Symbol.asyncDispose]();
  await sockets.withdraw(listener)?.close();
  assert.equal(system.open.size, 0);
});

Deno.test("dial() with a mark has the socket tell marks, once", async () => {
  const { datapath, sockets } = scene();
  await sockets.open(listener);
  const plain = await sockets.dial("udp", local);
  assert.ok(!datapath.calls.some((call) => call.startsWith("tellMarks")));
  const [one, two] = [
    await sockets.dial("udp", local, { mark: 7 }),
    await sockets.dial("udp", local, { mark: 8 }),
  ];
  assert.deepEqual([one.socket, two.socket], [plain.socket, plain.socket]);
  assert.equal(datapath.calls.filter((call) => call.startsWith("tellMarks")).length, 1);
  for (const lease of [plain, one, two]) await lease[Symbol.asyncDispose]();
  await sockets.withdraw(listener)?.close();
});

Deno.test("hold() keeps a closed listener's socket open", async () => {
  const { sockets, system } = scene();
  await sockets.open(listener);
  const dialed = await sockets.dial("udp", local);
  const held = sockets.hold(dialed.socket)!;
  await dialed[Symbol.asyncDispose]();
  await sockets.withdraw(listener)?.close();
  assert.equal(system.open.size, 1);
  await held[Symbol.asyncDispose]();
  assert.equal(system.open.size, 0);
  assert.equal(sockets.hold(dialed.socket), undefined);
});
