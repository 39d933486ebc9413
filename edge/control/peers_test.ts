import assert from "node:assert/strict";
import fc from "fast-check";
import { PseudowireType } from "../../core/pseudowire.ts";
import { seeded, testSettings } from "../../core/testing.ts";
import type { CallConfig, PeerConfig } from "../config/model.ts";
import { matchCall, offered, pickRemotes, settingsFor } from "./peers.ts";

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

function call(name: string, pseudowireType: PseudowireType = PseudowireType.Ethernet): CallConfig {
  return {
    name,
    remoteEndId: "",
    pseudowireType,
    l2spec: "default",
    cookieSize: 8,
    sendSeq: false,
    recvSeq: false,
    reorderTimeoutMs: 0,
    restartAfterMs: 1000,
    restartRun: 32,
  };
}

Deno.test("settingsFor() says who we are to the peer", () => {
  const hq = peer("hq");
  assert.deepEqual(settingsFor({ hostName: "edge1", routerId: 7 }, hq, [5, 7]), {
    ...hq.settings,
    name: "hq",
    hostName: "edge1",
    vendorName: "isthmus",
    routerId: 7,
    pseudowires: [5, 7],
  });
});

Deno.test("matchCall() is the first entry whose glob and pseudowire type fit", () => {
  const accept = [call("office-lab"), call("office*"), call("*", PseudowireType.Ppp)];
  const found = (name: string, pseudowireType: number) =>
    matchCall(accept, { name, pseudowireType })?.name;
  assert.equal(found("office-lab", 5), "office-lab");
  assert.equal(found("office-2", 5), "office*");
  assert.equal(found("office-2", 7), "*");
  assert.equal(found("", 7), "*");
  assert.equal(found("shop", 5), undefined);
  assert.equal(found("office", 4), undefined);
  assert.equal(matchCall([], { name: "office", pseudowireType: 5 }), undefined);
});

function remote(address: string, preference: number, weight: number) {
  return { endpoint: { address, port: 1701 }, preference, weight, denyMs: 0, denyResults: [] };
}

Deno.test("pickRemotes() has every remote once, the lowest preference first", () => {
  const remotes = fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 9 })))
    .map((all) => all.map(([preference, weight], i) => remote(`10.0.0.${i}`, preference, weight)));
  fc.assert(fc.property(remotes, fc.integer(), (remotes, seed) => {
    const order = pickRemotes(remotes, seeded(seed).fraction);
    assert.deepEqual(new Set(order), new Set(remotes));
    assert.equal(order.length, remotes.length);
    const preferences = order.map(({ preference }) => preference);
    assert.deepEqual(preferences, preferences.toSorted((a, b) => a - b));
  }));
});

Deno.test("pickRemotes() shares the first turn by weight", () => {
  const remotes = [remote("10.0.0.1", 1, 3), remote("10.0.0.2", 1, 1), remote("10.0.0.3", 2, 99)];
  const { fraction } = seeded(1);
  const firsts = Array.from(
    { length: 4000 },
    () => pickRemotes(remotes, fraction)[0]!.endpoint.address,
  );
  const share = firsts.filter((address) => address === "10.0.0.1").length / firsts.length;
  assert.ok(Math.abs(share - 0.75) < 0.03, `${share}`);
  assert.ok(!firsts.includes("10.0.0.3"));
});

Deno.test("offered() is what some plugin can carry, and no more than a session can be", () => {
  assert.deepEqual(offered([{ pseudowireTypes: [5] }, { pseudowireTypes: [4, 6] }]), [4, 5]);
  assert.deepEqual(offered([{ pseudowireTypes: [7, 5] }]), [5, 7]);
  assert.deepEqual(offered([]), []);
});
