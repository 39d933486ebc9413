import assert from "node:assert/strict";
import type { SessionId, TunnelId } from "../core/ids.ts";
import { PseudowireType } from "../core/pseudowire.ts";
import { ethernet } from "../plugins/ethernet/mod.ts";
import { ApplianceError } from "./appliance.ts";
import { makeLog } from "./log.ts";
import type { Config, SessionConfig, TunnelConfig } from "./model.ts";
import { type Appliance, startAppliance } from "./start.ts";
import { type MemoryDatapath, memoryDatapath, type MemorySystem, memorySystem } from "./testing.ts";

interface Bench extends AsyncDisposable {
  readonly appliance: Appliance;
  readonly datapath: MemoryDatapath;
  readonly system: MemorySystem;
  readonly lines: string[];
  /** What the file holds at the next reload. */
  file: Config;
}

function session(id: number, changes: Partial<SessionConfig> = {}): SessionConfig {
  return {
    name: `session-${id}`,
    sessionId: id as SessionId,
    peerSessionId: id + 1000 as SessionId,
    pseudowireType: PseudowireType.Ethernet,
    l2spec: "default",
    cookie: "",
    peerCookie: "",
    sendSeq: false,
    recvSeq: false,
    lnsMode: false,
    reorderTimeoutMs: 0,
    ...changes,
  };
}

const onTap = (name: string, more = {}) => ({
  circuit: { plugin: "tap", options: { name, ...more } },
});

function tunnel(id: number, changes: Partial<TunnelConfig> = {}): TunnelConfig {
  return {
    name: `tunnel-${id}`,
    version: 3,
    tunnelId: id as TunnelId,
    peerTunnelId: id + 1000 as TunnelId,
    encap: "udp",
    local: { address: "10.77.0.1", port: 1701 },
    remote: { address: "10.77.0.2", port: 1701 },
    checksum: { udp: true, zero6Tx: false, zero6Rx: false },
    sessions: [],
    ...changes,
  };
}

function config(tunnels: readonly TunnelConfig[], changes: Partial<Config> = {}): Config {
  return {
    listen: [{ encap: "udp", address: "0.0.0.0", port: 1701 }],
    admin: { listen: { host: "127.0.0.1", port: 8701 } },
    log: { level: "info", format: "text" },
    tunnels,
    ...changes,
  };
}

async function start(first: Config): Promise<Bench> {
  const system = memorySystem();
  const datapath = memoryDatapath(system);
  const lines: string[] = [];
  const appliance = await startAppliance({
    config: first,
    readConfig: () => bench.file,
    plugins: [ethernet],
    log: makeLog(first.log, { write: (line) => void lines.push(line) }),
    wallClock: () => 1_700_000_000_000,
    system,
    startDatapath: () => Promise.resolve(datapath),
  });
  const bench: Bench = {
    appliance,
    datapath,
    system,
    lines,
    file: first,
    async [Symbol.asyncDispose]() {
      await appliance[Symbol.asyncDispose]();
      assert.equal(system.open.size, 0, "descriptors left open");
      assert.equal(datapath.sessions.size + datapath.tunnels.size + datapath.ports.size, 0);
    },
  };
  return bench;
}

/** Everything that a failed change must leave as it was. */
function snapshot({ appliance, datapath, system }: Bench) {
  return structuredClone({
    config: {
      ...appliance.config(),
      tunnels: appliance.config().tunnels.toSorted((a, b) => a.tunnelId - b.tunnelId),
    },
    tunnels: [...datapath.tunnels.values()].map(({ socket: _, ...spec }) => spec)
      .sort((a, b) => a.tunnelId - b.tunnelId),
    sessions: [...datapath.sessions.values()].map(({ tunnel: _, ...spec }) => spec)
      .sort((a, b) => a.sessionId - b.sessionId),
    joins: datapath.joins.size,
    open: system.open.size,
    devices: [...system.devices].sort(),
  });
}

/** Asserts that `work` fails as said and leaves nothing changed. */
async function refused(
  bench: Bench,
  expected: Partial<ApplianceError>,
  work: () => Promise<unknown>,
) {
  const before = snapshot(bench);
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof ApplianceError, String(error));
    for (const [key, value] of Object.entries(expected)) {
      assert.deepEqual(error[key as keyof ApplianceError], value, error.message);
    }
    return true;
  });
  assert.deepEqual(snapshot(bench), before);
}

