/** Messages of a call that are malformed, incomplete or early: they cost that call at most. */

import assert from "node:assert/strict";
import type { AvpValues } from "../../core/wire/catalogue.ts";
import { messageOf } from "../../core/dialect.ts";
import { parseHeader } from "../../core/wire/header.ts";
import { emitBody, type MessageType, parseBody } from "../../core/wire/message.ts";
import { messageTypeOf } from "../../core/authenticator.ts";
import { testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  B,
  callCauses,
  callsUp,
  connected,
  connectionCauses,
  drops,
  eventsOf,
  forge,
  pair,
  up,
  versions,
} from "./support.ts";

Deno.test("an SLI or WEN at any moment, and one that says nothing that we know, ends no call", () => {
  for (const version of versions) {
    for (const type of ["SLI", "WEN"] as const) {
      const settings = testSettings({ version });
      const both = pair(settings);
      const { net, a, b } = both;
      b.onEvent = (event, now) => {
        if (event.type === "call-requested") b.lcce.acceptCall(event.call, testCall(), now);
      };
      const connection = a.lcce.dial(settings, net.path(A, B), 0);
      const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
      net.run(1_000);
      const theirs = eventsOf(b, "call-requested")[0]!.call;
      const ids = { localId: call.localSessionId, remoteId: theirs.localSessionId };
      const names: AvpValues = version === 3
        ? { localSessionId: ids.localId, remoteSessionId: ids.remoteId }
        : {};
      const status: AvpValues = version === 3
        ? { circuitStatus: { active: false, new: true } }
        : {};
      // Before our ICRP, without any AVP that we expect, and with one that is no use here.
      forge(both, emitBody(messageOf(version, type, { ...names, ...status })), ids.remoteId);
      assert.equal(b.lcce.call(theirs)?.state, "wait-proceed");
      assert.equal(eventsOf(b, "call-news").length, 1, "its owner is told");
      assert.deepEqual(eventsOf(b, "circuit-status"), [], "the call is not up yet");
      assert.equal(b.lcce.call(theirs)?.peer.active, version === 2, "but it is kept in mind");
    }
    // Of a call that is up; v3: naming one end only, or none.
    const joint = connected(testSettings({ version }));
    const theirs = eventsOf(joint.b, "call-requested")[0]!.call.localSessionId;
    const ours = joint.call.localSessionId;
    const partly: AvpValues = version === 3 ? { localSessionId: ours } : {};
    const body = emitBody(
      messageOf(version, "SLI", { ...partly, privateGroupId: new Uint8Array(9) }),
    );
    forge(joint, body, theirs);
    assert.equal(callsUp(joint.b).length, 1);
    assert.equal(eventsOf(joint.b, "call-news").length, 1);
    const nobody = connected(testSettings({ version }));
    forge(nobody, emitBody(messageOf(version, "WEN", {})), 0);
    assert.equal(callsUp(nobody.b).length, 1);
    assert.deepEqual(drops(nobody.b), { "unknown-call": 1 });
  }
});

Deno.test("a call's message that breaks off in the middle of an AVP costs that call only", () => {
  for (const version of versions) {
    const types: readonly MessageType[] = ["ICRQ", "ICCN", "SLI", "CDN"];
    for (const type of types) {
      const joint = connected(testSettings({ version }));
      const theirs = eventsOf(joint.b, "call-requested")[0]!.call.localSessionId;
      const ours = joint.call.localSessionId;
      const fresh = type === "ICRQ";
      const names: AvpValues = version === 2
        ? { assignedSessionId: fresh ? 777 : ours }
        : { localSessionId: fresh ? 777 : ours, remoteSessionId: fresh ? 0 : theirs };
      const whole = emitBody(messageOf(version, type, { ...names, resultCode: { result: 3 } }));
      const sessionId = fresh ? 0 : theirs;
      const told: string[] = [];
      joint.net.tap = (from, _to, data) => {
        const { body } = parseHeader(data);
        if (from === B && messageTypeOf(body) === 14) {
          const parsed = parseBody(body, { version });
          if (parsed.kind === "message") told.push(parsed.message.avps.resultCode!.message ?? "");
        }
        return true;
      };
      forge(joint, whole.subarray(0, whole.length - 1), sessionId);
      joint.net.run(joint.net.now + 100);
      const what = `v${version} ${type}`;
      assert.equal(up(joint.b).length, 1, `${what}: the connection stays`);
      assert.deepEqual(callCauses(joint.b).length, fresh ? 0 : 1, what);
      if (type !== "CDN") assert.match(told[0] ?? "", /AVP at octet \d+: length/, what);
    }
    // v2 says in its header which call a message is for, however little else can be read of it.
    if (version === 2) {
      const joint = connected(testSettings({ version }));
      const theirs = eventsOf(joint.b, "call-requested")[0]!.call.localSessionId;
      forge(joint, Uint8Array.of(0x80, 0x01, 0, 0, 0, 0), theirs);
      assert.deepEqual([up(joint.b).length, callCauses(joint.b).length], [1, 1]);
    }
    // Nobody can say which call an ICRQ without an id is for: it is acknowledged, and that is all.
    const joint = connected(testSettings({ version }));
    const nameless = emitBody(messageOf(version, "ICRQ", { callSerialNumber: 5 }));
    forge(joint, nameless.subarray(0, nameless.length - 2));
    assert.equal(callsUp(joint.b).length, 1);
    assert.deepEqual([connectionCauses(joint.b), drops(joint.b)], [[], { malformed: 1 }]);
  }
});

