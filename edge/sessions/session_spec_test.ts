import assert from "node:assert/strict";
import { parse } from "../config/testing.ts";
import { liveChange, specOf } from "./session_spec.ts";

/** A static tunnel's one session, as the file says it. */
function session(version: 2 | 3, more: string) {
  const config = parse(`
tunnels:
  t:
    static: { tunnel-id: 1, peer-tunnel-id: 2 }
    proto-version: ${version}
    local: 10.0.0.1:1701
    remote: 10.0.0.2:1701
    sessions: { s: { session-id: 3, peer-session-id: 4${more} } }
`);
  const [tunnel] = config.tunnels;
  return { path: { config: tunnel!, pathMtu: undefined }, config: tunnel!.sessions[0]! };
}

Deno.test("a PPP session's address and control field may change while frames flow, and go back", () => {
  const kept = session(2, "");
  const added = session(2, ", address-control: add");
  assert.equal(specOf(kept.path, kept.config).addressControl, "keep");
  assert.equal(specOf(added.path, added.config).addressControl, "add");
  assert.deepEqual(liveChange(kept.path, kept.config, added.config), [
    { addressControl: "add" },
    { addressControl: "keep" },
  ]);
});

Deno.test("an Ethernet session has no address and control field", () => {
  const { path, config } = session(3, ", address-control: add");
  assert.ok(!("addressControl" in specOf(path, config)));
});