const office = session(11, onTap("office0"));
const branch = tunnel(1, { sessions: [office] });

Deno.test("startAppliance() brings up listeners, tunnels, sessions and circuits", async () => {
  await using bench = await start(config([branch]));
  const [state] = await bench.appliance.tunnels();
  assert.equal(state?.pathMtu, 1500);
  const [one] = state?.sessions ?? [];
  assert.deepEqual([one?.status, one?.ifname, one?.origin], ["up", "office0", "config"]);
  // 1500 - IPv4 20 - UDP 8 - L2TPv3 8 - L2-Specific Sublayer 4 - Ethernet 14
  assert.equal(one?.mtu, 1446);
  assert.deepEqual(bench.system.devices.get("office0")?.carrier, true);
  assert.equal(bench.datapath.joins.size, 2);
});

Deno.test("startAppliance() leaves nothing behind where a part cannot be had", async () => {
  const system = memorySystem();
  const twice = [branch, tunnel(2, { sessions: [session(12, onTap("office0"))] })];
  await assert.rejects(
    startAppliance({
      config: config(twice),
      readConfig: () => config([]),
      plugins: [ethernet],
      log: makeLog({ level: "error", format: "text" }, { write() {} }),
      system,
      startDatapath: () => Promise.resolve(memoryDatapath(system)),
    }),
    { name: "ApplianceError", code: "in-use", attribute: "circuit" },
  );
  assert.equal(system.open.size, 0);
});

Deno.test("a tunnel uses the listener that covers it, or else a connected socket", async () => {
  await using bench = await start(config([]));
  const { appliance, datapath, system } = bench;
  await appliance.createTunnel(branch);
  assert.equal(system.open.size - 1, 1, "listener and TAP only");
  await appliance.createTunnel(tunnel(2, { local: { address: "10.77.0.1", port: 1702 } }));
  await appliance.createTunnel(tunnel(3, { checksum: { ...branch.checksum, udp: false } }));
  await appliance.createTunnel(tunnel(4, { checksum: { ...branch.checksum, udp: false } }));
  assert.equal(datapath.sockets.size, 3, "tunnels between the same endpoints share a socket");
  const specs = [...datapath.tunnels.values()];
  assert.deepEqual(specs.map(({ segment }) => segment), [true, true, false, false]);
  assert.ok(specs.every(({ sourceCheck }) => sourceCheck === "endpoint"));
  await appliance.deleteTunnel("3");
  assert.equal(datapath.sockets.size, 3);
  await appliance.deleteTunnel("tunnel-4");
  assert.equal(datapath.sockets.size, 2);
});

Deno.test("raw sockets that would both receive a tunnel's packets are refused", async () => {
  await using bench = await start(config([]));
  const none = { udp: false, zero6Tx: false, zero6Rx: false };
  const over = (id: number, address: string) =>
    tunnel(id, {
      encap: "ip",
      local: { address, port: 0 },
      remote: { address: "10.77.0.2", port: 0 },
      checksum: none,
    });
  await bench.appliance.createTunnel(over(1, "10.77.0.1"));
  await refused(
    bench,
    { code: "in-use", attribute: "ip-saddr" },
    () => bench.appliance.createTunnel(over(2, "0.0.0.0")),
  );
  assert.equal([...bench.datapath.tunnels.values()][0]?.sourceCheck, "address");
});

Deno.test("duplicates are refused with the attribute that is wrong", async () => {
  await using bench = await start(config([branch]));
  const { appliance } = bench;
  const exists = (attribute: string) => ({ code: "exists", attribute }) as const;
  await refused(
    bench,
    exists("name"),
    () => appliance.createTunnel({ ...branch, tunnelId: 9 as TunnelId }),
  );
  await refused(
    bench,
    exists("tunnel-id"),
    () => appliance.createTunnel({ ...branch, name: "other" }),
  );
  await refused(
    bench,
    exists("name"),
    () => appliance.createSession("1", session(12, { name: office.name })),
  );
  await refused(
    bench,
    exists("session-id"),
    () => appliance.createSession("1", session(11, { name: "x" })),
  );
  await refused(
    bench,
    {
      code: "in-use",
      attribute: "circuit",
      message: "TAP office0 is the circuit of tunnels/tunnel-1/sessions/session-11 already",
    },
    () => appliance.createSession("1", session(12, onTap("office0"))),
  );
});