Deno.test("two Remote End IDs that are no text are two calls, and go as they are (v3)", () => {
  const settings = testSettings({ version: 3 });
  const both = pair(settings);
  const { net, a, b } = both;
  const ids: string[] = [];
  net.tap = (_from, _to, data) => {
    const parsed = parseBody(parseHeader(data).body, { version: 3 });
    if (parsed.kind !== "message" || parsed.message.type !== "ICRQ") return true;
    ids.push(parsed.message.avps.remoteEndId.toHex());
    return true;
  };
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  for (const name of ["0x000000de", "0x000000df", "0xff"]) {
    a.lcce.placeCall(connection, "incoming-caller", testCall({ name }), 0);
  }
  net.run(1_000);
  assert.deepEqual(ids, ["000000de", "000000df", "ff"]);
  const names = eventsOf(b, "call-requested").map(({ request }) => request.name);
  assert.deepEqual(names, ["0x000000de", "0x000000df", "0xff"]);
  assert.equal(callsUp(b).length, 3);
});

Deno.test("an ICRQ without Serial Number is good enough in v3; what lacks more is told in the RFC of its version", () => {
  const request = (version: 2 | 3, avps: AvpValues) => {
    const joint = connected(testSettings({ version }));
    forge(joint, emitBody(messageOf(version, "ICRQ", avps)));
    joint.net.run(joint.net.now + 100);
    return joint.b;
  };
  const b = request(3, {
    localSessionId: 777,
    remoteSessionId: 0,
    pseudowireType: 5,
    remoteEndId: new TextEncoder().encode("other"),
    circuitStatus: { active: true, new: true },
  });
  assert.equal(eventsOf(b, "call-requested")[1]?.request.name, "other");
  const reason = (version: 2 | 3, avps: AvpValues) => {
    const body = emitBody(messageOf(version, "ICRQ", avps));
    const parsed = parseBody(body, { version });
    assert.equal(parsed.kind, "refused");
    return parsed.kind === "refused" ? [parsed.error.message, parsed.error.avp] : [];
  };
  assert.deepEqual(reason(3, { localSessionId: 777, remoteSessionId: 0, pseudowireType: 5 }), [
    "ICRQ lacks AVP 66 (remoteEndId, RFC 3931 §5.4.4)",
    66,
  ]);
  assert.deepEqual(reason(2, { assignedSessionId: 777 }), [
    "ICRQ lacks AVP 15 (callSerialNumber, RFC 2661 §4.4.4)",
    15,
  ]);
});

Deno.test("a lone request is acknowledged by its reply, or by itself where that takes long", () => {
  for (const version of versions) {
    for (const thinksMs of [0, 20, 400]) {
      const settings = testSettings({ version });
      const both = pair(settings);
      const { net, a, b } = both;
      const accept = b.onEvent!;
      let decide: (() => void) | undefined;
      b.onEvent = (event, now) => {
        if (event.type === "call-requested" && thinksMs > 0) decide = () => accept(event, net.now);
        else accept(event, now);
      };
      const connection = a.lcce.dial(settings, net.path(A, B), 0);
      net.run(1_000);
      const sent: (number | undefined)[] = [];
      net.tap = (from, _to, data) => {
        if (from === B) sent.push(messageTypeOf(parseHeader(data).body));
        return true;
      };
      a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
      net.run(net.now + 10 + thinksMs);
      decide?.();
      // Anything that makes the node's outputs go.
      net.run(net.now + 5);
      const bare = version === 2 ? undefined : 20;
      const expected = thinksMs === 400 ? [bare, 11] : [11];
      assert.deepEqual(sent, expected, `v${version}, ${thinksMs} ms`);
      net.run(net.now + 50);
      assert.equal(callsUp(b).length, 1);
    }
  }
});
