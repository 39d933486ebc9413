/** Both ends ask for the same thing at once (RFC 2661 §4.4.3; RFC 3931 §5.4.3, §5.4.4). */

import assert from "node:assert/strict";
import { parseHeader } from "../../core/wire/header.ts";
import { parseBody } from "../../core/wire/message.ts";
import { Netsim, type Node, perfect, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  acceptEverything,
  assertIdle,
  B,
  callCauses,
  callsUp,
  connectionCauses,
  eventsOf,
  generous,
  goOn,
  pair,
  up,
  versions,
} from "./support.ts";

/** The results of all StopCCN or CDN messages on the wire. */
function resultsOnWire(net: Netsim, type: "StopCCN" | "CDN"): number[] {
  const results: number[] = [];
  net.tap = (_from, _to, data) => {
    const { header, body } = parseHeader(data);
    const parsed = parseBody(body, { version: header.version });
    if (parsed.kind === "message" && parsed.message.type === type) {
      results.push(parsed.message.avps.resultCode!.result);
    }
    return true;
  };
  return results;
}

Deno.test("Lcce breaks the tie when both sides dial at once: one tunnel is left", () => {
  for (const version of versions) {
    const winners = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const settings = testSettings({ version });
      const { net, a, b } = pair(settings, { seed });
      const results = resultsOnWire(net, "StopCCN");
      a.lcce.dial(settings, net.path(A, B), 0);
      b.lcce.dial(settings, net.path(B, A), 0);
      net.run(100_000);
      assert.equal(up(a).length, 1);
      assert.equal(up(b).length, 1);
      const loser = up(a)[0]!.initiator ? b : a;
      winners.add(loser === a ? B : A);
      assert.deepEqual(connectionCauses(loser)[0]?.by, "tie");
      assert.equal(connectionCauses(loser)[0]?.result.result, 3);
      if (version === 2) {
        assert.deepEqual(results, [], "in v2 the loser is silent, and so is the winner");
      } else assert.ok(results.includes(3), "in v3 the winner says so");
      for (const node of [a, b]) {
        for (const { handle } of up(node)) {
          node.lcce.closeConnection(handle, { result: 1 }, net.now);
        }
      }
      assertIdle({ net, a, b });
    }
    assert.equal(winners.size, 2, "either side wins now and then");
  }
});

Deno.test("Lcce breaks the tie on a bad network too", () => {
  for (const version of versions) {
    for (let seed = 0; seed < 60; seed++) {
      const settings = testSettings({ version, establishMs: 300_000 });
      const conditions = { loss: 0.2, duplication: 0.1, delayMs: [1, 400] as const };
      const { net, a, b } = pair(settings, { seed, conditions });
      a.lcce.dial(settings, net.path(A, B), 0);
      b.lcce.dial(settings, net.path(B, A), 0);
      net.run(300_000);
      net.conditions = perfect;
      net.run(700_000);
      assert.ok(up(a).length >= 1, `seed ${seed}`);
      assert.equal(up(a).length, up(b).length, `seed ${seed}`);
    }
  }
});

Deno.test("Lcce lets the side with a tie breaker win, and both tunnels be where none has one", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const without = testSettings({ version, tieBreaker: false });
    {
      const { net, a, b } = pair(settings, { theirs: without });
      a.lcce.dial(settings, net.path(A, B), 0);
      b.lcce.dial(without, net.path(B, A), 0);
      net.run(100_000);
      assert.deepEqual(up(a).map(({ initiator }) => initiator), [true]);
      assert.deepEqual(up(b).map(({ initiator }) => initiator), [false]);
    }
    const { net, a, b } = pair(without);
    a.lcce.dial(without, net.path(A, B), 0);
    b.lcce.dial(without, net.path(B, A), 0);
    net.run(100_000);
    assert.equal(up(a).length, 2);
    assert.equal(up(b).length, 2);
  }
});

Deno.test("Lcce discards both connections where the tie breakers are equal", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const net = new Netsim(1);
    const nodes = [A, B].map((address) =>
      net.add(address, { policy: () => ({ kind: "accept", settings }), limits: generous })
    );
    const [a, b] = nodes as [Node, Node];
    a.lcce.dial(settings, net.path(A, B), 0);
    b.lcce.dial(settings, net.path(B, A), 0);
    for (const node of nodes) {
      for (const one of node.lcce.connections()) one.tieBreaker!.fill(7);
    }
    // The SCCRQs hold what was drawn; what is compared is made equal on the way.
    net.tap = (from, to, data) => {
      const { header, body } = parseHeader(data);
      const parsed = parseBody(body, { version: header.version });
      const tie = parsed.kind === "message" ? parsed.message.avps.tieBreaker : undefined;
      if (!tie) return true;
      const at = data.findIndex((_, i) => tie.every((octet, j) => data[i + j] === octet));
      if (tie.every((octet) => octet === 7)) return true;
      data.fill(7, at, at + 8);
      net.inject(from === A ? b : a, data, { address: from, port: 1701 });
      return to === "nowhere";
    };
    net.run(20);
    for (const node of nodes) {
      assert.deepEqual(connectionCauses(node).map(({ by }) => by), ["tie"]);
      assert.deepEqual(up(node), []);
    }
  }
});

