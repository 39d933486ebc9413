import assert from "node:assert/strict";
import type { Connection } from "./connection.ts";
import { ConnectionRegistry } from "./registry.ts";
import type { Path } from "./settings.ts";
import { seeded, testSettings } from "./testing.ts";

const path: Path = {
  socket: 1,
  local: "10.0.0.1",
  encap: "udp",
  remote: { address: "10.0.0.2", port: 1701 },
  mark: 0,
};

/** As much of a connection as is looked at. */
const connection = (peerId: number) =>
  ({ peerId, path, settings: testSettings({ version: 3 }), hidingKey: undefined }) as Connection;

Deno.test("a connection is found by its peer's id, and by none until the peer has said it", () => {
  const registry = new ConnectionRegistry(seeded(1).bytes);
  const silent = connection(0), known = connection(7);
  registry.meet(silent);
  registry.meet(known);
  assert.equal(registry.byPeerId(3, path, 7), known);
  assert.equal(registry.byPeerId(2, path, 7), undefined);
  assert.equal(registry.byPeerId(3, path, 0), undefined);
});
