import assert from "node:assert/strict";
import type { SessionId, TunnelId } from "../../core/ids.ts";
import { ethernet } from "../../plugins/ethernet/mod.ts";
import { makeLog } from "../log/log.ts";
import { startAppliance } from "./appliance.ts";
import { fixedDocument } from "../testing/document.ts";
import { memoryDatapath, memorySystem } from "../testing/memory.ts";
import {
  branch,
  config,
  office,
  onTap,
  refused,
  session,
  start,
  tunnel,
} from "../testing/appliance.ts";

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
      document: fixedDocument(() => config([])),
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
  assert.deepEqual(datapath.calls, ["changeSession", "counters"]);
  assert.equal(state.session.mtu, 1438);
  const [spec] = datapath.sessions.values();
  assert.deepEqual(spec?.cookie, Uint8Array.of(0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77));
  datapath.calls.length = 0;
  await appliance.changeSession("1", "11", { mtu: 1400 });
  assert.deepEqual(datapath.calls, ["counters"]);
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
  for (const method of ["addDevice", "crossConnect", "addSession"] as const) {
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
  await appliance.changeTunnel("1", {
    local: { address: "10.77.0.3", port: 1800 },
    remote: { address: "10.77.0.9", port: 1701 },
  });
  const state = await appliance.tunnel("1");
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
    { code: "unavailable", attribute: "ip-saddr" },
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
  assert.deepEqual([state.session.status, state.session.reason], ["up", undefined]);
});

Deno.test("a session without a circuit is down, and says so", async () => {
  await using bench = await start(config([tunnel(1, { sessions: [session(11)] })]));
  const state = await bench.appliance.tunnel("1");
  assert.deepEqual([state.sessions[0]?.status, state.sessions[0]?.reason], ["down", "no circuit"]);
});

Deno.test("a stopped appliance refuses requests", async () => {
  const bench = await start(config([branch]));
  await bench[Symbol.asyncDispose]();
  await bench.appliance[Symbol.asyncDispose]();
  await assert.rejects(bench.appliance.createTunnel(branch), { code: "unavailable" });
});