Deno.test("requests for what is not there or not right are refused", async () => {
  await using bench = await start(config([branch]));
  const { appliance } = bench;
  await refused(bench, { code: "not-found" }, () => appliance.tunnel("nope"));
  await refused(bench, { code: "not-found" }, () => appliance.deleteTunnel("7"));
  await refused(bench, { code: "not-found" }, () => appliance.changeSession("1", "7", {}));
  await refused(
    bench,
    { code: "invalid", attribute: "send-seq" },
    () => appliance.createSession("1", session(12, { l2spec: "none", sendSeq: true })),
  );
  await refused(
    bench,
    { code: "invalid", attribute: "circuit.tap.mtu" },
    () => appliance.createSession("1", session(12, onTap("x", { mtu: 1 }))),
  );
  await refused(
    bench,
    { code: "invalid", attribute: "encap-type" },
    () => appliance.createTunnel({ ...tunnel(9), version: 2, encap: "ip" }),
  );
});

Deno.test("changeSession() changes live what the datapath can, and tells the circuit of the MTU", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath } = bench;
  datapath.calls.length = 0;
  const state = await appliance.changeSession("1", "11", {
    sendSeq: true,
    cookie: "0011223344556677",
    reorderTimeoutMs: 20,
  });
  assert.deepEqual(datapath.calls, ["changeSession", "stats"]);
  assert.equal(state.sessions[0]?.mtu, 1438);
  const [spec] = datapath.sessions.values();
  assert.deepEqual(spec?.cookie, Uint8Array.of(0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77));
  datapath.calls.length = 0;
  await appliance.changeSession("1", "11", { mtu: 1400 });
  assert.deepEqual(datapath.calls, ["stats"]);
  assert.equal(bench.system.devices.get("office0")?.mtu, 1400);
});

Deno.test("changeSession() replaces a session whose peer's id changes, and keeps its device", async () => {
  await using bench = await start(config([branch]));
  const [tap] = [...bench.datapath.ports.keys()];
  await bench.appliance.changeSession("1", "11", { peerSessionId: 77 as SessionId });
  const [spec] = bench.datapath.sessions.values();
  assert.equal(spec?.peerSessionId, 77);
  assert.deepEqual([...bench.datapath.ports.keys()], [tap]);
  assert.equal(bench.datapath.joins.size, 2);
});

Deno.test("changeSession() changes nothing where a step fails", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath } = bench;
  const change = { peerSessionId: 77 as SessionId, cookie: "00112233", ...onTap("office1") };
  for (const method of ["addTap", "crossConnect", "addSession"] as const) {
    datapath.refuse = { method, code: "limit" };
    await refused(bench, { code: "limit" }, () => appliance.changeSession("1", "11", change));
  }
  await refused(
    bench,
    { code: "invalid", attribute: "circuit.tap" },
    () => appliance.changeSession("1", "11", onTap("office0", { mtu: 9999 })),
  );
  const state = await appliance.tunnel("1");
  assert.equal(state.sessions[0]?.status, "up");
});

Deno.test("changeTunnel() moves a tunnel with its sessions, and works out their MTU anew", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath, system } = bench;
  system.mtu = 1280;
  const state = await appliance.changeTunnel("1", {
    local: { address: "10.77.0.3", port: 1800 },
    remote: { address: "10.77.0.9", port: 1701 },
  });
  assert.equal(state.sessions[0]?.mtu, 1226);
  assert.equal([...datapath.tunnels.values()][0]?.remote.address, "10.77.0.9");
  assert.equal(datapath.sockets.size, 2);
  assert.ok(!datapath.calls.includes("removePort"));
});

