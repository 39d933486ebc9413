/** A peer of whom it is doubtful whether it is there: asked by HELLO, said to be unreachable, answering too late. */

import assert from "node:assert/strict";
import { messageTypeOf } from "../../core/authenticator.ts";
import { CONTROL_HEADER } from "../../core/wire/header.ts";
import { messageTypes } from "../../core/wire/message.ts";
import { type Netsim, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  assertIdle,
  B,
  callCauses,
  callsUp,
  connected,
  connectionCauses,
  drops,
  eventsOf,
  pair,
  secretOf,
  up,
  versions,
} from "./support.ts";

/** When each message of a type is sent from an address, from now on. */
function sent(net: Netsim, from: string, type: keyof typeof messageTypes): number[] {
  const times: number[] = [];
  net.tap = (sender, _to, data) => {
    const is = messageTypeOf(data.subarray(CONTROL_HEADER)) === messageTypes[type];
    if (sender === from && is) times.push(net.now);
    return true;
  };
  return times;
}

Deno.test("Lcce.ask() sends a HELLO at once, and says that the peer is there", () => {
  for (const version of versions) {
    const { net, a, b } = connected(testSettings({ version }));
    const hellos = sent(net, B, "HELLO");
    const began = net.now;
    b.lcce.ask(up(b)[0]!.handle, 3_000, net.now);
    net.run(net.now + 10_000);
    assert.deepEqual(hellos, [began], "one, and not again once it was answered");
    assert.equal(eventsOf(b, "connection-answered").length, 1);
    assert.equal(callsUp(a).length, 1);
    assert.equal(callsUp(b).length, 1);
  }
});

Deno.test("Lcce.ask() survives loss, and ends a connection whose peer is silent for as long as was said", () => {
  for (const version of versions) {
    const { net, b } = connected(testSettings({ version }));
    net.conditions = { loss: 0.4, duplication: 0, delayMs: [10, 200] };
    b.lcce.ask(up(b)[0]!.handle, 3_000, net.now);
    net.run(net.now + 3_100);
    assert.equal(eventsOf(b, "connection-answered").length, 1, `v${version}`);
    net.conditions = { loss: 1, duplication: 0, delayMs: [10, 10] };
    const hellos = sent(net, B, "HELLO");
    const began = net.now;
    b.lcce.ask(up(b)[0]!.handle, 3_000, net.now);
    net.run(net.now + 60_000, () => up(b).length === 0);
    assert.equal(net.now - began, 3_000);
    assert.equal(hellos.length, 12, "four times a second");
    assert.equal(connectionCauses(b)[0]?.by, "timeout");
    assert.match(connectionCauses(b)[0]!.result.message!, /silent when asked/);
    assert.equal(callCauses(b)[0]?.by, "connection");
  }
});

Deno.test("Lcce.ask() again while the peer is being asked: the earlier end counts, and one answer is told", () => {
  const { net, b } = connected(testSettings());
  const hellos = sent(net, B, "HELLO");
  const { handle } = up(b)[0]!;
  b.lcce.ask(handle, 3_000, net.now);
  b.lcce.ask(handle, 2_000, net.now);
  b.lcce.ask(handle, 9_000, net.now);
  net.run(net.now + 5_000);
  assert.equal(hellos.length, 1);
  assert.equal(eventsOf(b, "connection-answered").length, 1);
  net.conditions = { loss: 1, duplication: 0, delayMs: [10, 10] };
  const began = net.now;
  b.lcce.ask(handle, 3_000, net.now);
  b.lcce.ask(handle, 2_000, net.now);
  b.lcce.ask(handle, 9_000, net.now);
  net.run(net.now + 60_000, () => up(b).length === 0);
  assert.equal(net.now - began, 2_000);
});

Deno.test("Lcce.heard() is an answer too: what comes in the sessions shows that the peer is there", () => {
  const { net, b } = connected(testSettings());
  const { handle } = up(b)[0]!;
  net.conditions = { loss: 1, duplication: 0, delayMs: [10, 10] };
  b.lcce.ask(handle, 3_000, net.now);
  net.run(net.now + 2_900);
  b.lcce.heard(handle, net.now - 10_000, net.now);
  b.lcce.heard(handle, undefined, net.now);
  assert.equal(eventsOf(b, "connection-answered").length, 0, "that was before");
  b.lcce.heard(handle, net.now - 100, net.now);
  net.run(net.now + 1_000);
  assert.equal(up(b).length, 1);
  assert.equal(eventsOf(b, "connection-answered").length, 1);
});

