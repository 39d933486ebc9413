import assert from "node:assert/strict";
import { makeHost } from "../../plugins/host/host.ts";
import type { Scope } from "../../plugins/plugin.ts";
import { systemClock } from "../io/clock.ts";
import { makeLog } from "../log/log.ts";
import { memoryDatapath, memorySystem } from "../testing/memory.ts";
import { makeLeaves } from "./leaves.ts";
import { makeMeters } from "./meters.ts";

const WHY = { result: 3, message: "the test ends it" };

/** A scope of a plugin's service on the appliance's own leaves. */
async function bench() {
  const system = memorySystem();
  const datapath = memoryDatapath(system);
  const lines: string[] = [];
  const meters = makeMeters();
  const leaves = makeLeaves({
    clock: systemClock,
    datapath,
    log: makeLog({ level: "debug", format: "text" }, { write: (line) => void lines.push(line) }),
    meters,
    random: (length) => new Uint8Array(length),
    system,
    wallClock: Date.now,
    folder: "/",
    stateFolder: "/nowhere",
    hook: () => {},
    event: () => {},
    place: () => Promise.reject(new Error("nobody to call")),
    attachTo: () => Promise.reject(new Error("no circuits")),
  });
  let scope: Scope;
  const plugin = {
    name: "test",
    summary: "a test's",
    pseudowireTypes: [],
    start(own: Scope) {
      scope = own;
      return {};
    },
  };
  const host = makeHost(leaves, [plugin]);
  await host.start(new Map());
  return { datapath, host, lines, meters, scope: scope!, system };
}

Deno.test("the host closes all that a scope had of the appliance, last first", async () => {
  const { datapath, host, meters, scope, system } = await bench();
  const [a, b] = [await scope.open("tap", { name: "a0" }), await scope.open("tap", { name: "b0" })];
  await scope.connect(a, b);
  scope.gauge("open", "Open", () => 1);
  scope.timer(scope.now() + 60_000, () => assert.fail("a timer of a scope that is gone"));
  await host.end(WHY);
  assert.deepEqual(datapath.calls.slice(-3), ["disconnect", "removePort", "removePort"]);
  assert.equal(system.open.size + datapath.ports.size + datapath.joins.size, 0);
  assert.equal(meters.read()[0]?.value, 0);
});

Deno.test("a device that the datapath refuses is closed", async () => {
  const { datapath, host, scope, system } = await bench();
  datapath.refuse = { method: "addDevice", code: "limit" };
  await assert.rejects(scope.open("tap", { name: "a0" }), { name: "Failure", code: "limit" });
  assert.equal(system.open.size, 0);
  await host.end(WHY);
});

Deno.test("errors of the system are failures, with the option to blame", async () => {
  const { host, scope } = await bench();
  const tap = await scope.open("tap", { name: "a0" });
  await assert.rejects(scope.open("tap", { name: "a0" }), { code: "in-use", option: "name" });
  await assert.rejects(tap.change({ mtu: 99_999 }), { name: "Failure", code: "invalid" });
  await host.end(WHY);
});

Deno.test("a device that vanishes fails its scope, and is let go of", async () => {
  const { datapath, host, scope, system } = await bench();
  const child = scope.child("one");
  const ended: unknown[] = [];
  child.defer(({ message }) => void ended.push(message));
  const tap = await child.open("tap", { name: "a0" });
  const [fd] = system.open.keys();
  datapath.vanish(fd!);
  datapath.vanish(fd!);
  tap.carrier(true);
  await child.end(WHY);
  assert.deepEqual(ended, ["TAP a0 vanished"]);
  assert.equal(system.open.size, 0);
  assert.equal(scope.signal.aborted, false);
  await host.end(WHY);
});
