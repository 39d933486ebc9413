import assert from "node:assert/strict";
import { startPlugins, WHY } from "../testing/bench.ts";
import type { Plugin, Scope } from "../plugin.ts";

/** A service's scope. */
async function bench() {
  let scope: Scope | undefined;
  const plugin: Plugin = {
    name: "one",
    summary: "a test's",
    pseudowireTypes: [],
    start(own) {
      scope = own;
      return {};
    },
  };
  const { host, world } = await startPlugins([plugin]);
  return { host, scope: scope!, world };
}

const peer = { address: "10.0.0.9", port: 1812 };

Deno.test("sockets, routes and addresses in sets are there as long as their scope, and not after a refusal", async () => {
  for (let operations = 0;; operations++) {
    const { host, scope, world } = await bench();
    const child = scope.child("session");
    world.refuseAfter(operations);
    const all = async () => {
      await child.udp({ local: "10.0.0.1" }, () => {});
      await child.route({ prefix: "10.7.0.0/24", device: "ppp0" });
      await child.addToSet("inet filter walled", "10.7.0.1");
    };
    await all().catch(child.fail);
    const { refused } = world;
    if (!refused) {
      const held = [world.sockets.length, world.routes.length, world.elements.length];
      assert.deepEqual(held, [1, 1, 1]);
    }
    await child.end(WHY);
    await child.end(WHY);
    assert.deepEqual(world.leftovers(), [], `after refusal ${operations}`);
    await assert.rejects(child.route({ prefix: "10.7.1.0/24", device: "ppp0" }));
    await host.end(WHY);
    if (!refused) break;
  }
});

Deno.test("a datagram's taker that throws is logged, and goes on; after the scope nothing comes", async () => {
  const { host, scope, world } = await bench();
  const child = scope.child("radius");
  let taken = 0;
  const socket = await child.udp({}, () => {
    if (++taken === 1) throw new Error("a defect");
  });
  assert.ok(socket.send(Uint8Array.of(1), peer));
  const [other] = world.sockets;
  assert.deepEqual(other!.sent, [{ datagram: Uint8Array.of(1), to: peer }]);
  other!.receive(Uint8Array.of(2), peer);
  other!.receive(Uint8Array.of(3), peer);
  assert.equal(taken, 2);
  assert.equal(world.lines.filter(({ level }) => level === "error").length, 1);
  await child.end(WHY);
  other!.receive(Uint8Array.of(4), peer);
  assert.equal(taken, 2);
  await host.end(WHY);
});
