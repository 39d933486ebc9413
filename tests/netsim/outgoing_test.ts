/** Outgoing calls (OCRQ: RFC 2661 §7.4, RFC 3931 §7.4), and the status messages of a call that is up (SLI, WEN). */

import assert from "node:assert/strict";
import { CdnResult } from "../../core/errors.ts";
import { parseHeader } from "../../core/wire/header.ts";
import { parseBody } from "../../core/wire/message.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import { testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  B,
  callCauses,
  callsUp,
  connected,
  eventsOf,
  pair,
  sessions,
  up,
  versions,
} from "./support.ts";

Deno.test("Lcce brings an outgoing call up once the LAC says that it was answered", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a, b } = pair(settings);
    let requested: Parameters<typeof b.lcce.callConnected>[0] | undefined;
    b.onEvent = (event, now) => {
      if (event.type !== "call-requested") return;
      assert.equal(event.role, "outgoing-answerer");
      assert.equal(event.request.name, "5551234");
      requested = event.call;
      b.lcce.acceptCall(event.call, testCall(), now);
      b.lcce.proceed(event.call, now);
    };
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    const call = a.lcce.placeCall(connection, "outgoing-caller", testCall({ name: "5551234" }), 0);
    net.run(5_000);
    assert.equal(a.lcce.call(call)?.state, "wait-connect");
    assert.equal(b.lcce.call(requested!)?.state, "wait-cs-answer");
    assert.deepEqual([sessions(a), sessions(b)], [[], []]);
    assert.equal(b.lcce.callConnected(requested!, net.now), true);
    net.run(6_000);
    assert.equal(sessions(a)[0]?.lns, true, "who asks for an outgoing call is the LNS");
    assert.equal(sessions(b)[0]?.lns, false);
    assert.throws(() => b.lcce.callConnected(requested!, net.now), /places no outgoing call/);
  }
});

Deno.test("Lcce ends an outgoing call that the LAC cannot place", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a, b } = pair(settings);
    const result = { result: version === 2 ? CdnResult.Busy : CdnResult.LossOfCarrier };
    b.onEvent = (event, now) => {
      if (event.type !== "call-requested") return;
      b.lcce.acceptCall(event.call, testCall(), now);
      b.lcce.proceed(event.call, now);
      b.lcce.closeCall(event.call, result, now);
    };
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    a.lcce.placeCall(connection, "outgoing-caller", testCall(), 0);
    net.run(5_000);
    assert.deepEqual(callCauses(a), [{ by: "peer", result }]);
    assert.deepEqual(callCauses(b), [{ by: "local", result }]);
  }
});

Deno.test("Lcce.setCircuitStatus() tells the peer each change, also one made while the call came up (v3)", () => {
  const settings = testSettings({ version: 3 });
  const { net, a, b, call } = connected(settings);
  const theirs = eventsOf(b, "call-requested")[0]!.call;
  const told = (node: typeof a) => eventsOf(node, "circuit-status").map(({ active }) => active);
  a.lcce.setCircuitStatus(call, false, net.now);
  a.lcce.setCircuitStatus(call, false, net.now);
  net.run(net.now + 100);
  assert.deepEqual(told(b), [false], "once for each change");
  b.lcce.setCircuitStatus(theirs, false, net.now);
  a.lcce.setCircuitStatus(call, true, net.now);
  net.run(net.now + 100);
  assert.deepEqual([told(a), told(b)], [[false], [false, true]]);

  // The answerer's circuit goes down between its ICRP and the ICCN; the caller's is down from the start.
  b.onEvent = (event, now) => {
    if (event.type !== "call-requested") return;
    b.lcce.acceptCall(event.call, testCall(), now);
    b.lcce.proceed(event.call, now);
    b.lcce.setCircuitStatus(event.call, false, now);
  };
  const { handle } = up(a)[0]!;
  const down = testCall({ name: "down", active: false });
  const second = a.lcce.placeCall(handle, "incoming-caller", down, net.now);
  net.run(net.now + 200);
  assert.equal(a.lcce.call(second)?.peer.active, false);
  assert.deepEqual(eventsOf(a, "circuit-status").at(-1), {
    type: "circuit-status",
    call: second,
    active: false,
  });
  assert.deepEqual(told(b), [false, true, false], "down as the call came up");
});

Deno.test("Lcce.tell() reaches the peer's owner, with what the version has a place for", () => {
  for (const version of versions) {
    const { net, a, b, call } = connected(testSettings({ version }));
    const theirs = eventsOf(b, "call-requested")[0]!.call;
    const callErrors = {
      crcErrors: 1,
      framingErrors: 2,
      hardwareOverruns: 3,
      bufferOverruns: 4,
      timeoutErrors: 5,
      alignmentErrors: 6,
    };
    const accm = { send: 0xa0000, receive: 1 };
    assert.equal(a.lcce.tell(call, "WEN", { callErrors, accm }, net.now), true);
    assert.equal(b.lcce.tell(theirs, "SLI", { callErrors, accm }, net.now), true);
    net.run(net.now + 100);
    const news = { type: "call-news", call: theirs, message: "WEN", said: { callErrors } };
    assert.deepEqual(eventsOf(b, "call-news"), [news]);
    assert.deepEqual(eventsOf(a, "call-news"), [
      { type: "call-news", call, message: "SLI", said: { accm } },
    ]);
    assert.deepEqual(a.lcce.call(call)?.said.accm, accm, "the latest is kept");
    assert.equal(callsUp(a).length, 1);
  }
});

Deno.test("Lcce refuses a call of a type that it does not offer, and requests none that the peer does not (v3)", () => {
  const ethernet = testSettings({ version: 3, pseudowires: [PseudowireType.Ethernet] });
  const { net, a, b } = pair(testSettings({ version: 3 }), { theirs: ethernet });
  const requests: number[] = [];
  net.tap = (_from, _to, data) => {
    const { body } = parseHeader(data);
    const parsed = parseBody(body, { version: 3 });
    if (parsed.kind === "message" && parsed.message.type === "ICRQ") {
      requests.push(parsed.message.avps.pseudowireType);
    }
    return true;
  };
  const connection = a.lcce.dial(testSettings({ version: 3 }), net.path(A, B), 0);
  const vlan = testCall({ pseudowireType: PseudowireType.EthernetVlan });
  a.lcce.placeCall(connection, "incoming-caller", vlan, 0);
  net.run(1000);
  assert.deepEqual(callCauses(a).map(({ by, result }) => [by, result.result]), [["local", 14]]);
  assert.deepEqual(requests, [], "it was not even asked for");
  assert.equal(up(b).length, 1);
});

Deno.test("Lcce refuses sequence numbers without a sublayer that carries them, from either side (v3)", () => {
  const settings = testSettings({ version: 3 });
  const odd = testCall({ l2spec: "none", sequencing: true });
  const expected = { result: CdnResult.SequencingWithoutSublayer };
  {
    const { net, a, b } = pair(settings);
    a.lcce.placeCall(a.lcce.dial(settings, net.path(A, B), 0), "incoming-caller", odd, 0);
    net.run(1000);
    assert.deepEqual(callCauses(a), [{ by: "peer", result: expected }]);
    assert.deepEqual(eventsOf(b, "call-requested"), []);
  }
  const { net, a, b } = pair(settings, { answer: odd });
  a.lcce.placeCall(a.lcce.dial(settings, net.path(A, B), 0), "incoming-caller", testCall(), 0);
  net.run(1000);
  assert.deepEqual(callCauses(a), [{ by: "protocol", result: expected }]);
  assert.deepEqual(callCauses(b), [{ by: "peer", result: expected }]);
});
