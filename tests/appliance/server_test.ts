/** Servers that a plugin calls and no file names: dialed with the first call, shared, told apart by what is asked of them. */

import assert from "node:assert/strict";
import { makeLog } from "../../edge/log/log.ts";
import { startAppliance } from "../../edge/appliance/appliance.ts";
import { textFile } from "../../edge/testing/document.ts";
import {
  isRefusal,
  type PlacedCall,
  type Plugin,
  type Scope,
  type ServerTarget,
} from "../../plugins/plugin.ts";
import { startControlNode } from "./control_support.ts";
import { loopback, until } from "./support.ts";

/** An appliance with a plugin whose scope the test has. */
async function caller(at: string) {
  let scope: Scope | undefined;
  const plugin: Plugin = {
    name: "caller",
    summary: "a test's",
    pseudowireTypes: [7],
    start(own) {
      scope = own;
      return {};
    },
  };
  const file = textFile(`listen: [{ udp: "${at}:1701" }]\nhost-name: lac\n`, [plugin]);
  const { commit, config } = await file.document.load();
  commit();
  const appliance = await startAppliance({
    config,
    plugins: [plugin],
    document: file.document,
    log: makeLog(config.log, { write: () => {} }),
  });
  return { appliance, scope: scope! };
}

const lns = (at: string, secret: string) => `
listen: [{ udp: "${at}:1701" }]
host-name: lns
peers:
  lac: { proto-version: 2, secret: ${secret}, accept: [{ pw-type: ppp, circuit: { sink: {} } }] }
`;

Deno.test("a server is dialed with the first call, shared by those that say the same, and must know the secret", async () => {
  const [a, b] = [loopback(170), loopback(171)];
  await using far = await startControlNode(lns(b, "swordfish"));
  const { appliance, scope } = await caller(a);
  await using _appliance = appliance;
  const server: ServerTarget = { server: b, version: 2, secret: "swordfish", share: "1" };
  const place = (target: ServerTarget) =>
    scope.place(target, { calledNumber: "77" }, { pseudowireType: 7 });
  const calls = await Promise.all([place(server), place(server), place({ ...server, share: "2" })]);
  for (const call of calls) {
    assert.ok(!isRefusal(call));
    assert.equal(await (call as PlacedCall).proceed(), undefined);
  }
  const tunnels = async () =>
    (await far.appliance.tunnels()).map(({ sessions }) => sessions.length);
  await until(async () => (await tunnels()).length === 2);
  assert.deepEqual((await tunnels()).sort(), [1, 2]);
  const names = (await appliance.tunnels()).map(({ config }) => config.name).sort();
  assert.deepEqual(names, ["server-1", "server-2"]);
  for (
    const wrong of [
      { ...server, secret: "trout" },
      { ...server, peerHostName: "another", share: "3" },
    ]
  ) {
    const refused = await place(wrong);
    assert.ok(isRefusal(refused), "nobody is called who is not the one that was meant");
    assert.equal(refused.refuse.result, 4);
    assert.ok(!refused.refuse.message!.includes("trout"));
  }
  await assert.rejects(place({ server: "no server", version: 2 }), { code: "invalid" });
  (calls[0] as PlacedCall).end({ result: 3, message: "done" });
  await until(async () => (await tunnels()).reduce((sum, count) => sum + count, 0) === 2);
});
