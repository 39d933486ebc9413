/** What the messages of a call carry from owner to owner, and when the peer is told to go on. */

import assert from "node:assert/strict";
import type { CallAvps } from "../../core/wire/call_avps.ts";
import { UnsendableAvp } from "../../core/errors.ts";
import { parseHeader } from "../../core/wire/header.ts";
import { messageTypeOf } from "../../core/authenticator.ts";
import { messageTypes } from "../../core/wire/message.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import { type Node, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  B,
  callCauses,
  callsUp,
  connected,
  eventsOf,
  type Pair,
  pair,
  secretOf,
  versions,
} from "./support.ts";

const octets = (text: string) => new TextEncoder().encode(text);
const raw = (vendorId: number, type: number) => ({
  vendorId,
  type,
  mandatory: false,
  value: octets(`${vendorId}`),
});

/** Everything that can be said. */
const everything: CallAvps = {
  calledNumber: "5551234",
  callingNumber: "5559876",
  subAddress: "7",
  bearerType: 1,
  framingType: 2,
  physicalChannelId: 99,
  callSerialNumber: 4242,
  minimumBps: 64_000,
  maximumBps: 128_000,
  txConnectSpeed: 1_000_000n,
  rxConnectSpeed: 500_000n,
  privateGroupId: octets("group"),
  remoteEndId: octets("not ours to say"),
  circuitStatus: { active: true, new: true },
  proxyLcp: { initialReceived: octets("a"), lastSent: octets("b"), lastReceived: octets("c") },
  proxyAuth: {
    type: 2,
    name: octets("alice"),
    challenge: octets("?"),
    id: 3,
    response: octets("!"),
  },
  accm: { send: 1, receive: 2 },
  others: [raw(3561, 1), raw(70_000, 2), raw(0, 97)],
};
const pick = (...names: (keyof CallAvps)[]): CallAvps =>
  Object.fromEntries(names.map((name) => [name, everything[name]]));

/** What each message is to carry of it. */
const carried = (version: ProtoVersion): Record<string, CallAvps> => {
  const speeds = ["txConnectSpeed", "rxConnectSpeed"] as const;
  const own = version === 3 ? speeds : [];
  const status = version === 3 ? ["circuitStatus"] as const : [];
  const answer = pick("physicalChannelId", "others", ...own, ...status);
  const request = [
    "calledNumber",
    "callingNumber",
    "subAddress",
    "bearerType",
    "callSerialNumber",
    "others",
    ...own,
    ...status,
  ] as const;
  const end: CallAvps = version === 3 ? { remoteEndId: octets("office") } : {};
  return {
    ICRQ: { ...pick(...request, "physicalChannelId"), ...end },
    ICRP: answer,
    ICCN: pick(...speeds, "framingType", "privateGroupId", "proxyLcp", "proxyAuth", "others"),
    OCRQ: { ...pick(...request, "minimumBps", "maximumBps", "framingType"), ...end },
    OCRP: answer,
    OCCN: pick(...speeds, "framingType", "others"),
  };
};

/** Has both owners say everything with each message. */
function sayAll({ a, b }: Pair) {
  for (const { node, lcce } of [a, b].map((node) => ({ node, lcce: node.lcce }))) {
    node.onEvent = (event, now) => {
      if (event.type === "call-requested") lcce.acceptCall(event.call, testCall(), now);
      if (event.type !== "call-state") return;
      if (event.state === "wait-proceed") lcce.proceed(event.call, now, everything);
      if (event.state === "wait-cs-answer") lcce.callConnected(event.call, now, everything);
    };
  }
}

/** What the peer said with each state that its messages led to. */
const heard = (node: Node) =>
  eventsOf(node, "call-state").flatMap(({ state, said }) => said ? [[state, said] as const] : []);

