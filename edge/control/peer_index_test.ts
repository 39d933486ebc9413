import assert from "node:assert/strict";
import fc from "fast-check";
import { testSettings } from "../../core/testing.ts";
import type { PeerConfig } from "../config/model.ts";
import { inNetwork } from "../config/network.ts";
import { globMatches } from "../../plugins/glob.ts";
import { type Caller, indexPeers } from "./peer_index.ts";

function peer(name: string, changes: Partial<PeerConfig> = {}, version: 2 | 3 = 3): PeerConfig {
  const { name: _n, hostName: _h, vendorName: _v, routerId: _r, pseudowires: _p, ...settings } =
    testSettings({ version });
  return {
    name,
    addresses: [],
    settings: { fallback: false, ...settings },
    tunnelLimit: 10,
    accept: [],
    ...changes,
  };
}

/** What the index is to find, one peer after the other. */
function slowly(peers: readonly PeerConfig[], { address, hostName, version }: Caller) {
  const fitting = peers.filter((peer) =>
    (peer.addresses.length === 0 || peer.addresses.some((each) => inNetwork(address, each))) &&
    (peer.hostName === undefined || globMatches(peer.hostName, hostName))
  );
  return fitting.find(({ settings }) => settings.version === version) ?? fitting[0];
}

Deno.test("match() is the first peer that fits by address, host name and version", () => {
  const index = indexPeers([
    peer("hq", { addresses: ["10.77.0.2", "fd77::/16"], hostName: "hq-*" }),
    peer("old", { addresses: ["10.0.0.0/8"] }, 2),
    peer("new", { addresses: ["10.0.0.0/8"] }),
    peer("named", { hostName: "lac?" }, 2),
    peer("zone", { addresses: ["fe80::1%eth0"] }),
  ]);
  const found = (address: string, hostName: string, version: 2 | 3) =>
    index.match({ address, hostName, version })?.name;
  assert.equal(found("10.77.0.2", "hq-1", 3), "hq");
  assert.equal(found("fd77::9", "hq-1", 3), "hq");
  assert.equal(found("10.77.0.2", "other", 3), "new");
  assert.equal(found("10.77.0.3", "hq-1", 2), "old");
  assert.equal(found("192.168.0.1", "lac1", 2), "named");
  assert.equal(found("192.168.0.1", "lns1", 2), undefined);
  assert.equal(found("fd77::9", "stranger", 3), undefined);
  assert.equal(found("fe80::1%eth0", "a", 3), "zone");
  assert.equal(found("fe80::1%eth1", "a", 3), undefined);
  const caller = { address: "10.0.0.1", hostName: "", version: 3 } as const;
  assert.equal(indexPeers([]).match(caller), undefined);
});

Deno.test("match() is a peer of the other version where only that one fits", () => {
  const index = indexPeers([peer("old", {}, 2)]);
  assert.equal(index.match({ address: "10.0.0.1", hostName: "a", version: 3 })?.name, "old");
});

Deno.test("match() finds what looking at every peer in turn finds", () => {
  const address = fc.constantFrom("10.0.0.1", "10.0.1.1", "192.168.0.1", "fd77::1", "fe80::1%eth0");
  const network = fc.constantFrom(
    ...["10.0.0.1", "10.0.0.0/24", "10.0.0.0/15", "10.0.0.0/8", "0.0.0.0/0", "192.168.0.0/31"],
    ...["fd77::/16", "fd77::1", "::/0", "fe80::1", "fe80::1%eth0", "fe80::1%eth1", "fe80::/10"],
  );
  const letters = (more: string) =>
    fc.array(fc.constantFrom(..."ab", ...more), { maxLength: 5 }).map((all) => all.join(""));
  const configured = fc.record({
    addresses: fc.array(network, { maxLength: 2 }),
    hostName: fc.option(letters("*?"), { nil: undefined }),
    version: fc.constantFrom<2 | 3>(2, 3),
  });
  const caller = fc.record({
    address,
    hostName: letters(""),
    version: fc.constantFrom<2 | 3>(2, 3),
  });
  fc.assert(
    fc.property(fc.array(configured, { maxLength: 12 }), fc.array(caller), (all, callers) => {
      const peers = all.map(({ addresses, hostName, version }, i) =>
        peer(`${i}`, { addresses, ...(hostName !== undefined && { hostName }) }, version)
      );
      const index = indexPeers(peers);
      for (const one of callers) {
        const expected = slowly(peers, one);
        assert.equal(index.match(one)?.name, expected?.name);
        if (expected) assert.notEqual(index.expects(one.address), "nobody");
      }
    }),
    { numRuns: 500 },
  );
});

Deno.test("expects() tells addresses of peers from networks that are open to many, and from all others", () => {
  const closed = indexPeers([
    peer("hq", { addresses: ["10.77.0.0/24"] }),
    peer("v6", { addresses: ["::/0", "fd78:0:0:1::/64"] }),
    peer("large", { addresses: ["10.80.0.0/23"] }),
  ]);
  assert.equal(closed.expects("10.77.0.9"), "named");
  assert.equal(closed.expects("10.77.1.9"), "nobody");
  assert.equal(closed.expects("fd77::1"), "anybody");
  assert.equal(closed.expects("fd78:0:0:1::9"), "named");
  assert.equal(closed.expects("10.80.1.9"), "anybody", "a large network is open to many");
  assert.equal(closed.expects("no address"), "nobody");
  const open = indexPeers([peer("hq", { addresses: ["10.77.0.0/24"] }), peer("all")]);
  assert.equal(open.expects("10.77.0.9"), "named");
  assert.equal(open.expects("10.77.1.9"), "anybody");
});
