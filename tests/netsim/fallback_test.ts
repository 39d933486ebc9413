/** Version 3 where the peer speaks it, else version 2 (RFC 3931 §4.7.3). */

import assert from "node:assert/strict";
import { parseAvps } from "../../core/wire/avp.ts";
import { dialects, messageOf } from "../../core/dialect.ts";
import { emitMessage, parseHeader } from "../../core/wire/header.ts";
import { emitBody, parseBody } from "../../core/wire/message.ts";
import { PseudowireType } from "../../core/pseudowire.ts";
import { perfect, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  assertIdle,
  B,
  callCauses,
  callsUp,
  connectionCauses,
  connectionStates,
  drops,
  goOn,
  pair,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

const ppp = testCall({ pseudowireType: PseudowireType.Ppp });
const secrets = [undefined, secretOf("s")];

Deno.test("Lcce goes on in the version that the peer answers in, with the calls that were placed before", () => {
  for (const version of versions) {
    for (const secret of secrets) {
      for (const hideAvps of [false, true]) {
        const shared = { hideAvps, ...(secret && { secret }) };
        const mine = testSettings({ version: 3, fallback: true, ...shared });
        const { net, a, b } = pair(mine, { theirs: testSettings({ version, ...shared }) });
        const connection = a.lcce.dial(mine, net.path(A, B), 0);
        const calls = [1, 2, 3].map(() => a.lcce.placeCall(connection, "incoming-caller", ppp, 0))
          .map(({ localSessionId }) => localSessionId);
        assert.ok(calls.every((id) => id <= 0xffff), "ids that both versions can carry");
        net.run(5_000);
        assert.deepEqual(connectionStates(a), ["wait-ctl-reply", "established"]);
        assert.equal(up(a)[0]!.settings.version, version);
        assert.equal(up(b)[0]!.settings.version, version);
        // The three have the same name: in v3 all the same they are calls of their own.
        assert.deepEqual(sessions(a).map(({ localSessionId }) => localSessionId), calls);
        assert.ok(sessions(a).every((session) => session.version === version));
        assert.equal(sessions(b).length, 3);
        a.lcce.placeCall(connection, "incoming-caller", ppp, net.now);
        net.run(net.now + 300_000);
        assert.equal(callsUp(b).length, 4, "kept up by HELLO");
        a.lcce.closeConnection(connection, { result: 1 }, net.now);
        net.run(net.now + 1_000);
        assert.equal(connectionCauses(b)[0]?.by, "peer");
        assertIdle({ net, a, b });
        assert.deepEqual([drops(a), drops(b)], [{}, {}]);
      }
    }
  }
});

Deno.test("Lcce's SCCRQ for both versions has every AVP of v2, and v3's without the M bit", () => {
  const settings = testSettings({ version: 3, fallback: true, secret: secretOf("s") });
  const { net, a } = pair(settings);
  const sent: Uint8Array[] = [];
  net.tap = (_from, _to, data) => (sent.push(data), false);
  a.lcce.dial(settings, net.path(A, B), 0);
  net.run(100);
  const { header, body } = parseHeader(sent[0]!);
  assert.deepEqual(header, { version: 2, connectionId: 0, sessionId: 0, ns: 0, nr: 0 });
  assert.equal(parseBody(body, { version: 2 }).kind, "message");
  assert.equal(parseBody(body, { version: 3 }).kind, "message");
  for (const { type, mandatory } of parseAvps(body)) {
    if (type >= 58) assert.equal(mandatory, false, `AVP ${type}`);
  }
  const types = parseAvps(body).map(({ type }) => type);
  for (const type of [2, 3, 9, 11, 59, 60, 61, 62, 73]) assert.ok(types.includes(type), `${type}`);
});

Deno.test("Lcce says of a call that v2 cannot carry that it cannot be", () => {
  const settings = testSettings({ version: 3, fallback: true });
  const { net, a, b } = pair(settings, { theirs: testSettings({ version: 2 }) });
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
  net.run(5_000);
  assert.deepEqual(callCauses(a).map(({ by, result }) => [by, result.result]), [["local", 5]]);
  assert.match(callCauses(a)[0]!.result.message!, /v2 only/);
  assert.equal(up(b).length, 1);
});

Deno.test("Lcce that fell back knows no session ties: v2 has none", () => {
  const settings = testSettings({ version: 3, fallback: true });
  const { net, a, b } = pair(settings, { theirs: testSettings({ version: 2 }) });
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  b.onEvent = (event, now) => goOn(b, event, now);
  a.lcce.placeCall(connection, "incoming-caller", ppp, 0);
  net.run(1_000);
  b.lcce.placeCall(up(b)[0]!.handle, "incoming-caller", ppp, net.now);
  net.run(net.now + 1_000);
  assert.deepEqual(callCauses(a), [], "the call of the same name still waits for its answer");
  assert.equal(callsUp(b).length, 1, "and that of the peer is up");
});

Deno.test("Lcce that would fall back takes a v2 peer's SCCRQ as well", () => {
  for (const version of versions) {
    const theirs = testSettings({ version: 3, fallback: true });
    const mine = testSettings({ version });
    const { net, a, b } = pair(mine, { theirs });
    const connection = a.lcce.dial(mine, net.path(A, B), 0);
    a.lcce.placeCall(connection, "incoming-caller", ppp, 0);
    net.run(5_000);
    assert.equal(up(b)[0]?.settings.version, version);
    assert.equal(sessions(b).length, 1);
  }
});

Deno.test("Lcce is not talked down to v2 by who does not know the secret, nor by what is no answer", () => {
  const settings = testSettings({ version: 3, fallback: true, secret: secretOf("s") });
  {
    const { net, a, b } = pair(settings, {
      theirs: testSettings({ version: 2, secret: secretOf("wrong") }),
    });
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(100_000);
    assert.deepEqual(connectionCauses(a).map(({ by }) => by), ["timeout"]);
    assert.ok(drops(a)["unproven-fallback"]! >= 1);
    assert.deepEqual(sessions(b), []);
    assertIdle({ net, a, b });
  }
  const { net, a, b } = pair(settings);
  a.lcce.dial(settings, net.path(A, B), 0);
  net.run(15);
  const { ids } = [...a.lcce.connections()][0]!;
  // A bare v2 acknowledgement with our v2 id, before the answer in v3.
  const zlb = Uint8Array.of(0xc8, 2, 0, 12, ids[2]! >> 8, ids[2]! & 255, 0, 0, 0, 0, 0, 1);
  net.inject(a, zlb, { address: B, port: 1701 });
  assert.deepEqual(drops(a), { "wrong-version": 1 });
  const stop = emitBody(messageOf(2, "StopCCN", dialects[2].stop(5, { result: 1 })));
  const header = { version: 2, connectionId: ids[2]!, sessionId: 0, ns: 0, nr: 1 } as const;
  net.inject(a, emitMessage(header, stop), { address: "10.6.6.6", port: 1701 });
  assert.equal(drops(a)["wrong-source"], 1, "nor by who is not the peer");
  net.run(5_000);
  assert.equal(up(a)[0]?.settings.version, 3);
  net.inject(a, zlb, { address: B, port: 1701 });
  assert.equal(drops(a)["unknown-connection"], 1, "the v2 id is free again");
  assert.equal(up(b).length, 1);
});

Deno.test("Lcce falls back, and breaks ties, on a bad network too", () => {
  for (const version of versions) {
    for (const both of [false, true]) {
      for (let seed = 0; seed < 40; seed++) {
        const secret = seed % 2 === 0 ? {} : { secret: secretOf("s") };
        const mine = testSettings({ version: 3, fallback: true, ...secret });
        const theirs = both ? mine : testSettings({ version, ...secret });
        const conditions = { loss: 0.25, duplication: 0.2, delayMs: [1, 300] as const };
        const { net, a, b } = pair(mine, { seed, conditions, theirs });
        a.lcce.dial(mine, net.path(A, B), 0);
        if (both) b.lcce.dial(theirs, net.path(B, A), 0);
        net.run(150_000);
        net.conditions = perfect;
        net.run(500_000);
        assert.ok(up(a).length >= 1, `seed ${seed}`);
        assert.equal(up(a).length, up(b).length, `seed ${seed}`);
        assert.equal(up(a)[0]!.settings.version, both ? 3 : version);
        for (const node of [a, b]) {
          for (const { handle } of up(node)) {
            node.lcce.closeConnection(handle, { result: 1 }, net.now);
          }
        }
        assertIdle({ net, a, b }, `seed ${seed}`);
      }
    }
  }
});
