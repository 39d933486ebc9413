import assert from "node:assert/strict";
import { ManagedTunnels } from "./managed_tunnels.ts";

const tunnel = (name: string, peer: string) => ({ config: { name, peer } });

Deno.test("managed tunnels are found by name and by peer, as they are now", () => {
  const all = new ManagedTunnels([tunnel("b", "hq"), tunnel("a", "hq"), tunnel("c", "other")]);
  const of = (peer: string) => Array.from(all.ofPeer(peer), ({ config }) => config.name).sort();
  assert.deepEqual([of("hq"), of("other"), of("nobody")], [["a", "b"], ["c"], []]);
  assert.deepEqual([...all.namesAfter("a")], ["b", "c"]);
  all.set("c", all.get("c")!);
  all.set("a", tunnel("a", "other"));
  assert.deepEqual([of("hq"), of("other")], [["b"], ["a", "c"]]);
  all.delete("b");
  all.delete("nobody");
  assert.deepEqual([of("hq"), [...all.keys()].sort()], [[], ["a", "c"]]);
});
