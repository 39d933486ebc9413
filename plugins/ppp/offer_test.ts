import assert from "node:assert/strict";
import { type OfferedTerms, offerOf, profileNameOf, quotaLeft, termsOf } from "./offer.ts";
import { pppOptions } from "./options.ts";

const { terminate: options } = pppOptions.parse({
  terminate: {
    tun: { name: "ppp0" },
    address: "10.0.0.1",
    pools: ["a"],
    dns: ["10.0.0.53", "2001:db8::53"],
    "rate-down": 1000_000,
    quota: 5000,
    profile: "own",
    "realm-profiles": { "example.com": "realm" },
    "peer-profiles": { lac: "peer" },
  },
});

Deno.test("which profile counts: the grant's, the realm's, the peer's, the termination's own", () => {
  const of = (user: string, peer?: string, profile?: string) =>
    profileNameOf(options!, { grant: { user, ...(profile && { profile }) }, peer });
  assert.equal(of("bob"), "own");
  assert.equal(of("bob", "lac"), "peer");
  assert.equal(of("bob@EXAMPLE.com", "lac"), "realm");
  assert.equal(of("bob@example.com", "lac", "granted"), "granted");
});

Deno.test("what is in force: the grant, then the profile, then the termination", () => {
  const rate = { down: { bitsPerSecond: 3000_000, burstOctets: 9000 } };
  const offer = offerOf({ user: "bob", rate }, { pools: ["b"], "rate-down": 2000_000 }, options!);
  assert.deepEqual([offer.pools, offer.terms.rateDown, offer.terms.burst], [["b"], 3000_000, 9000]);
  assert.deepEqual([offer.dns4, offer.dns6], [["10.0.0.53"], ["2001:db8::53"]]);
  assert.equal(
    offerOf({ user: "bob" }, { "rate-down": 2000_000 }, options!).terms.rateDown,
    2000_000,
  );
  assert.equal(offerOf({ user: "bob" }, undefined, options!).terms.rateDown, 1000_000);
});

Deno.test("a change counts from now on; what it does not say stays; Infinity takes a limit away", () => {
  const before = offerOf({ user: "bob", quota: { down: 1000 } }, undefined, options!).terms;
  assert.deepEqual(before.quota, { up: undefined, down: 1000, total: 5000 });
  const soFar = { seconds: 60, usage: { upOctets: 300, downOctets: 900 } };
  const after: OfferedTerms = termsOf(
    { sessionTimeoutS: 30, quota: { down: 500, total: Infinity } },
    before,
    soFar,
  );
  assert.equal(after.sessionTimeout, 90);
  assert.deepEqual(after.quota, { up: undefined, down: 1400, total: undefined });
  assert.equal(after.rateDown, 1000_000);
  assert.equal(termsOf({ sessionTimeoutS: Infinity }, after, soFar).sessionTimeout, undefined);
});

Deno.test("what is left of a quota is of the limit that comes first", () => {
  const usage = { upOctets: 300, downOctets: 900 };
  assert.equal(quotaLeft({ up: undefined, down: 1000, total: 5000 }, usage), 100);
  assert.equal(quotaLeft({ up: 350, down: 1000, total: 5000 }, usage), 50);
  assert.equal(quotaLeft({ up: undefined, down: undefined, total: 1200 }, usage), 0);
  assert.equal(quotaLeft({ up: undefined, down: undefined, total: undefined }, usage), Infinity);
});
