/** A bad network: what both ends make of it. */

import assert from "node:assert/strict";
import { parseHeader } from "../../core/wire/header.ts";
import { parseBody } from "../../core/wire/message.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import { type Conditions, type Node, perfect, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  assertIdle,
  B,
  callsUp,
  connectionCauses,
  eventsOf,
  pair,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

Deno.test("Lcce comes up through bursts of loss, and stays up (200 seeds)", () => {
  for (let seed = 0; seed < 200; seed++) {
    const version: ProtoVersion = seed % 2 === 0 ? 2 : 3;
    // A burst lasts for four datagrams on the average, and comes after twenty.
    const conditions: Conditions = {
      loss: 0.02,
      duplication: 0.05,
      delayMs: [5, 60],
      bursts: { begin: 0.05, end: 0.25 },
    };
    const settings = testSettings({ version, secret: secretOf("secret"), attempts: 20 });
    const { net, a, b } = pair(settings, { seed, conditions });
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    for (let i = 0; i < 5; i++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `call-${i}` }), 0);
    }
    net.run(110_000, () => callsUp(a).length === 5 && callsUp(b).length === 5);
    assert.deepEqual([callsUp(a).length, callsUp(b).length], [5, 5], `seed ${seed}`);
  }
});

Deno.test("Lcce with digests takes no damaged message for a good one, and comes up all the same (v3, 100 seeds)", () => {
  for (let seed = 0; seed < 100; seed++) {
    const conditions = { ...perfect, corruption: 0.3 };
    const settings = testSettings({ version: 3, secret: secretOf("secret"), attempts: 20 });
    const { net, a, b } = pair(settings, { seed, conditions });
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
    net.run(110_000, () => callsUp(b).length === 1);
    assert.deepEqual(callsUp(b).map(({ peer }) => peer.name), ["office"], `seed ${seed}`);
    assert.deepEqual([connectionCauses(a), connectionCauses(b)], [[], []], `seed ${seed}`);
  }
});

Deno.test("Lcce survives damage that nothing notices: both ends come to rest (300 seeds)", () => {
  for (let seed = 0; seed < 300; seed++) {
    const version: ProtoVersion = seed % 2 === 0 ? 2 : 3;
    const settings = testSettings({ version, helloMs: 5_000 });
    const { net, a, b } = pair(settings, { seed, conditions: { ...perfect, corruption: 0.2 } });
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    for (let i = 0; i < 5; i++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `call-${i}` }), 0);
    }
    net.run(60_000);
    net.conditions = perfect;
    for (const node of [a, b]) {
      for (const { handle } of node.lcce.connections()) {
        node.lcce.closeConnection(handle, { result: 1 }, net.now);
      }
    }
    assertIdle({ net, a, b }, `seed ${seed}`);
  }
});

Deno.test("Lcce agrees with its peer on the outcome under loss, duplication, reordering and delay (1,000 seeds)", () => {
  let failures = 0;
  for (let seed = 0; seed < 1000; seed++) {
    const version: ProtoVersion = seed % 2 === 0 ? 2 : 3;
    const conditions: Conditions = {
      loss: 0.4 * (seed % 11) / 10,
      duplication: seed % 3 === 0 ? 0.3 : 0,
      delayMs: [1, 1 + (seed % 7) * 150],
    };
    const secret = seed % 5 === 0 ? {} : { secret: secretOf("secret") };
    const settings = testSettings({ version, ...secret, helloMs: 20_000 });
    const { net, a, b } = pair(settings, { seed, conditions });
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    const calls = 5;
    for (let i = 0; i < calls; i++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `call-${i}` }), 0);
    }
    net.run(300_000, () => sessions(a).length + sessions(b).length >= 2 * calls);
    // From here the network is good: what is left must come to the same end on both sides.
    net.conditions = perfect;
    net.run(net.now + 300_000);
    const names = (node: Node) => callsUp(node).map(({ peer }) => peer.name).sort();
    const pairs = (node: Node, turned: boolean) =>
      callsUp(node).map(({ localId, remoteId }) =>
        turned ? `${remoteId} ${localId}` : `${localId} ${remoteId}`
      ).sort();
    assert.deepEqual(pairs(a, false), pairs(b, true), `seed ${seed}: the same sessions`);
    assert.equal(up(a).length, up(b).length, `seed ${seed}`);
    if (up(a).length === 0) {
      failures++;
      assert.equal(connectionCauses(a).length, 1, `seed ${seed}: A was told why`);
    } else {
      assert.deepEqual(names(b), Array.from({ length: calls }, (_, i) => `call-${i}`));
    }
    assertInOrder(b, seed);
    for (const { handle } of up(a)) a.lcce.closeConnection(handle, { result: 1 }, net.now);
    net.run(net.now + 60_000);
    assert.deepEqual([up(a), up(b)], [[], []], `seed ${seed}: both are down`);
    assertIdle({ net, a, b }, `seed ${seed}`);
  }
  assert.ok(failures < 30, `${failures} of 1,000 never came up`);
});

