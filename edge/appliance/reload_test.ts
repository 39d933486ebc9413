import assert from "node:assert/strict";
import { ApplianceError } from "./errors.ts";
import { pathsOf } from "./part.ts";
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
  assert.deepEqual(pathsOf(report, "added").toSorted(), [
    "tunnels/tunnel-2/sessions/session-23",
    "tunnels/tunnel-3",
  ]);
  assert.deepEqual(pathsOf(report, "changed"), ["tunnels/tunnel-2/sessions/session-22"]);
  assert.deepEqual(pathsOf(report, "removed"), ["tunnels/tunnel-2/sessions/session-21"]);
  assert.deepEqual([...datapath.sessions].filter(([, { sessionId }]) => sessionId < 20), untouched);
  assert.deepEqual((await appliance.tunnels()).map(({ config }) => config.name).sort(), [
    "tunnel-1",
    "tunnel-2",
    "tunnel-3",
    "tunnel-5",
  ]);
  assert.deepEqual(await appliance.reload(), { steps: [], kept: 7, down: [] });
});

Deno.test("reload() brings back what requests changed or deleted of the file's", async () => {
  await using bench = await start(config([branch]));
  const { appliance } = bench;
  await appliance.changeSession("1", "11", { sendSeq: true });
  const path = "tunnels/tunnel-1/sessions/session-11";
  const why = "send-seq: puts back what a request changed";
  assert.deepEqual((await appliance.reload()).steps, [{ path, step: "changed", why }]);
  await appliance.deleteSession("1", "11");
  const again = { path, step: "added", why: "a request had deleted it" } as const;
  assert.deepEqual((await appliance.reload()).steps, [again]);
  await appliance.deleteTunnel("1");
  await appliance.reload();
  assert.equal((await appliance.tunnel("1")).sessions[0]?.status, "up");
});

Deno.test("reload() changes nothing where the file is bad or cannot be carried out", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath } = bench;
  await appliance.createTunnel(tunnel(5, { sessions: [session(51, onTap("api0"))] }));
  const better = tunnel(1, { sessions: [{ ...office, sendSeq: true }, session(12)] });
  bench.file = config([better, tunnel(5)]);
  await refused(bench, { code: "exists", attribute: "name" }, () => appliance.reload());
  bench.file = config([better, tunnel(2, { sessions: [session(21, onTap("api0"))] })]);
  await refused(bench, { code: "in-use" }, () => appliance.reload());
  bench.file = config([tunnel(2), { ...better, name: "renamed" }]);
  datapath.refuse = { method: "addTunnel", code: "limit" };
  await refused(bench, { code: "limit" }, () => appliance.reload());
  appliance.onAdminChange = () =>
    Promise.reject(new ApplianceError("not-permitted", "admin", "no"));
  bench.file = config([better], { admin: { listen: { host: "127.0.0.1", port: 1 }, tokens: [] } });
  await refused(bench, { code: "not-permitted" }, () => appliance.reload());
});

Deno.test("reload() says that another state folder counts after a restart", async () => {
  await using bench = await start(config([branch]));
  bench.file = config([branch], { stateFolder: "/srv/isthmus" });
  assert.deepEqual((await bench.appliance.reload()).steps, [
    { path: "state-folder", step: "changed", why: "it counts when isthmus is restarted" },
  ]);
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
  assert.deepEqual((await appliance.reload()).steps, [{
    path: "tunnels/tunnel-1/sessions/session-11",
    step: "restarted",
    why: "it was down: TAP office0 vanished",
  }]);
  assert.equal((await appliance.tunnel("1")).sessions[0]?.status, "up");
});

Deno.test("what is asked for while a reload is under way comes after it, and is not lost", async () => {
  await using bench = await start(config([branch, tunnel(2)]));
  const { appliance } = bench;
  const moving = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  appliance.onAdminChange = () => (reached.resolve(), moving.promise);
  bench.file = config([branch, tunnel(2), tunnel(3)], {
    admin: { listen: { host: "127.0.0.1", port: 1 }, tokens: [] },
  });
  const reload = appliance.reload();
  await reached.promise;
  const asked = [
    appliance.createTunnel(tunnel(5)),
    appliance.deleteTunnel("2"),
    appliance.changeSession("1", "11", { sendSeq: true }),
    appliance.deleteTunnel("tunnel-3"),
  ];
  const names = () => appliance.config().tunnels.map(({ name }) => name).sort();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(names(), ["tunnel-1", "tunnel-2"]);
  moving.resolve();
  assert.deepEqual(pathsOf(await reload, "added"), ["tunnels/tunnel-3"]);
  await Promise.all(asked);
  assert.deepEqual(names(), ["tunnel-1", "tunnel-5"]);
  assert.equal((await appliance.tunnel("1")).sessions[0]?.config.sendSeq, true);
});