Deno.test("each message of a call carries what its owner says to the other owner, hidden or not", () => {
  for (const version of versions) {
    for (const hideAvps of [false, true]) {
      for (const role of ["incoming-caller", "outgoing-caller"] as const) {
        const settings = testSettings({ version, secret: secretOf("hush"), hideAvps });
        const both = pair(settings);
        sayAll(both);
        const { net, a, b } = both;
        const connection = a.lcce.dial(settings, net.path(A, B), 0);
        const call = a.lcce.placeCall(connection, role, testCall({ say: everything }), 0);
        net.run(1_000);
        const what = `v${version} ${role} ${hideAvps ? "hidden" : "plain"}`;
        const of = carried(version);
        const [request, reply, last] = role === "incoming-caller"
          ? ["ICRQ", "ICRP", "ICCN"] as const
          : ["OCRQ", "OCRP", "OCCN"] as const;
        const answers = role === "incoming-caller" ? "wait-proceed" : "wait-connect";
        if (role === "incoming-caller") {
          assert.deepEqual(heard(b), [["deciding", of[request]], ["established", of[last]]], what);
          assert.deepEqual(heard(a), [[answers, of[reply]]], what);
        } else {
          assert.deepEqual(heard(b), [["deciding", of[request]]], what);
          assert.deepEqual(heard(a), [[answers, of[reply]], ["established", of[last]]], what);
        }
        assert.deepEqual(eventsOf(b, "call-requested")[0]?.said, of[request]);
        const kept = a.lcce.call(call)!.said;
        assert.equal(kept.physicalChannelId, 99, "and all of it is kept while the call lives");
        const theirs = eventsOf(b, "call-requested")[0]!.call;
        const others = role === "incoming-caller" ? 6 : 3;
        assert.equal(b.lcce.call(theirs)!.said.others?.length, others, "of each message");
        assert.deepEqual(callsUp(a).length, 1);
      }
    }
  }
});

/** The types of the messages for calls that pass, in order. */
function watch({ net }: Pair): number[] {
  const types: number[] = [];
  net.tap = (_from, _to, data) => {
    const type = messageTypeOf(parseHeader(data).body);
    if (type !== undefined && type >= messageTypes.OCRQ && type < messageTypes.ACK) {
      types.push(type);
    }
    return true;
  };
  return types;
}

Deno.test("no message that lets the peer go on leaves before proceed()", () => {
  const { ICRQ, ICRP, ICCN, OCRQ, OCRP, OCCN, CDN }: Record<string, number> = messageTypes;
  for (const version of versions) {
    const settings = testSettings({ version });
    const both = pair(settings);
    const { net, a, b } = both;
    const passed = watch(both);
    a.onEvent = undefined;
    b.onEvent = (event, now) => {
      if (event.type === "call-requested") b.lcce.acceptCall(event.call, testCall(), now);
    };
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
    net.run(1_000);
    const theirs = eventsOf(b, "call-requested")[0]!.call;
    const agreed = (node: Node) =>
      eventsOf(node, "call-state").find(({ state }) => state === "wait-proceed")?.session;
    assert.deepEqual(passed, [ICRQ]);
    assert.equal(agreed(b)?.remoteSessionId, call.localSessionId, "B can make its session ready");
    assert.throws(() => a.lcce.proceed(call, net.now), /does not wait to proceed/);
    assert.equal(b.lcce.proceed(theirs, net.now), true);
    assert.throws(() => b.lcce.proceed(theirs, net.now), /does not wait to proceed/);
    net.run(2_000);
    assert.deepEqual(passed, [ICRQ, ICRP]);
    assert.equal(agreed(a)?.remoteSessionId, theirs.localSessionId);
    assert.deepEqual(callsUp(b), []);
    assert.equal(a.lcce.proceed(call, net.now), true);
    net.run(3_000);
    assert.deepEqual(passed, [ICRQ, ICRP, ICCN]);
    assert.deepEqual([callsUp(a).length, callsUp(b).length], [1, 1]);

    // Whoever waits may end the call, or see it ended, or be too late.
    const second = a.lcce.placeCall(connection, "outgoing-caller", testCall({ name: "2" }), 3_000);
    net.run(4_000);
    const asked = eventsOf(b, "call-requested")[1]!.call;
    a.lcce.closeCall(second, { result: 3 }, net.now);
    net.run(5_000);
    assert.equal(b.lcce.proceed(asked, net.now), false, "it has ended");
    assert.equal(b.lcce.callConnected(asked, net.now), false);
    assert.deepEqual(passed.slice(3), [OCRQ, CDN]);
    a.lcce.placeCall(connection, "outgoing-caller", testCall({ name: "3" }), net.now);
    net.run(net.now + settings.callMs + 1_000);
    assert.deepEqual(callCauses(b).at(-1)?.by, "timeout", "an owner that never proceeds");
    assert.equal(passed.some((type: number) => type === OCRP || type === OCCN), false);
    assert.deepEqual([callsUp(a).length, callsUp(b).length], [1, 1]);
  }
});