/** The peer's requests are placed at the same time with a slow start between them: they arrive once, and in their order. */
function assertInOrder(node: Node, seed: number): void {
  const names = eventsOf(node, "call-requested").map(({ request }) => request.name);
  assert.deepEqual(names, names.toSorted(), `seed ${seed}: in order`);
  assert.equal(new Set(names).size, names.length, `seed ${seed}: nothing twice`);
}

Deno.test("Lcce keeps a tunnel up for an hour of 20 % loss, by HELLO alone", () => {
  for (const version of versions) {
    const settings = testSettings({ version, helloMs: 10_000 });
    const { net, a, b } = pair(settings, { seed: 11 });
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(1000);
    net.conditions = { loss: 0.2, duplication: 0.1, delayMs: [10, 200] };
    net.run(3_600_000);
    assert.equal(up(a).length, 1);
    assert.equal(up(b).length, 1);
    assert.ok(up(a)[0]!.counters.sent + up(b)[0]!.counters.sent > 300, "HELLOs went");
  }
});

Deno.test("Lcce sends no HELLO while the peer talks, and one after each silence", () => {
  for (const version of versions) {
    const settings = testSettings({ version, helloMs: 10_000 });
    const { net, a, b } = pair(settings);
    const hellos: number[] = [];
    net.tap = (_from, _to, data) => {
      const { header, body } = parseHeader(data);
      const parsed = parseBody(body, { version: header.version });
      if (parsed.kind === "message" && parsed.message.type === "HELLO") hellos.push(net.now);
      return true;
    };
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    net.run(1000);
    for (let i = 0; i < 20; i++) {
      const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
      net.run(net.now + 3_000);
      a.lcce.closeCall(call, { result: 3 }, net.now);
    }
    assert.deepEqual(hellos, []);
    const quiet = net.now;
    net.run(quiet + 100_000);
    assert.ok(hellos.length >= 8 && hellos.length <= 12, `${hellos.length} HELLOs in 100 s`);
    assert.equal([...b.lcce.connections()].length, 1);
  }
});

Deno.test("Lcce never has more messages in the air than the peer's Receive Window Size", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const theirs = testSettings({ version, receiveWindow: 3 });
    const { net, a, b } = pair(settings, { theirs, conditions: { ...perfect, delayMs: [50, 90] } });
    let most = 0;
    let acknowledged = 0;
    net.tap = (from, _to, data) => {
      const { header, body } = parseHeader(data);
      if (from === B) acknowledged = Math.max(acknowledged, header.nr);
      else if (body.length > 30) most = Math.max(most, header.ns + 1 - acknowledged);
      return true;
    };
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    for (let i = 0; i < 50; i++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `${i}` }), 0);
    }
    net.run(60_000);
    assert.equal(sessions(b).length, 50);
    assert.ok(most <= 3, `${most} messages in the air`);
    assert.ok(most > 1, "the window is used");
  }
});