Deno.test("Lcce does not take two peers behind one address for a tie", () => {
  for (const version of versions) {
    const settings = testSettings({ version, name: "one" });
    const others = testSettings({ version, name: "other" });
    const NAT = "10.9.9.9";
    const net = new Netsim(3);
    const hub = net.add(B, {
      policy: ({ hostName }) => ({
        kind: "accept",
        settings: hostName === "other" ? others : settings,
      }),
      limits: generous,
    });
    const policy = () => ({ kind: "accept", settings }) as const;
    net.add(NAT, { policy, limits: generous }, 1701);
    const other = net.add(NAT, { policy, limits: generous }, 5000);
    hub.lcce.dial(settings, net.path(B, NAT), 0);
    other.lcce.dial({ ...settings, hostName: "other" }, net.path(NAT, B), 0);
    net.run(60_000);
    assert.equal(up(hub).length, 2);
    assert.equal(up(other).length, 1);
  }
});

Deno.test("Lcce breaks the tie when both sides request the same circuit (v3)", () => {
  const winners = new Set<boolean>();
  for (let seed = 0; seed < 40; seed++) {
    const settings = testSettings({ version: 3 });
    const { net, a, b } = pair(settings, { seed });
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(1000);
    const results = resultsOnWire(net, "CDN");
    const handles = [a, b].map((node) => up(node)[0]!.handle);
    a.lcce.placeCall(handles[0]!, "incoming-caller", testCall({ name: "same" }), net.now);
    b.lcce.placeCall(handles[1]!, "incoming-caller", testCall({ name: "same" }), net.now);
    net.run(net.now + 10_000);
    assert.equal(callsUp(a).length, 1, `seed ${seed}`);
    assert.equal(callsUp(b).length, 1, `seed ${seed}`);
    assert.equal(callsUp(a)[0]!.localId, callsUp(b)[0]!.remoteId);
    assert.deepEqual(results, [13]);
    const causes = [...callCauses(a), ...callCauses(b)];
    assert.deepEqual(causes.map(({ by }) => by), ["tie"]);
    winners.add(callsUp(a)[0]!.role === "incoming-caller");
    // The loser's owner sees the winner's request as any other.
    const loser = callsUp(a)[0]!.role === "incoming-caller" ? b : a;
    assert.equal(eventsOf(loser, "call-requested").length, 1);
  }
  assert.equal(winners.size, 2);
});

Deno.test("Lcce lets a request of its own that waits its turn give way, whatever its tie breaker (v3)", () => {
  for (let seed = 0; seed < 8; seed++) {
    const settings = testSettings({ version: 3 });
    const { net, a, b } = pair(settings, { seed });
    b.onEvent = (event, now) => goOn(b, event, now);
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    for (let i = 0; i < 300; i++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `${i}` }), 0);
    }
    const waiting = a.lcce.placeCall(connection, "incoming-caller", testCall({ name: "same" }), 0);
    net.run(2_000);
    assert.equal(a.lcce.call(waiting)?.state, "idle");
    const { handle } = up(b)[0]!;
    // What B was asked for and has not decided on does not keep it from asking itself.
    b.lcce.placeCall(handle, "incoming-caller", testCall({ name: "same" }), net.now);
    net.run(net.now + 2_000);
    assert.equal(callsUp(b).length, 1, `seed ${seed}`);
    assert.deepEqual(callCauses(a), [{ by: "tie", result: { result: 13 } }]);
  }
});

Deno.test("Lcce tears both requests down where neither has a tie breaker (v3)", () => {
  const settings = testSettings({ version: 3, tieBreaker: false });
  const { net, a, b } = pair(settings);
  a.lcce.dial(settings, net.path(A, B), 0);
  net.run(1000);
  for (const node of [a, b]) {
    const { handle } = up(node)[0]!;
    node.lcce.placeCall(handle, "incoming-caller", testCall({ name: "same" }), net.now);
  }
  net.run(net.now + 10_000);
  assert.deepEqual([callsUp(a), callsUp(b)], [[], []]);
  for (const node of [a, b]) assert.equal(callCauses(node)[0]?.result.result, 13);
});

Deno.test("acceptEverything() is harmless for a call that has gone", () => {
  const settings = testSettings({ version: 3 });
  const { net, a, b } = pair(settings);
  let late: Parameters<typeof b.lcce.acceptCall>[0] | undefined;
  b.onEvent = (event) => {
    if (event.type === "call-requested") late = event.call;
  };
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
  net.run(1000);
  assert.ok(late);
  a.lcce.closeCall(call, { result: 3 }, net.now);
  net.run(2000);
  assert.equal(b.lcce.acceptCall(late, testCall(), net.now), false, "the peer was faster");
  assert.equal(b.lcce.callConnected(late, net.now), false);
  acceptEverything(b);
  a.lcce.closeConnection(connection, { result: 1 }, net.now);
  net.run(200_000);
  assert.equal(b.lcce.acceptCall(late, testCall(), net.now), false, "its connection is gone too");
});
