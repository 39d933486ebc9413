/** A policy that asks somebody else (RADIUS) and is told later, perhaps with a secret for this one connection. */

import assert from "node:assert/strict";
import type { Decision } from "../../core/lcce.ts";
import { Netsim, type Node, testSettings } from "../../core/testing.ts";
import {
  A,
  acceptEverything,
  B,
  connectionCauses,
  drops,
  eventsOf,
  generous,
  secretOf,
  up,
  versions,
} from "./support.ts";

const asking = (net: Netsim) => net.add(B, { policy: () => ({ kind: "ask" }), limits: generous });

/** Decides on everybody who asks, `afterMs` later. */
function decideLater(net: Netsim, node: Node, afterMs: number, decision: Decision): void {
  const requests = eventsOf(node, "connection-requested");
  net.run(net.now + afterMs);
  for (const { request } of requests) {
    assert.equal(node.lcce.decide(request, decision, net.now), true);
    assert.equal(node.lcce.decide(request, decision, net.now), false, "once only");
  }
}

Deno.test("Lcce.decide() lets a peer in late, with a secret of its own, and asks once however often it asks", () => {
  for (const version of versions) {
    const net = new Netsim(1);
    const secret = secretOf(`only for this one, v${version}`);
    const theirs = testSettings({ version, name: "lac", secret, hostName: "lac-7" });
    const a = net.add(A, { policy: () => ({ kind: "ignore" }), limits: generous });
    const b = asking(net);
    acceptEverything(b);
    b.onEvent = undefined;
    const connection = a.lcce.dial(theirs, net.path(A, B), 0);
    net.run(4_000);
    assert.equal(a.lcce.connection(connection)!.counters.retransmitted, 2, "it asked three times");
    const [asked, ...again] = eventsOf(b, "connection-requested");
    assert.deepEqual(again, []);
    assert.deepEqual([asked?.from.hostName, asked?.from.version], ["lac-7", version]);
    assert.deepEqual([...b.lcce.connections()], [], "nothing else is kept of it");
    const settings = testSettings({ version, name: "from RADIUS", secret });
    decideLater(net, b, 0, { kind: "accept", settings });
    net.run(net.now + 1_000);
    assert.equal(a.lcce.connection(connection)?.state, "established");
    assert.deepEqual(up(b).map((one) => one.settings.name), ["from RADIUS"]);
    assert.deepEqual(drops(b), {});
  }
});

Deno.test("Lcce.decide() refuses as a policy does: by StopCCN, by silence, and for the wrong secret", () => {
  for (const version of versions) {
    const net = new Netsim(1);
    const theirs = testSettings({ version, secret: secretOf("guessed") });
    const dial = (decision: Decision) => {
      const a = net.add(A, { policy: () => ({ kind: "ignore" }), limits: generous });
      const b = asking(net);
      a.lcce.dial(theirs, net.path(A, B), net.now);
      net.run(net.now + 100);
      decideLater(net, b, 0, decision);
      net.run(net.now + 400);
      for (const node of [a, b]) net.remove(node);
      return { a, b };
    };
    const wrong = dial({
      kind: "accept",
      settings: testSettings({ version, secret: secretOf("right") }),
    });
    assert.deepEqual(up(wrong.b), []);
    if (version === 3) assert.deepEqual(drops(wrong.b), { "digest-wrong": 1 });
    const busy = { result: 2, error: 4, message: "later" };
    const refused = dial({ kind: "refuse", result: busy });
    assert.equal(drops(refused.b)["policy"], 1);
    // v3: who knows the secret believes a StopCCN only with a digest.
    if (version === 2) assert.deepEqual(connectionCauses(refused.a)[0]?.result, busy);
    const ignored = dial({ kind: "ignore" });
    assert.deepEqual(drops(ignored.b), { "unknown-peer": 1 });
    assert.deepEqual(connectionCauses(ignored.a), []);
  }
});

Deno.test("those who wait for a decision are bounded in number and time", () => {
  const net = new Netsim(1);
  const b = asking(net);
  const theirs = testSettings({ version: 2 });
  const a = net.add(A, { policy: () => ({ kind: "ignore" }), limits: generous });
  for (let i = 0; i < 600; i++) {
    a.lcce.dial({ ...theirs, name: `${i}`, tieBreaker: false }, net.path(A, B), 0);
  }
  net.run(500);
  const asked = eventsOf(b, "connection-requested");
  assert.equal(asked.length, 512);
  assert.equal(drops(b)["request-limit"], 88);
  net.run(31_000);
  const late = b.lcce.decide(asked[0]!.request, { kind: "ignore" }, net.now);
  assert.equal(late, false, "it waited too long");
  net.run(40_000);
  assert.ok(eventsOf(b, "connection-requested").length > 512, "and asks anew");
});
