import assert from "node:assert/strict";
import { CircuitError } from "../../plugins/plugin.ts";
import { systemClock } from "../clock.ts";
import { makeLog } from "../log.ts";
import { makeMeters } from "./meters.ts";
import { scopedHost } from "./plugin_host.ts";
import { memoryDatapath, memorySystem } from "../testing/memory.ts";

function bench() {
  const system = memorySystem();
  const datapath = memoryDatapath(system);
  const lines: string[] = [];
  const failures: CircuitError[] = [];
  const meters = makeMeters();
  const scope = scopedHost(
    { clock: systemClock, datapath, system, random: (length) => new Uint8Array(length) },
    makeLog({ level: "debug", format: "text" }, { write: (line) => void lines.push(line) }),
    meters.of("test"),
    (reason) => void failures.push(reason),
  );
  return { ...scope, datapath, failures, lines, meters, scope, system };
}

Deno.test("a scope closes all that its circuit left open, last first", async () => {
  const { datapath, host, meters, scope, system } = bench();
  const tap = await host.datapath.openTap({ name: "a0" });
  const port = await host.datapath.openHostPort("ethernet", () => {});
  await host.datapath.crossConnect(tap.port, port.port);
  host.meter.gauge("open", "Open", () => 1);
  host.clock.timer(
    host.clock.now() + 60_000,
    () => assert.fail("a timer of a circuit that is gone"),
  );
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(datapath.calls.slice(-3), ["disconnect", "removePort", "removePort"]);
  assert.equal(system.open.size + datapath.ports.size + datapath.joins.size, 0);
  assert.equal(meters.read()[0]?.value, 0);
  await assert.rejects(host.datapath.openTap({ name: "a1" }), { code: "unavailable" });
});

Deno.test("what a circuit closes itself is closed once", async () => {
  const { datapath, host, scope } = bench();
  const tap = await host.datapath.openTap({ name: "a0" });
  await tap[Symbol.asyncDispose]();
  await tap[Symbol.asyncDispose]();
  await scope[Symbol.asyncDispose]();
  assert.equal(datapath.calls.filter((call) => call === "removePort").length, 1);
});

Deno.test("openTap() closes the device where the datapath refuses it", async () => {
  const { datapath, host, scope, system } = bench();
  datapath.refuse = { method: "addTap", code: "limit" };
  await assert.rejects(host.datapath.openTap({ name: "a0" }), {
    name: "CircuitError",
    code: "limit",
  });
  assert.equal(system.open.size, 0);
  await scope[Symbol.asyncDispose]();
});

Deno.test("errors of the system are a circuit's errors, with the option to blame", async () => {
  const { host, scope } = bench();
  await host.datapath.openTap({ name: "a0" });
  await assert.rejects(host.datapath.openTap({ name: "a0" }), { code: "in-use", option: "name" });
  const tap = await host.datapath.openTap({ name: "a1" });
  assert.throws(() => tap.change({ mtu: 99_999 }), { name: "CircuitError", code: "invalid" });
  await scope[Symbol.asyncDispose]();
});

Deno.test("a device that vanished is told of once, and can be let go of", async () => {
  const { datapath, host, scope, system } = bench();
  const tap = await host.datapath.openTap({ name: "a0" });
  let told = 0;
  tap.onGone = () => told++;
  datapath.vanish([...system.open.keys()][0]!);
  assert.equal(told, 1);
  tap.setCarrier(false);
  assert.throws(() => tap.change({ mtu: 1400 }), { code: "unavailable" });
  await scope[Symbol.asyncDispose]();
  assert.equal(system.open.size, 0);
});

Deno.test("a plugin's callback that throws is logged and ends nothing", async () => {
  const { host, lines, scope } = bench();
  host.clock.timer(host.clock.now(), () => {
    throw new Error("a defect");
  });
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.match(lines.join(""), /a plugin failed in a callback.*a defect/);
  await scope[Symbol.asyncDispose]();
});

Deno.test("fail() counts once, and not once the circuit is gone", async () => {
  const { failures, host, scope } = bench();
  host.fail(new CircuitError("unavailable", "first"));
  host.fail(new CircuitError("unavailable", "second"));
  assert.deepEqual(failures.map(({ message }) => message), ["first"]);
  await scope[Symbol.asyncDispose]();
  host.fail(new CircuitError("unavailable", "third"));
  assert.equal(failures.length, 1);
});