Deno.test("what does not fit into an AVP or a message is told to the caller, and nothing has changed", () => {
  for (const version of versions) {
    const settings = testSettings({ version, secret: secretOf("hush"), hideAvps: true });
    const both = connected(settings);
    const { net, a, b, call, connection } = both;
    const passed = watch(both);
    a.onEvent = undefined;
    const long: CallAvps = { privateGroupId: new Uint8Array(1016) };
    const fits: CallAvps = { privateGroupId: new Uint8Array(1015).fill(1) };
    const place = (say: CallAvps) =>
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: "two", say }), net.now);
    const others = [{ ...raw(9, 9), value: new Uint8Array(1018) }];
    assert.throws(() => place({ callingNumber: "5".repeat(1016) }), UnsendableAvp);
    assert.throws(() => place({ others }), UnsendableAvp);
    assert.throws(() => a.lcce.tell(call, "SLI", { others }, net.now), UnsendableAvp);
    assert.equal(a.lcce.connection(connection)!.calls.size, 1, "no call was made of it");
    const second = place({});
    net.run(net.now + 1_000);
    assert.throws(() => a.lcce.proceed(second, net.now, long), UnsendableAvp);
    assert.equal(a.lcce.call(second)?.state, "wait-proceed");
    assert.equal(a.lcce.proceed(second, net.now, fits), true);
    net.run(net.now + 1_000);
    assert.deepEqual(heard(b).at(-1)?.[1].privateGroupId, fits.privateGroupId);
    assert.deepEqual(passed, [messageTypes.ICRQ, messageTypes.ICRP, messageTypes.ICCN]);
  }
});

Deno.test("Lcce.closeCall() tells the causes of Q.931 and PPP beside the result", () => {
  for (const version of versions) {
    const { net, a, b, call } = connected(testSettings({ version }));
    const end = {
      result: 3,
      q931: { code: 16, message: 0, advisory: "normal call clearing" },
      ppp: { code: 3, protocol: 0xc021, direction: 2, message: "user request" },
      others: [raw(9, 1)],
    };
    a.lcce.closeCall(call, end, net.now);
    net.run(net.now + 100);
    assert.deepEqual(callCauses(b), [{ by: "peer", result: end }]);
  }
});

Deno.test("a circuit that is down as proceed() says so stays down for the peer, until we say otherwise (v3)", () => {
  const settings = testSettings({ version: 3 });
  const { net, a, b } = pair(settings);
  b.onEvent = (event, now) => {
    if (event.type === "call-requested") b.lcce.acceptCall(event.call, testCall(), now);
    if (event.type !== "call-state" || event.state !== "wait-proceed") return;
    b.lcce.proceed(event.call, now, { circuitStatus: { active: false, new: true } });
  };
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
  net.run(1_000);
  assert.equal(a.lcce.call(call)?.peer.active, false);
  assert.deepEqual(eventsOf(a, "call-news"), [], "and nothing else was said");
  b.lcce.setCircuitStatus(eventsOf(b, "call-requested")[0]!.call, true, net.now);
  net.run(2_000);
  assert.equal(a.lcce.call(call)?.peer.active, true);
});
