import assert from "node:assert/strict";
import fc from "fast-check";
import { contains, parseAddress, parseNetwork } from "./addresses.ts";
import { networksOfRange, parseRange, Pools } from "./pools.ts";

const pools = (all: Record<string, { ranges: string[]; length?: number; then?: string }>) => {
  const one = new Pools(new Map());
  one.configure(
    Object.fromEntries(
      Object.entries(all).map(([name, { length = 32, ranges, then }]) => [
        name,
        { ranges, length, ...(then !== undefined && { then }) },
      ]),
    ),
  );
  return one;
};
const take = (one: Pools, name: string, user?: string) => one.take([name], user)?.text;

Deno.test("networks and ranges: how many there are, and what is wrong", () => {
  assert.deepEqual(parseRange("10.0.0.0/30", 32), { base: 0x0a000001n, count: 2 });
  assert.deepEqual(parseRange("10.0.0.0/31", 32), { base: 0x0a000000n, count: 2 });
  assert.equal((parseRange("2001:db8::/40", 56) as { count: number }).count, 65536);
  assert.match(String(parseRange("10.0.0.9-10.0.0.1", 32)), /not a range/);
  assert.match(String(parseRange("10.0.0.1-2001:db8::1", 32)), /not a range/);
  assert.match(String(parseRange("2001:db8::/64", 56)), /no room|does not begin/);
  assert.match(String(parseRange("2001:db8::/16", 64)), /neither|more than/);
  assert.match(String(parseRange("10.0.0.1/24", 32)), /neither/);
  assert.match(String(parseRange("nonsense", 32)), /neither/);
});

Deno.test("a range's networks hold all of it, and nothing else", () => {
  fc.assert(fc.property(fc.nat(5000), fc.nat(5000), (first, more) => {
    const at = (n: number) => `10.0.${n >> 8}.${n & 255}`;
    const networks = networksOfRange(`${at(first)}-${at(first + more)}`).map((text) =>
      parseNetwork(text)!
    );
    const size = networks.reduce((sum, { length }) => sum + 2 ** (32 - length), 0);
    assert.equal(size, more + 1);
    for (const n of [first, first + more]) {
      assert.ok(networks.some((network) => contains(network, parseAddress(at(n))!)));
    }
  }));
});

Deno.test("what is free longest goes first; a user's own waits for it as long as it can", () => {
  const one = pools({ p: { ranges: ["10.0.0.0/29"] } });
  const got = [..."abc"].map((user) => take(one, "p", user));
  assert.deepEqual(got, ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
  for (const text of got) one.give(text!);
  assert.equal(take(one, "p", "b"), "10.0.0.2");
  assert.equal(take(one, "p", "d"), "10.0.0.4");
  assert.equal(take(one, "p"), "10.0.0.5");
  assert.equal(take(one, "p"), "10.0.0.6");
  assert.equal(take(one, "p"), "10.0.0.1");
  assert.equal(take(one, "p"), "10.0.0.3");
  assert.equal(take(one, "p"), undefined);
});

Deno.test("what a user wished for and got is the user's next time as well", () => {
  const one = pools({ p: { ranges: ["10.0.0.0/29"] } });
  assert.equal(one.claimFrom(["p"], "10.0.0.5", "a"), true);
  assert.equal(one.claimFrom(["p"], "10.0.0.5", "b"), false);
  one.give("10.0.0.5");
  assert.equal(take(one, "p", "a"), "10.0.0.5");
  one.give("10.0.0.5");
  // It is free, but whoever wished for it in vain has no more claim to it than others.
  assert.notEqual(take(one, "p", "b"), "10.0.0.5");
});

Deno.test("no address is ever somebody's twice", () => {
  const step = fc.record({ give: fc.boolean(), user: fc.nat(5), which: fc.nat(20) });
  fc.assert(fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
    const one = pools({
      p: { ranges: ["10.0.0.0/29"], then: "q" },
      q: { ranges: ["10.0.1.0-10.0.1.2"], then: "p" },
    });
    const held: string[] = [];
    for (const { give, user, which } of steps) {
      if (give && held.length > 0) one.give(held.splice(which % held.length, 1)[0]!);
      else {
        const text = take(one, which % 2 ? "p" : "q", `u${user}`);
        assert.equal(text === undefined, held.length === 9);
        if (text === undefined) continue;
        assert.ok(!held.includes(text));
        held.push(text);
      }
      assert.equal(one.figures().reduce((sum, { used }) => sum + used, 0), held.length);
    }
  }));
});

Deno.test("a changed configuration keeps what is in use; what is ours is nobody's", () => {
  const one = pools({ p: { ranges: ["10.0.0.0/29"] } });
  one.reserve("10.0.0.1");
  assert.equal(take(one, "p"), "10.0.0.2");
  one.configure({ p: { ranges: ["10.0.0.0/30"], length: 32 } });
  assert.equal(take(one, "p"), undefined);
  one.give("10.0.0.1");
  assert.equal(take(one, "p"), undefined);
  one.give("10.0.0.2");
  assert.equal(take(one, "p"), "10.0.0.2");
  assert.equal(one.claim("10.0.0.2"), false);
  assert.equal(one.claim("10.9.9.9"), true, "of no pool");
  assert.equal(one.claim("10.9.9.9"), false);
  one.give("10.9.9.9");
  assert.equal(one.claim("10.9.9.9"), true);
});

Deno.test("prefixes: of their length, and a wish for one is heard", () => {
  const one = pools({ pd: { ranges: ["2001:db8::/40"], length: 56 } });
  assert.equal(take(one, "pd"), "2001:db8::/56");
  assert.equal(one.claimFrom(["pd"], "2001:db8:0:500::/56"), true);
  assert.equal(one.claimFrom(["pd"], "2001:db8:0:500::/56"), false);
  assert.equal(one.claimFrom(["pd"], "2001:db8:0:600::/57"), false);
  assert.equal(one.claimFrom(["pd"], "2001:db9::/56"), false);
});
