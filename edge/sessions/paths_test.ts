import assert from "node:assert/strict";
import type { PathError, SocketId } from "../datapath/datapath.ts";
import { makeLog } from "../log/log.ts";
import { branch, config, start, tunnel } from "../testing/appliance.ts";
import { memoryDatapath, memorySystem } from "../testing/memory.ts";
import { followPaths } from "./paths.ts";
import { makeSessionTable, type TunnelEntry } from "./table.ts";

/** Time that passes when it is told to. */
function manualClock() {
  let now = 0;
  const timers = new Map<() => void, number>();
  return {
    now: () => now,
    timer(at: number, callback: () => void) {
      const own = () => callback();
      timers.set(own, at);
      return { [Symbol.dispose]: () => void timers.delete(own) };
    },
    async pass(ms: number) {
      const end = now + ms;
      for (;;) {
        const [due] = [...timers].filter(([, at]) => at <= end).sort(([, a], [, b]) => a - b);
        if (!due) break;
        timers.delete(due[0]);
        now = Math.max(now, due[1]);
        due[0]();
        for (let i = 0; i < 10; i++) await Promise.resolve();
      }
      now = end;
    },
    get pending() {
      return timers.size;
    },
  };
}

function entry(id: number, remote: string, socket = 1): TunnelEntry {
  return {
    config: tunnel(id, { remote: { address: remote, port: 1701 } }),
    lease: { socket: socket as SocketId },
    pathMtu: 1500,
    pathErrors: {},
    sessions: makeSessionTable(),
  } as unknown as TunnelEntry;
}

function watched(entries: readonly TunnelEntry[]) {
  const system = memorySystem();
  const datapath = memoryDatapath(system);
  const clock = manualClock();
  const looks: string[] = [];
  const paths = followPaths({
    clock,
    datapath,
    system: { ...system, ownsAddress: (address) => address === "10.77.0.1" },
    log: makeLog({ level: "error", format: "text" }),
    tunnels: { all: new Map(entries.map((entry) => [entry.config.name, entry])) },
    follow(tunnel) {
      looks.push(tunnel.config.name);
      tunnel.pathMtu = system.mtu;
      return Promise.resolve();
    },
  });
  const error = (remote: string, more: Partial<PathError> = {}): PathError => ({
    socket: 1 as SocketId,
    remote: { address: remote, port: 1701 },
    trouble: "port-unreachable",
    count: 1,
    ...more,
  });
  return { clock, datapath, error, looks, paths, system };
}

Deno.test("ICMP errors are counted for the tunnels of their path, and in all", () => {
  const [a, b, c] = [entry(1, "10.77.0.2"), entry(2, "10.77.0.3"), entry(3, "10.77.0.2", 2)];
  const { datapath, error, paths } = watched([a, b, c]);
  const hints: PathError[] = [];
  paths.onUnreachable = (errors) => hints.push(...errors);
  datapath.onPathErrors!([
    error("10.77.0.2", { count: 3 }),
    error("10.77.0.9"),
    error("10.77.0.3", { trouble: "host-unreachable", reporter: "10.77.0.1" }),
    error("10.77.0.3", { trouble: "host-unreachable", reporter: "10.77.0.254" }),
    error("10.77.0.3", { trouble: "time-exceeded" }),
  ]);
  assert.deepEqual([a, b, c].map(({ pathErrors }) => pathErrors), [
    { "port-unreachable": 3 },
    { "neighbour-unresolved": 1, "host-unreachable": 1, "time-exceeded": 1 },
    {},
  ]);
  assert.equal(paths.errors()["port-unreachable"], 4);
  assert.deepEqual(hints.map(({ trouble }) => trouble), [
    "port-unreachable",
    "port-unreachable",
    "neighbour-unresolved",
    "host-unreachable",
  ]);
  paths[Symbol.dispose]();
});

Deno.test("a path that carries less is looked at again until it carries what it did", async () => {
  const [a, b] = [entry(1, "10.77.0.2"), entry(2, "10.77.0.3")];
  const { clock, datapath, error, looks, paths, system } = watched([a, b]);
  system.mtu = 1400;
  for (let i = 0; i < 50; i++) {
    datapath.onPathErrors!([error("10.77.0.2", { trouble: "too-big", mtu: 1400 })]);
  }
  await clock.pass(100);
  assert.deepEqual([looks.splice(0), a.pathMtu, b.pathMtu], [["tunnel-1"], 1400, 1500]);
  await clock.pass(20_000);
  assert.equal(looks.splice(0).length, 4);
  system.mtu = 1500;
  await clock.pass(5_000);
  assert.equal(a.pathMtu, 1500);
  looks.splice(0);
  await clock.pass(60_000);
  assert.deepEqual(looks, []);
  paths[Symbol.dispose]();
  assert.equal(clock.pending, 0);
});

Deno.test("a changed network has all paths looked at, a few at a time", async () => {
  const entries = Array.from({ length: 200 }, (_, i) => entry(i + 1, `10.77.1.${i}`));
  const { clock, datapath, looks, paths } = watched(entries);
  datapath.onNetworkChange!();
  datapath.onNetworkChange!();
  await clock.pass(30);
  assert.equal(looks.length, 64);
  await clock.pass(200);
  assert.equal(new Set(looks).size, 200);
  assert.equal(looks.length, 200);
  paths[Symbol.dispose]();
});

Deno.test("a session's device follows its path's MTU, and the tunnel shows what ICMP said", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath, system } = bench;
  const [socket] = [...datapath.sockets.keys()];
  const before = system.devices.get("office0")!.mtu;
  system.mtu = 1400;
  datapath.onPathErrors!([{
    socket: socket!,
    remote: branch.remote,
    trouble: "too-big",
    count: 2,
    mtu: 1400,
  }]);
  const deadline = performance.now() + 5000;
  while (system.devices.get("office0")!.mtu === before && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(system.devices.get("office0")!.mtu, before - 100);
  const state = await appliance.tunnel("tunnel-1");
  assert.equal(state.pathMtu, 1400);
  assert.deepEqual(state.pathErrors, { "too-big": 2 });
  assert.deepEqual(state.grouping, { state: "on" });
  assert.equal((await appliance.datapath()).pathErrors["too-big"], 2);
});
