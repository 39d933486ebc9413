import assert from "node:assert/strict";
import fc from "fast-check";
import { hint, nearest } from "./suggest.ts";

Deno.test("nearest() finds a slip, another way of writing, and nothing where nothing is near", () => {
  const known = ["tunnel-id", "peer-tunnel-id", "encap", "cookie"];
  const cases: [string, string | undefined][] = [
    ["encpa", "encap"],
    ["tunnelId", "tunnel-id"],
    ["peer_tunnel_id", "peer-tunnel-id"],
    ["cooky", "cookie"],
    ["mtu", undefined],
    ["", undefined],
    ["x".repeat(1000), undefined],
  ];
  for (const [word, expected] of cases) assert.equal(nearest(word, known), expected, word);
});

Deno.test("nearest() finds every word by itself", () => {
  const words = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1 });
  fc.assert(fc.property(words, (known) => {
    for (const word of known) assert.equal(nearest(word, known), word);
  }));
});

Deno.test("hint() lists what would be right where it has no suggestion", () => {
  assert.equal(hint("xyz", ["udp", "ip"]), "; expected one of udp, ip");
  assert.equal(hint("upd", ["udp", "ip"]), '; did you mean "udp"?');
  assert.equal(hint("x", []), "; expected none");
});
