import assert from "node:assert/strict";
import type { SessionConfig } from "../config/model.ts";
import { policyOf } from "./session_spec.ts";

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