Deno.test("changeTunnel() changes nothing where a step fails", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath, system } = bench;
  const change = { local: { address: "10.77.0.3", port: 1800 } };
  datapath.refuse = { method: "changeTunnel", code: "invalid" };
  await refused(bench, { code: "invalid" }, () => appliance.changeTunnel("1", change));
  system.refused.add("10.77.0.3");
  await refused(
    bench,
    { code: "invalid", attribute: "ip-saddr" },
    () => appliance.changeTunnel("1", change),
  );
  system.mtu = 100;
  await refused(
    bench,
    { code: "invalid", attribute: "circuit.tap.mtu" },
    () => appliance.changeTunnel("1", { remote: { address: "10.77.0.9", port: 1701 } }),
  );
});

Deno.test("changeTunnel() replaces a tunnel whose peer's id changes, and keeps circuits", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath } = bench;
  const [tap] = [...datapath.ports.keys()];
  const change = { peerTunnelId: 99 as TunnelId };
  for (const method of ["removeTunnel", "addTunnel", "addSession", "crossConnect"] as const) {
    datapath.refuse = { method, code: "limit" };
    await refused(bench, { code: "limit" }, () => appliance.changeTunnel("1", change));
  }
  await appliance.changeTunnel("1", change);
  assert.equal([...datapath.tunnels.values()][0]?.peerTunnelId, 99);
  assert.deepEqual([...datapath.ports.keys()], [tap]);
  assert.equal(datapath.joins.size, 2);
});

Deno.test("concurrent requests on one tunnel do not interleave", async () => {
  await using bench = await start(config([]));
  const { appliance } = bench;
  const outcomes = await Promise.allSettled([
    appliance.createTunnel(branch),
    appliance.createTunnel({ ...branch, name: "twin" }),
    appliance.createSession("tunnel-1", session(12)),
    appliance.changeSession("tunnel-1", "12", { name: undefined, sendSeq: true } as object),
    appliance.deleteSession("tunnel-1", "12"),
    appliance.deleteTunnel("tunnel-1"),
    appliance.createTunnel(branch),
  ]);
  assert.deepEqual(outcomes.map(({ status }) => status === "fulfilled"), [
    true,
    false,
    true,
    true,
    true,
    true,
    true,
  ]);
});

Deno.test("a device that vanishes takes its session down, and a change brings it back", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath, lines, system } = bench;
  datapath.vanish([...system.open.keys()].at(-1)!);
  await new Promise((resolve) => setTimeout(resolve, 5));
  const down = (await appliance.tunnel("1")).sessions[0];
  assert.deepEqual([down?.status, down?.reason, down?.circuit], [
    "down",
    "TAP office0 vanished",
    undefined,
  ]);
  assert.ok(lines.some((line) => line.includes("session down") && line.includes("vanished")));
  assert.equal(system.devices.size, 0);
  const state = await appliance.changeSession("1", "11", {});
  assert.deepEqual([state.sessions[0]?.status, state.sessions[0]?.reason], ["up", undefined]);
});

Deno.test("a session without a circuit is down, and says so", async () => {
  await using bench = await start(config([tunnel(1, { sessions: [session(11)] })]));
  const state = await bench.appliance.tunnel("1");
  assert.deepEqual([state.sessions[0]?.status, state.sessions[0]?.reason], ["down", "no circuit"]);
});

Deno.test("reload() touches only what changed; what requests made survives", async () => {
  await using bench = await start(
    config([branch, tunnel(2, { sessions: [session(21), session(22)] })]),
  );
  const { appliance, datapath } = bench;
  await appliance.createTunnel(tunnel(5));
  await appliance.createSession("1", session(15));
  bench.file = config([
    branch,
    tunnel(2, { sessions: [session(22, { sendSeq: true }), session(23)] }),
    tunnel(3),
  ]);
  const untouched = [...datapath.sessions].filter(([, { sessionId }]) => sessionId < 20);
  const report = await appliance.reload();
  assert.deepEqual(report.added.toSorted(), [
    "tunnels/tunnel-2/sessions/session-23",
    "tunnels/tunnel-3",
  ]);
  assert.deepEqual(report.changed, ["tunnels/tunnel-2/sessions/session-22"]);
  assert.deepEqual(report.removed, ["tunnels/tunnel-2/sessions/session-21"]);
  assert.deepEqual([...datapath.sessions].filter(([, { sessionId }]) => sessionId < 20), untouched);
  assert.deepEqual((await appliance.tunnels()).map(({ config }) => config.name).sort(), [
    "tunnel-1",
    "tunnel-2",
    "tunnel-3",
    "tunnel-5",
  ]);
  assert.deepEqual(await appliance.reload(), { added: [], changed: [], removed: [], unchanged: 7 });
});

