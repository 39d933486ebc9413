import assert from "node:assert/strict";
import { startPlugins, WHY } from "../../plugins/testing/bench.ts";
import { testPlugin } from "../../plugins/testing/contract.ts";
import { makeSession } from "../../plugins/testing/session.ts";
import { settle } from "../../plugins/testing/world.ts";
import { echo } from "./echo.ts";
import stream from "./stream.ts";

testPlugin({ plugin: echo, options: { "max-length": 1500 } });

testPlugin({
  plugin: stream,
  options: { socket: "/run/vm1.sock" },
  restart: { socket: "/run/vm2.sock" },
  section: { "queue-limit": 64 },
  changedSection: { "queue-limit": 8 },
  words: { "forget-usage": { socket: "/run/vm1.sock" } },
});

async function bench() {
  const { host, world } = await startPlugins([stream], { stream: { "queue-limit": 2 } });
  const circuit = host.circuit("stream", "circuit vm", { socket: "/run/vm1.sock" });
  await circuit.first;
  const session = makeSession(world, host, { pseudowireType: 5 });
  const attached = await session.attach(circuit);
  return { attached, circuit, host, session, vm: world.streams[0]!, world };
}

Deno.test("stream carries frames both ways, whatever pieces they come in", async () => {
  const { attached, host, session, vm, world } = await bench();
  vm.receive(Uint8Array.of(0, 0, 0, 2, 7));
  vm.receive(Uint8Array.of(8, 0, 0, 0, 1, 9, 0));
  assert.deepEqual(session.sent, [Uint8Array.of(7, 8), Uint8Array.of(9)]);
  session.receive(Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3));
  await settle();
  assert.deepEqual(vm.written, [Uint8Array.of(0, 0, 0, 1, 1), Uint8Array.of(0, 0, 0, 1, 2)]);
  assert.deepEqual(attached.attachment.show!(), { socket: "/run/vm1.sock", lost: 1 });
  assert.deepEqual(world.events, [{ type: "stream-connected", socket: "/run/vm1.sock" }]);
  const rows = async () => await Array.fromAsync(host.show("stream-usage"));
  assert.deepEqual(await rows(), [{ socket: "/run/vm1.sock", frames: 4 }]);
  await host.run("forget-usage", { socket: "/run/vm1.sock" });
  assert.deepEqual(await rows(), []);
  await host.end(WHY);
});

Deno.test("stream ends its session where the stream closes, or carries something else", async () => {
  for (
    const [bytes, message] of [
      [null, "/run/vm1.sock was closed"],
      [Uint8Array.of(0xff, 0, 0, 0), "/run/vm1.sock does not carry frames"],
    ] as const
  ) {
    const { circuit, host, session, vm, world } = await bench();
    vm.receive(bytes);
    assert.equal(session.ended?.message, message);
    await settle();
    assert.equal(circuit.sessions, 0);
    assert.ok(!world.leftovers().includes("stream"));
    await host.end(WHY);
  }
});

Deno.test("the guide's plugin is the one that passes the contract, and its test is true", async () => {
  const read = (path: string) => Deno.readTextFile(new URL(path, import.meta.url));
  const blocks = [...(await read("../../docs/plugins.md")).matchAll(/```ts\n(.*?)```/gs)];
  const [plugin, test] = blocks.map(([, text]) => text!);
  assert.equal(plugin, await read("echo.ts"));
  const own = await read("plugins_test.ts");
  for (const line of test!.trim().split("\n")) assert.ok(own.includes(line), line);
  assert.equal(blocks.length, 2);
});
