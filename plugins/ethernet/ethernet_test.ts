import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import { FIRST_PAUSE_MS } from "../host/keeper.ts";
import { startPlugins, WHY } from "../testing/bench.ts";
import { makeSession, TEST_FRAME_MTU } from "../testing/session.ts";
import { ethernet } from "./mod.ts";
import { type EthernetOptions, ethernetOptions } from "./options.ts";

/** An Ethernet circuit and a session for it. */
async function bench(options: EthernetOptions, up = true) {
  const { host, world } = await startPlugins([ethernet]);
  const circuit = host.circuit("tap", "circuit office", options);
  await circuit.first;
  const session = makeSession(world, host, { pseudowireType: PseudowireType.Ethernet, up });
  const tap = () => [...world.ports.values()].find(({ tap }) => tap)!.tap!;
  return { circuit, host, session, tap, world };
}

Deno.test("ethernet works out the MTU from the path, less its own header", async () => {
  const { circuit, host, session, tap } = await bench({ name: "office0" });
  const { attachment } = await session.attach(circuit);
  assert.equal(tap().options.mtu, TEST_FRAME_MTU - 14);
  assert.equal(attachment.mtu, TEST_FRAME_MTU - 14);
  await session.set({ frameMtu: 1300 });
  assert.equal(attachment.mtu, 1286);
  await host.end(WHY);
});

Deno.test("ethernet leaves the MTU that its options set", async () => {
  const { circuit, host, session } = await bench({ name: "office0", mtu: 9000 });
  const { attachment } = await session.attach(circuit);
  await session.set({ frameMtu: 1300 });
  assert.equal(attachment.mtu, 9000);
  await circuit.reconfigure({ name: "office0" });
  assert.equal(attachment.mtu, 1286);
  await host.end(WHY);
});

Deno.test("ethernet refuses a path that leaves no room for IPv4, and ends where one becomes so", async () => {
  const { circuit, host, session } = await bench({ name: "office0" });
  await session.set({ frameMtu: 81 });
  await assert.rejects(session.attach(circuit), { code: "invalid", option: "mtu" });
  await session.set({ frameMtu: 82 });
  const { attachment } = await session.attach(circuit);
  assert.equal(attachment.mtu, 68);
  await session.set({ frameMtu: 81 });
  assert.deepEqual([session.ended?.result, session.ended?.error], [2, 6]);
  await host.end(WHY);
});

Deno.test("ethernet's carrier follows the session, and falls after the frames have stopped", async () => {
  const { circuit, host, session, tap, world } = await bench({ name: "office0" }, false);
  assert.equal(tap().carrier, false);
  const attached = await session.attach(circuit);
  assert.equal(tap().carrier, false);
  await session.set({ up: true });
  assert.equal(tap().carrier, true);
  world.trace.length = 0;
  await attached.end(WHY);
  assert.deepEqual(world.trace, ["-join", "carrier down"]);
  await host.end(WHY);
  assert.deepEqual(world.trace.slice(2), ["-tap"]);
});

Deno.test("ethernet takes one session: a second call gets CDN result 4", async () => {
  const { circuit, host, session } = await bench({ name: "office0" });
  const attached = await session.attach(circuit);
  assert.deepEqual(circuit.refusal(), {
    refuse: { result: 4, message: "the tap circuit already carries a session" },
  });
  await attached.end(WHY);
  assert.equal(circuit.refusal(), undefined);
  await host.end(WHY);
});

Deno.test("a device that vanishes ends its session, and comes back", async () => {
  const { circuit, host, session, tap, world } = await bench({ name: "office0" });
  await session.attach(circuit);
  tap().vanish();
  assert.equal(session.ended?.message, "TAP office0 vanished");
  assert.equal(circuit.reason, "TAP office0 vanished");
  await world.advance(FIRST_PAUSE_MS);
  assert.ok(circuit.up);
  await session.attach(circuit);
  assert.equal(tap().carrier, true);
  await host.end(WHY);
  assert.deepEqual(world.leftovers(), []);
});

Deno.test("the host puts a device back where new options cannot be had", async () => {
  const first = { name: "office0", mac: "02:00:00:00:00:05", addresses: ["10.0.0.1/24"] };
  const { circuit, host, session, tap, world } = await bench(first);
  await session.attach(circuit);
  const before = tap().options;
  world.refuseAfter(0);
  await assert.rejects(circuit.reconfigure({ name: "office0", mtu: 1000 }), { name: "Failure" });
  assert.deepEqual(tap().options, before);
  assert.equal(session.ended, undefined);
  await host.end(WHY);
});

Deno.test("ethernet's schema knows what the kernel takes", () => {
  const wrong = (options: Record<string, unknown>) =>
    ethernetOptions.safeParse({ name: "office0", ...options }).error?.issues[0]?.path[0];
  for (const name of ["", "a/b", "a:b", "a b", "..", "sixteen-byteslong", "t%d", 7]) {
    assert.equal(wrong({ name }), "name", String(name));
  }
  for (const mtu of [67, 65522, 1500.5, "1500"]) assert.equal(wrong({ mtu }), "mtu");
  for (const mac of ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00"]) {
    assert.equal(wrong({ mac }), "mac");
  }
  for (const address of ["10.0.0.1", "10.0.0.1/33", "fd00::1/129", "x/24"]) {
    assert.equal(wrong({ addresses: [address] }), "addresses");
  }
  assert.equal(wrong({ netns: "../x" }), "netns");
  assert.equal(
    wrong({ mtu: 65521, mac: "0A:00:00:00:00:01", addresses: ["fd00::1/64"] }),
    undefined,
  );
});

Deno.test("an operator's word on the device is the circuit's, and the session's is not", async () => {
  const { circuit, host, session, tap, world } = await bench({ name: "office0" });
  tap().set(false);
  await session.attach(circuit);
  assert.deepEqual(session.carriers, [false], "it is known before the peer is told to go on");
  tap().set(true);
  tap().set(false);
  tap().set(true);
  assert.deepEqual(session.carriers, [false]);
  await world.advance(1000);
  assert.deepEqual(session.carriers, [false, true]);
  await session.set({ up: false });
  assert.equal(tap().carrier, false);
  await world.advance(1000);
  assert.deepEqual(session.carriers, [false, true], "the peer's own circuit is not ours");
  await session.end();
  tap().set(false);
  assert.deepEqual(session.carriers, [false, true]);
  await host.end(WHY);
});