Deno.test("reload() brings back what requests changed or deleted of the file's", async () => {
  await using bench = await start(config([branch]));
  const { appliance } = bench;
  await appliance.changeSession("1", "11", { sendSeq: true });
  assert.deepEqual((await appliance.reload()).changed, ["tunnels/tunnel-1/sessions/session-11"]);
  await appliance.deleteSession("1", "11");
  assert.deepEqual((await appliance.reload()).added, ["tunnels/tunnel-1/sessions/session-11"]);
  await appliance.deleteTunnel("1");
  await appliance.reload();
  assert.equal((await appliance.tunnel("1")).sessions[0]?.status, "up");
});

Deno.test("reload() changes nothing where the file is bad or cannot be carried out", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath, system } = bench;
  await appliance.createTunnel(tunnel(5, { sessions: [session(51, onTap("api0"))] }));
  const better = tunnel(1, { sessions: [{ ...office, sendSeq: true }, session(12)] });
  bench.file = config([better, tunnel(5)]);
  await refused(bench, { code: "exists", attribute: "name" }, () => appliance.reload());
  bench.file = config([better, tunnel(2, { sessions: [session(21, onTap("api0"))] })]);
  await refused(bench, { code: "in-use" }, () => appliance.reload());
  system.refused.add("10.1.1.1");
  bench.file = config([better], { listen: [{ encap: "udp", address: "10.1.1.1", port: 1701 }] });
  await refused(bench, { code: "invalid", attribute: "listen" }, () => appliance.reload());
  bench.file = config([tunnel(2), { ...better, name: "renamed" }]);
  datapath.refuse = { method: "addTunnel", code: "limit" };
  await refused(bench, { code: "limit" }, () => appliance.reload());
  appliance.onAdminChange = () => Promise.reject(new ApplianceError("in-use", "admin", "taken"));
  bench.file = config([better], { admin: { listen: { host: "127.0.0.1", port: 1 } } });
  await refused(bench, { code: "in-use", attribute: "admin" }, () => appliance.reload());
});

Deno.test("reload() lets two sessions swap their devices", async () => {
  const other = session(12, onTap("office1"));
  await using bench = await start(config([tunnel(1, { sessions: [office, other] })]));
  bench.file = config([
    tunnel(1, {
      sessions: [{ ...office, ...onTap("office1") }, { ...other, ...onTap("office0") }],
    }),
  ]);
  await bench.appliance.reload();
  const { sessions } = await bench.appliance.tunnel("1");
  assert.deepEqual(sessions.map(({ ifname }) => ifname), ["office1", "office0"]);
});

Deno.test("reload() moves tunnels off a listener that goes, and onto one that comes", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath } = bench;
  bench.file = config([branch], { listen: [] });
  await appliance.reload();
  assert.equal(datapath.sockets.size, 1);
  const connected = [...bench.system.open.values()].filter(({ options }) => "remote" in options);
  assert.equal(connected.length, 1);
  bench.file = config([branch], { listen: [{ encap: "udp", address: "10.77.0.1", port: 1701 }] });
  await appliance.reload();
  assert.equal(
    [...bench.system.open.values()].filter(({ options }) => "remote" in options).length,
    0,
  );
  assert.equal(datapath.sessions.size, 1);
});

Deno.test("reload() gives a session whose device vanished another chance", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath, system } = bench;
  datapath.vanish([...system.open.keys()].at(-1)!);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual((await appliance.reload()).changed, ["tunnels/tunnel-1/sessions/session-11"]);
  assert.equal((await appliance.tunnel("1")).sessions[0]?.status, "up");
});

Deno.test("a stopped appliance refuses requests", async () => {
  const bench = await start(config([branch]));
  await bench[Symbol.asyncDispose]();
  await bench.appliance[Symbol.asyncDispose]();
  await assert.rejects(bench.appliance.createTunnel(branch), { code: "unavailable" });
});
