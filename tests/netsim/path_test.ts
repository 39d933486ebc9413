/** What tells one peer from another: the whole path. */

import assert from "node:assert/strict";
import { Netsim, type Node, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  acceptEverything,
  B,
  callsUp,
  drops,
  firstIs,
  generous,
  up,
  versions,
} from "./support.ts";

/** Two clients behind one NAT: one address, one port, one Host Name; the mark alone tells them apart. */
function natted(net: Netsim, settings = testSettings()): Node[] {
  return [1, 2].map((mark) => {
    const node = net.add(A, {
      policy: () => ({ kind: "ignore" }),
      limits: generous,
      random: firstIs(77),
    });
    node.mark = mark;
    acceptEverything(node);
    const connection = node.lcce.dial(settings, net.path(A, B), net.now);
    node.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
    return node;
  });
}

Deno.test("two clients that differ by their mark only each have their tunnel, also with the same id", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const net = new Netsim(3);
    const server = net.add(B, {
      policy: () => ({ kind: "accept", settings }),
      limits: generous,
    });
    acceptEverything(server);
    const clients = natted(net, settings);
    net.run(300_000);
    for (const client of clients) assert.equal(callsUp(client).length, 1);
    assert.equal(callsUp(server).length, 2);
    const tunnels = up(server).map(({ path, peerId }) => [path.mark, peerId]);
    assert.deepEqual(tunnels.sort(), [[1, 77], [2, 77]]);
  }
});

Deno.test("a message of another mark, local address or port is not its connection's", () => {
  const settings = testSettings();
  const net = new Netsim(4);
  const server = net.add(B, { policy: () => ({ kind: "accept", settings }), limits: generous });
  acceptEverything(server);
  const [client] = natted(net, settings);
  let hello: Uint8Array | undefined;
  net.tap = (from, _to, data) => {
    if (from === A && net.now > 50_000) hello ??= data;
    return true;
  };
  net.run(200_000);
  assert.ok(hello && client);
  const id = hello[4]! << 8 | hello[5]!;
  const path = up(server).find(({ localId }) => localId === id)!.path;
  const before = drops(server)["wrong-source"] ?? 0;
  const others = [
    { ...path, mark: 9 },
    { ...path, local: "10.0.0.77" },
    { ...path, remote: { address: A, port: 99 } },
  ];
  for (const other of others) server.lcce.receive(hello, other, net.now);
  assert.equal(drops(server)["wrong-source"], before + 3);
  server.lcce.receive(hello, { ...path, socket: 99 }, net.now);
  assert.equal(drops(server)["wrong-source"], before + 3, "the socket does not matter");
});
