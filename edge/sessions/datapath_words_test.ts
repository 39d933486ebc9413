import assert from "node:assert/strict";
import { parse } from "../config/testing.ts";
import type { SessionConfig } from "../config/model.ts";
import { liveChange, policyOf, specOf } from "./datapath_words.ts";

const path = { config: {}, pathMtu: 1500 } as never;

Deno.test("a source check is the octets of what it says, and nothing where it says nothing", () => {
  const source = (sourceCheck: object) =>
    policyOf(path, { sourceCheck } as unknown as SessionConfig).source;
  assert.deepEqual(source({ mac: "02:00:00:00:00:0A", ipv4: "10.0.0.7" }), {
    mac: Uint8Array.of(2, 0, 0, 0, 0, 10),
    v4: Uint8Array.of(10, 0, 0, 7),
  });
  const prefix = new Uint8Array(16);
  prefix.set([0x20, 1, 0xd, 0xb8]);
  assert.deepEqual(source({ ipv6: "2001:db8::/32" }), { v6: { prefix, bits: 32 } });
  assert.equal(source({ ipv6: "2001:db8::1" })!.v6!.bits, 128);
  assert.deepEqual(policyOf(path, {} as SessionConfig), {});
});

/** A static tunnel's one session, as the file says it. */
function parsed(version: 2 | 3, more: string) {
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
  const kept = parsed(2, "");
  const added = parsed(2, ", address-control: add");
  assert.equal(specOf(kept.path, kept.config).addressControl, "keep");
  assert.equal(specOf(added.path, added.config).addressControl, "add");
  assert.deepEqual(liveChange(kept.path, kept.config, added.config), [
    { addressControl: "add" },
    { addressControl: "keep" },
  ]);
});

Deno.test("an Ethernet session has no address and control field", () => {
  const { path, config } = parsed(3, ", address-control: add");
  assert.ok(!("addressControl" in specOf(path, config)));
});