Deno.test("Lcce asks a peer that is said to be unreachable, and ends the connection after 2 s of silence", () => {
  for (const version of versions) {
    const { net, a, b } = connected(testSettings({ version }));
    a.unreachable = true;
    const began = net.now;
    for (let i = 0; i < 20; i++) b.lcce.unreachable(up(b)[0]!.handle, net.now);
    net.run(net.now + 60_000, () => up(b).length === 0);
    assert.equal(net.now - began, 2_000);
    assert.equal(connectionCauses(b)[0]?.by, "timeout");
  }
});

Deno.test("Lcce asks again where a peer is said to be unreachable just after it answered", () => {
  const { net, a, b } = connected(testSettings());
  const { handle } = up(b)[0]!;
  b.lcce.unreachable(handle, net.now);
  net.run(net.now + 100);
  assert.equal(eventsOf(b, "connection-answered").length, 1);
  a.unreachable = true;
  const began = net.now;
  b.lcce.unreachable(handle, net.now);
  net.run(net.now + 60_000, () => up(b).length === 0);
  assert.ok(net.now - began <= 3_000, `${net.now - began} ms`);
});

Deno.test("Lcce is not made to end, nor to flood, a living connection by forged news that its peer is unreachable", () => {
  const { net, a, b } = connected(testSettings());
  const hellos = sent(net, B, "HELLO");
  const { handle } = up(b)[0]!;
  const until = net.now + 60_000;
  while (net.now < until) {
    b.lcce.unreachable(handle, net.now);
    net.run(net.now + 5);
  }
  assert.equal(callsUp(a).length, 1);
  assert.equal(callsUp(b).length, 1);
  assert.ok(hellos.length <= 61, `${hellos.length} HELLOs in a minute`);
});

Deno.test("Lcce sends its SCCRQ sooner again to one that is said to be unreachable, and gives it no less time", () => {
  for (const version of versions) {
    const settings = testSettings({ version, attempts: 3, retransmitMs: 1_000 });
    const { net, a, b } = pair(settings);
    b.unreachable = true;
    const given = a.lcce.dial(settings, net.path(A, B), net.now);
    const began = net.now;
    net.run(net.now + 60_000, () => {
      a.lcce.unreachable(given, net.now);
      return (a.lcce.connection(given)?.state ?? "closed") === "closed";
    });
    assert.equal(net.now - began, 7_000, "no more time either: another may be dialed");
    assert.match(connectionCauses(a)[0]!.result.message!, /does not answer/);
    const requests = sent(net, A, "SCCRQ");
    const connection = a.lcce.dial(settings, net.path(A, B), net.now);
    net.run(net.now + 100);
    const until = net.now + 4_000;
    while (net.now < until) {
      a.lcce.unreachable(connection, net.now);
      net.run(net.now + 50);
    }
    assert.ok(requests.length >= 15 && requests.length <= 18, `${requests.length} in 4 s`);
    b.unreachable = false;
    net.run(net.now + 400);
    assert.equal(up(a).length, 1, "up at once when it can be reached");
    const { counters } = up(a)[0]!;
    assert.ok(counters.retransmitted >= 14);
  }
});

Deno.test("Lcce.giveUp() lets go of an SCCRQ without a word; a late answer is told that it was in vain", () => {
  for (const version of versions) {
    for (const secret of [undefined, secretOf("s")]) {
      const settings = testSettings({ version, ...(secret && { secret }) });
      const { net, a, b } = pair(settings);
      net.conditions = { loss: 0, duplication: 0, delayMs: [1_000, 1_000] };
      const stops = sent(net, A, "StopCCN");
      const first = a.lcce.dial(settings, net.path(A, B), net.now);
      net.run(net.now + 1_500);
      a.lcce.giveUp(first, { result: 1, message: "dialed anew" }, net.now);
      const second = a.lcce.dial(settings, net.path(A, B), net.now);
      net.run(net.now + 400);
      assert.deepEqual(stops, [], "nothing is said before there is an answer");
      assert.equal(a.lcce.connection(first)?.state, "closed");
      assert.equal(connectionCauses(a)[0]?.by, "timeout");
      net.run(net.now + 8_000);
      assert.ok(stops.length >= 1);
      assert.equal(connectionCauses(b)[0]?.result.message, "dialed anew");
      assert.deepEqual(up(a).map(({ handle }) => handle), [second]);
      assert.equal(up(b).length, 1);
      assert.deepEqual(drops(b)["unknown-connection"], undefined);
      a.lcce.closeConnection(second, { result: 1 }, net.now);
      assertIdle({ net, a, b });
    }
  }
});

