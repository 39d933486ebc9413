/** Who the peer is: v2's challenge and response, v3's digests. What is refused makes no state, and is counted. */

import assert from "node:assert/strict";
import { deriveDigestKey, sign, verify } from "../../core/wire/authentication.ts";
import { messageTypeOf } from "../../core/authenticator.ts";
import { emitAvp, parseAvps } from "../../core/wire/avp.ts";
import { emitMessage, parseHeader } from "../../core/wire/header.ts";
import { messageTypes, parseBody } from "../../core/wire/message.ts";
import type { PeerSettings } from "../../core/settings.ts";
import { type Netsim, type Node, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  assertIdle,
  B,
  callsUp,
  connected,
  connectionCauses,
  connectionStates,
  drops,
  pair,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

const right = secretOf("right");
const wrong = secretOf("wrong");

/** Dials from A with one's settings to B with the other's. */
function dial(mine: PeerSettings, theirs: PeerSettings) {
  const { net, a, b } = pair(mine, { theirs });
  const connection = a.lcce.dial(mine, net.path(A, B), 0);
  a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
  net.run(100_000);
  return { net, a, b };
}

/** What a v2 side was told: the results of its connections. */
const results = (node: Node) => connectionCauses(node).map(({ by, result }) => [by, result.result]);

Deno.test("Lcce refuses a wrong secret with StopCCN 4, on whichever side it is found out (v2)", () => {
  const { net, a, b } = dial(testSettings({ secret: wrong }), testSettings({ secret: right }));
  // The dialer sees a wrong response in the SCCRP first.
  assert.deepEqual(results(a), [["protocol", 4]]);
  assert.deepEqual(results(b), [["peer", 4]]);
  assert.deepEqual([sessions(a), sessions(b)], [[], []]);
  assertIdle({ net, a, b });
});

Deno.test("Lcce refuses a responder or a dialer that leaves the challenge unanswered (v2)", () => {
  const open = testSettings();
  const closed = testSettings({ secret: right });
  {
    const { net, a, b } = dial(closed, open);
    assert.deepEqual(results(a), [["peer", 4]], "B cannot answer the challenge, and says so");
    assert.deepEqual(connectionStates(b), [], "and keeps nothing");
    assert.ok(drops(b)["refused-request"]! > 0);
    assertIdle({ net, a, b });
  }
  {
    const { net, a, b } = dial(open, closed);
    assert.deepEqual(results(a), [["protocol", 4]], "A is challenged by the SCCRP");
    assert.deepEqual(results(b), [["peer", 4]]);
    assertIdle({ net, a, b });
  }
  // A dialer that passes over the challenge: its SCCCN lacks the response.
  const { net, a, b } = pair(closed);
  net.tap = (from, _to, data) => {
    const { body } = parseHeader(data);
    const parsed = parseBody(body, { version: 2 });
    if (parsed.kind !== "message" || parsed.message.type !== "SCCCN") return true;
    if (from === A) data.fill(0, data.length - 4);
    return true;
  };
  a.lcce.dial(closed, net.path(A, B), 0);
  net.run(10_000);
  assert.deepEqual(results(b), [["protocol", 4]]);
  assert.deepEqual(results(a), [["peer", 4]]);
});

Deno.test("Lcce makes no state for an SCCRQ with a wrong digest, or none (v3)", () => {
  const theirs = testSettings({ version: 3, secret: right });
  for (
    const [secret, reason] of [[wrong, "digest-wrong"], [undefined, "digest-missing"]] as const
  ) {
    const mine = testSettings({ version: 3, attempts: 5, ...(secret && { secret }) });
    const { net, a, b } = dial(mine, theirs);
    assert.equal(drops(b)[reason], 5, "each attempt is counted");
    assert.deepEqual(connectionStates(b), []);
    assert.deepEqual(results(a), [["timeout", 7]]);
    assertIdle({ net, a, b });
  }
});

Deno.test("Lcce says that it shares no secret to a peer that signs (v3)", () => {
  const mine = testSettings({ version: 3, secret: right });
  const { net, a, b } = dial(mine, testSettings({ version: 3 }));
  // It cannot sign the refusal, nor check the request: to the dialer it is silence.
  assert.deepEqual(results(a), [["timeout", 7]]);
  assert.deepEqual(connectionStates(b), []);
  assert.ok(drops(b)["digest-wrong"]! > 0);
  assert.deepEqual(sessions(a), []);
  assertIdle({ net, a, b });
});

Deno.test("Lcce signs the refusal of an SCCRQ, so that the peer believes it (v3)", () => {
  for (const digest of [0, 1] as const) {
    const settings = testSettings({ version: 3, secret: right, digest });
    const { net, a, b } = pair(settings);
    // On its way the request gets a mandatory AVP that B does not know, and a digest that covers it.
    resigned(net, b, (body) => Uint8Array.of(...body, 0x80, 8, 0, 0, 0x7f, 0xff, 0, 0));
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(10_000);
    assert.deepEqual(connectionCauses(a).map(({ by, result }) => [by, result.error]), [[
      "peer",
      8,
    ]]);
    assert.deepEqual(drops(a), {});
    assert.deepEqual(connectionStates(b), []);
  }
});

Deno.test("Lcce refuses an SCCRQ that is signed and has no nonce (v3)", () => {
  const settings = testSettings({ version: 3, secret: right });
  const { net, a, b } = pair(settings);
  resigned(net, b, (body) => {
    const without = parseAvps(body).filter(({ type }) => type !== 73);
    const out = new Uint8Array(body.length);
    let at = 0;
    for (const avp of without) at = emitAvp(avp, out, at);
    return out.slice(0, at);
  });
  a.lcce.dial(settings, net.path(A, B), 0);
  net.run(500);
  assert.equal(drops(b)["refused-request"], 1);
  assert.deepEqual(connectionStates(b), []);
});

/** Changes the SCCRQ from A on its way to `to`, and signs it anew with the right secret. */
function resigned(net: Netsim, to: Node, change: (body: Uint8Array) => Uint8Array): void {
  net.tap = (from, _to, data) => {
    const { header, body } = parseHeader(data);
    if (from !== A || body[7] !== 1) return true;
    const changed = emitMessage(header, change(body));
    sign(changed, [deriveDigestKey(right)], [new Uint8Array(0), new Uint8Array(0)]);
    net.inject(to, changed, { address: A, port: 1701 });
    return false;
  };
}

Deno.test("Lcce drops each message that was changed in any octet, and stays up (v3)", () => {
  for (const digest of [0, 1] as const) {
    const settings = testSettings({ version: 3, secret: right, digest });
    const { net, a, b } = connected(settings);
    let last: Uint8Array | undefined;
    net.tap = (from, _to, data) => {
      if (from === A) last = data;
      return true;
    };
    const { handle } = up(a)[0]!;
    a.lcce.placeCall(handle, "incoming-caller", testCall({ name: "more" }), net.now);
    net.run(net.now + 1000);
    net.tap = undefined;
    const before = b.events.filter(({ type }) => type !== "refused").length;
    const counted = drops(b)["digest-wrong"] ?? 0;
    let changed = 0;
    // From Ns on: what stands before it decides where the datagram goes at all.
    for (let at = 8; at < last!.length; at++) {
      for (const bit of [1, 0x80]) {
        const copy = last!.slice();
        copy[at]! ^= bit;
        net.inject(b, copy, { address: A, port: 1701 });
        changed++;
      }
    }
    assert.equal(b.events.filter(({ type }) => type !== "refused").length, before);
    const refused = (drops(b)["digest-wrong"] ?? 0) + (drops(b)["digest-missing"] ?? 0) - counted;
    assert.equal(refused, changed);
    assert.equal(callsUp(b).length, 2);
  }
});

Deno.test("Lcce is not moved by a replay of a whole session, in it or after it (v3)", () => {
  const settings = testSettings({ version: 3, secret: right });
  const { net, a, b } = pair(settings);
  const seen: Uint8Array[] = [];
  net.tap = (from, _to, data) => (from === A && seen.push(data.slice()), true);
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
  net.run(5000);
  net.tap = undefined;
  const tunnel = up(b)[0]!;
  for (const data of seen) net.inject(b, data, { address: A, port: 1701 });
  net.run(6000);
  assert.deepEqual(up(b), [tunnel], "a replay changes nothing");
  assert.equal(callsUp(b).length, 1);
  assert.equal([...b.lcce.connections()].length, 2, "and its SCCRQ alone is answered");
  a.lcce.closeConnection(connection, { result: 1 }, net.now);
  net.run(400_000);
  const wrongBefore = drops(b)["digest-wrong"] ?? 0;
  for (const data of seen) net.inject(b, data, { address: A, port: 1701 });
  net.run(net.now + 100);
  // The SCCRQ alone is answered, with a new nonce: what else there is to replay does not fit that.
  assert.deepEqual(connectionStates(b).at(-1), "wait-ctl-conn");
  assert.ok((drops(b)["unknown-connection"] ?? 0) + (drops(b)["digest-wrong"] ?? 0) > wrongBefore);
  assertIdle({ net, a, b });
  assert.deepEqual(sessions(b).length, 1);
});

Deno.test("Lcce.receive() refuses another session's messages on a connection that is new (v3)", () => {
  const settings = testSettings({ version: 3, secret: right });
  const { net, a, b } = pair(settings);
  const seen: Uint8Array[] = [];
  net.tap = (from, _to, data) => (from === A && seen.push(data.slice()), true);
  a.lcce.dial(settings, net.path(A, B), 0);
  net.run(1000);
  a.lcce.closeConnection(up(a)[0]!.handle, { result: 1 }, net.now);
  net.run(300_000);
  net.tap = undefined;
  a.lcce.dial(settings, net.path(A, B), net.now);
  net.run(net.now + 1000);
  const { localId } = up(b)[0]!;
  // The same messages, aimed at the new connection: their digests were made with other nonces.
  for (const data of seen.slice(1)) {
    new DataView(data.buffer).setUint32(4, localId);
    net.inject(b, data, { address: A, port: 1701 });
  }
  assert.equal(drops(b)["digest-wrong"], seen.length - 1);
  assert.equal(up(b).length, 1);
});

Deno.test("Lcce goes over to a new secret without a pause: either end first (v3)", () => {
  const before = secretOf("old");
  const after = secretOf("new");
  const steps: readonly [Partial<PeerSettings>, Partial<PeerSettings>][] = [
    [{ secret: before }, { secret: before }],
    [{ secret: before, otherSecret: after }, { secret: before }],
    [{ secret: after, otherSecret: before }, { secret: before }],
    [{ secret: after, otherSecret: before }, { secret: after, otherSecret: before }],
    [{ secret: after, otherSecret: before }, { secret: before, otherSecret: after }],
    [{ secret: after }, { secret: before, otherSecret: after }],
    [{ secret: after }, { secret: after }],
  ];
  for (const [i, [mine, theirs]] of steps.entries()) {
    for (const digest of [0, 1] as const) {
      for (const [one, other] of [[mine, theirs], [theirs, mine]] as const) {
        const base = { version: 3, digest } as const;
        const { net, a, b } = connected(testSettings({ ...base, ...one }), {
          theirs: testSettings({ ...base, ...other }),
        });
        net.run(net.now + 200_000);
        assert.equal(callsUp(a).length, 1, `step ${i}`);
        assert.deepEqual([drops(a), drops(b)], [{}, {}], `step ${i}`);
      }
    }
  }
});

Deno.test("Lcce hides AVPs with the secret that both have, while secrets change (v3)", () => {
  const before = secretOf("old");
  const after = secretOf("new");
  const hiding = { version: 3, hideAvps: true } as const;
  const changing = testSettings({ ...hiding, secret: after, otherSecret: before });
  for (
    const other of [
      { secret: before },
      { secret: after },
      { secret: before, otherSecret: after },
      { secret: after, otherSecret: before },
    ]
  ) {
    const theirs = testSettings({ ...hiding, ...other });
    const { net, a, b } = connected(changing, { theirs });
    assert.deepEqual([drops(a), drops(b)], [{}, {}]);
    // A side that has one secret only may hide its SCCRQ: the other reads it with the one that the digest fits.
    const back = b.lcce.dial({ ...theirs, tieBreaker: false }, net.path(B, A), net.now);
    net.run(net.now + 1000);
    assert.equal(b.lcce.connection(back)?.state, "established");
  }
});

Deno.test("Lcce sends a digest of the empty secret over IP 115, and drops what does not fit its digest", () => {
  const settings = testSettings({ version: 3 });
  const { net, a } = pair(settings);
  const path = { ...net.path(A, B), encap: "ip", remote: { address: B, port: 0 } } as const;
  const sent: Uint8Array[] = [];
  net.tap = (_from, _to, data) => (sent.push(data), false);
  a.lcce.dial(settings, path, 0);
  net.run(100);
  const { body } = parseHeader(sent[0]!);
  const parsed = parseBody(body, { version: 3 });
  assert.ok(parsed.kind === "message" && parsed.message.avps.messageDigest);
  assert.equal(parsed.message.avps.nonce, undefined, "that would ask for authentication");
  const empty = new Uint8Array(0);
  assert.equal(verify(sent[0]!, [secretOf("guess")], [empty, empty]).verdict, "wrong");
});

Deno.test("Lcce hides neither assigned ids nor anything in an SCCRQ, unless it is to hide all", () => {
  for (const version of versions) {
    for (const hideAvps of [true, "all"] as const) {
      const settings = testSettings({ version, hideAvps, secret: secretOf("s") });
      const { net, a, b } = pair(settings);
      const sent: { readonly type: number; readonly body: Uint8Array }[] = [];
      net.tap = (_from, _to, data) => {
        const { body } = parseHeader(data);
        if (body.length > 0) sent.push({ type: messageTypeOf(body)!, body });
        return true;
      };
      const connection = a.lcce.dial(settings, net.path(A, B), net.now);
      a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
      net.run(net.now + 1_000);
      assert.equal(sessions(b).length, 1);
      const label = `v${version}, ${hideAvps}`;
      const hidden = (type: keyof typeof messageTypes) =>
        sent.filter((one) => one.type === messageTypes[type]).flatMap(({ body }) =>
          hiddenTypes(body)
        );
      const ids = version === 2 ? [9, 14] : [61, 63, 64];
      assert.equal(hidden("SCCRQ").length > 0, hideAvps === "all", label);
      for (const type of ["SCCRP", "ICRQ", "ICRP"] as const) {
        assert.ok(
          type === "ICRP" || hidden(type).some((id) => !ids.includes(id)),
          `${label}: ${type} hides something`,
        );
        assert.equal(
          hidden(type).some((id) => ids.includes(id)),
          hideAvps === "all",
          `${label}: ${type}`,
        );
      }
    }
  }
});

/** The Attribute Types of a body's AVPs whose H bit is set (RFC 2661 §4.1). */
function hiddenTypes(body: Uint8Array): number[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const types: number[] = [];
  for (let at = 0; at < body.length; at += view.getUint16(at) & 0x3ff) {
    if ((view.getUint16(at) & 0x4000) !== 0) types.push(view.getUint16(at + 4));
  }
  return types;
}
