/** What cannot be had now fails nothing and is tried again; what fails changes nothing. */

import assert from "node:assert/strict";
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
import { pathsOf } from "./part.ts";

const listener = { encap: "udp", address: "10.1.1.1", port: 1701 } as const;
const away = tunnel(2, { local: { address: "10.1.1.1", port: 1702 } });

Deno.test("an address that is not there yet keeps down what needs it, at start and at a reload, until it is there", async () => {
  const file = config([branch, { ...away, sessions: [session(21)] }], {
    listen: [...config([]).listen, listener],
  });
  await using bench = await start(file, { refused: ["10.1.1.1"] });
  const { appliance, system } = bench;
  const states = await appliance.tunnels();
  assert.deepEqual(
    states.map(({ config, reason }) => [config.name, reason]),
    [
      ["tunnel-1", undefined],
      ["tunnel-2", "tunnels/tunnel-2: Cannot bind 10.1.1.1: bind: EADDRNOTAVAIL"],
    ],
  );
  assert.equal(states[0]!.sessions[0]!.status, "up");
  assert.deepEqual(states[1]!.sessions.map(({ status }) => status), ["down"]);
  assert.deepEqual([...appliance.down()].map(({ path }) => path).sort(), [
    "listen/udp:10.1.1.1:1701",
    "tunnels/tunnel-2",
  ]);
  const still = await appliance.reload();
  assert.deepEqual([still.steps, still.kept, still.down.length], [[], 6, 2]);
  system.refused.clear();
  const { down, steps } = await appliance.reload();
  assert.deepEqual(down, []);
  assert.deepEqual(steps.map(({ path, step }) => [path, step]).sort(), [
    ["listen/udp:10.1.1.1:1701", "restarted"],
    ["tunnels/tunnel-2", "restarted"],
  ]);
  assert.ok(steps.every(({ why }) => why?.startsWith("it was down: ")));
  assert.equal((await appliance.tunnel("2")).reason, undefined);
});

Deno.test("what is down is tried again without a reload", async () => {
  await using bench = await start(config([away]), { refused: ["10.1.1.1"] });
  const { appliance, clock, system } = bench;
  await clock.advance(1000);
  assert.equal([...appliance.down()].length, 1);
  system.refused.clear();
  await clock.advance(2000);
  assert.deepEqual([...appliance.down()], []);
  assert.equal((await appliance.tunnel("2")).reason, undefined);
});

Deno.test("a tunnel that is down can be deleted, replaced and changed by a reload, and holds its name and id", async () => {
  await using bench = await start(config([away]), { refused: ["10.1.1.1"] });
  const { appliance } = bench;
  await refused(
    bench,
    { code: "exists", attribute: "name" },
    () => appliance.createTunnel({ ...tunnel(3), name: "tunnel-2" }),
  );
  await refused(
    bench,
    { code: "exists", attribute: "tunnel-id" },
    () => appliance.createTunnel({ ...tunnel(2), name: "other" }),
  );
  await refused(bench, { code: "unavailable" }, () => appliance.createSession("2", session(21)));
  bench.file = config([{ ...away, local: { address: "10.77.0.1", port: 1702 } }]);
  assert.deepEqual((await appliance.reload()).steps, [
    { path: "tunnels/tunnel-2", step: "restarted", why: "local changed" },
  ]);
  bench.file = config([away]);
  const report = await appliance.reload();
  assert.deepEqual(report.steps, [{ path: "tunnels/tunnel-2", step: "restarted", why: "local" }]);
  assert.equal(report.down.length, 1);
  await appliance.deleteTunnel("2");
  assert.deepEqual([await appliance.tunnels(), [...appliance.down()]], [[], []]);
});

Deno.test("a device that another program holds keeps its session down, and nothing else", async () => {
  const file = config([tunnel(1, { sessions: [office, session(12, onTap("taken"))] })]);
  await using bench = await start(file, { devices: ["taken"] });
  const { appliance, clock, system } = bench;
  const statuses = async () =>
    (await appliance.tunnel("1")).sessions.toSorted((a, b) =>
      a.config.sessionId - b.config.sessionId
    ).map(({ status, reason }) => [status, reason]);
  assert.deepEqual(await statuses(), [
    ["up", undefined],
    ["down", "Cannot open the TAP taken: ioctl(TUNSETIFF): EBUSY"],
  ]);
  assert.deepEqual(pathsOf(await appliance.reload(), "restarted"), []);
  system.free("taken");
  await clock.advance(20_000);
  assert.deepEqual(await statuses(), [["up", undefined], ["up", undefined]]);
  assert.deepEqual([...appliance.down()], []);
});

Deno.test("a changed circuit is made before the former one ends; where it cannot be made, the former one stays", async () => {
  await using bench = await start(config([branch]));
  const { appliance, datapath, system } = bench;
  const [former] = [...system.devices.keys()];
  const moved = tunnel(1, { sessions: [{ ...office, ...onTap("office1") }] });
  datapath.refuse = { method: "addDevice", code: "limit" };
  bench.file = config([moved]);
  await refused(bench, { code: "limit" }, () => appliance.reload());
  assert.ok(system.devices.has(former!));
  const order = datapath.calls.length;
  await appliance.reload();
  const calls = datapath.calls.slice(order).filter((call) => /addDevice|removePort/.test(call));
  assert.deepEqual(calls, ["addDevice", "removePort"]);
  assert.deepEqual([...system.devices.keys()], ["office1"]);
});