Deno.test("Lcce sends no HELLO while its owner hears the peer in its sessions (RFC 2661 §5.5)", () => {
  for (const version of versions) {
    const theirs = testSettings({ version, helloMs: 10_000 });
    const settings = testSettings({ version, helloMs: 0 });
    const { net, a, b } = pair(settings, { theirs, hearsSessions: true });
    a.lcce.dial(settings, net.path(A, B), net.now);
    net.run(net.now + 1_000);
    const hellos = sent(net, B, "HELLO");
    let last: number | undefined;
    b.onEvent = (event, now) => {
      if (event.type === "connection-silent") b.lcce.heard(event.connection, last, now);
    };
    const { handle } = up(b)[0]!;
    // A frame every 3 s.
    for (let i = 0; i < 40; i++) {
      last = net.now;
      net.run(net.now + 3_000);
    }
    assert.deepEqual(hellos, []);
    const asked = eventsOf(b, "connection-silent").length;
    assert.ok(asked >= 10 && asked <= 16, `asked ${asked} times in 120 s`);
    net.run(net.now + 12_000);
    assert.equal(hellos.length > 0, true, "a HELLO once that ends");
    assert.ok(hellos[0]! - last! >= 9_000 && hellos[0]! - last! <= 11_000);
    b.lcce.closeConnection(handle, { result: 1 }, net.now);
  }
});

Deno.test("Lcce asks its owner before it gives up a peer that is silent, and does not wait for long", () => {
  const settings = testSettings({ helloMs: 0 });
  const { net, a, b } = pair(settings, { hearsSessions: true });
  a.lcce.dial(settings, net.path(A, B), net.now);
  net.run(net.now + 1_000);
  const { handle } = up(b)[0]!;
  net.conditions = { loss: 1, duplication: 0, delayMs: [10, 10] };
  const frame = net.now + 2_900;
  b.onEvent = (event, now) => {
    if (event.type === "connection-silent") b.lcce.heard(event.connection, frame, now);
  };
  b.lcce.ask(handle, 3_000, net.now);
  net.run(net.now + 10_000);
  assert.equal(up(b).length, 1, "a frame came while it was asked");
  const again = net.now;
  b.lcce.ask(handle, 3_000, net.now);
  net.run(net.now + 10_000, () => up(b).length === 0);
  assert.equal(net.now - again, 3_000, "the last frame was before");
});

Deno.test("Lcce goes on where its owner does not say what it heard", () => {
  const settings = testSettings({ helloMs: 10_000 });
  const { net, a, b } = pair(settings, { hearsSessions: true });
  a.lcce.dial(settings, net.path(A, B), net.now);
  net.run(net.now + 1_000);
  const hellos = sent(net, B, "HELLO");
  a.unreachable = true;
  net.run(net.now + 200_000, () => up(b).length === 0);
  assert.ok(hellos.length > 5);
  assert.equal(up(b).length, 0);
});

Deno.test("Lcce asks a peer that leaves a call unanswered whether it is there, and calls up go down soon if it is not", () => {
  for (const version of versions) {
    for (const dead of [true, false]) {
      const settings = testSettings({ version, callMs: 3_000, helloMs: 60_000 });
      const { net, a, b } = connected(settings);
      // The peer lives, but decides nothing; or everything that is sent to it is lost.
      b.onEvent = () => {};
      if (dead) net.conditions = { loss: 1, duplication: 0, delayMs: [10, 10] };
      const began = net.now;
      a.lcce.placeCall(up(a)[0]!.handle, "incoming-caller", testCall({ name: "late" }), net.now);
      net.run(began + 3_000 + 2_500);
      assert.equal(callCauses(a)[0]?.by, "timeout", "the call itself");
      assert.equal(up(a).length, dead ? 0 : 1, `v${version}`);
      assert.equal(callsUp(a).length, dead ? 0 : 1, "the other call");
    }
  }
});
