/** Tunnels and sessions come up, and go down. */

import assert from "node:assert/strict";
import { PseudowireType } from "../../core/pseudowire.ts";
import { testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  acceptEverything,
  assertIdle,
  B,
  callCauses,
  connected,
  connectionCauses,
  connectionStates,
  drops,
  generous,
  pair,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

for (const version of versions) {
  for (const secret of [undefined, secretOf("secret")]) {
    for (const hideAvps of secret ? [false, true] : [false]) {
      const label = `v${version}, ${secret ? "a" : "no"} secret${hideAvps ? ", AVPs hidden" : ""}`;
      Deno.test(`Lcce brings a tunnel and a session up and down (${label})`, () => {
        const settings = testSettings({ version, hideAvps, ...(secret && { secret }) });
        const { net, a, b, call } = connected(settings);
        assert.deepEqual(connectionStates(a), ["wait-ctl-reply", "established"]);
        assert.deepEqual(connectionStates(b), ["wait-ctl-conn", "established"]);
        const [ours] = sessions(a);
        const [theirs] = sessions(b);
        assert.equal(ours!.localSessionId, theirs!.remoteSessionId);
        assert.equal(ours!.remoteSessionId, theirs!.localSessionId);
        assert.deepEqual(ours!.sendCookie, theirs!.receiveCookie);
        assert.equal(ours!.lns, false);
        assert.equal(theirs!.lns, true);
        a.lcce.closeCall(call, { result: 3 }, net.now);
        net.run(net.now + 1000);
        assert.deepEqual(callCauses(b), [{ by: "peer", result: { result: 3 } }]);
        const bye = { result: 6, error: 0, message: "bye" };
        b.lcce.closeConnection(up(b)[0]!.handle, bye, net.now);
        net.run(net.now + 1000);
        assert.deepEqual(connectionStates(a).slice(2), ["closed"]);
        assert.deepEqual(connectionStates(b).slice(2), ["stopping", "closed"]);
        assert.deepEqual(connectionCauses(a), [{ by: "peer", result: bye }]);
        assertIdle({ net, a, b });
        assert.deepEqual([drops(a), drops(b)], [{}, {}]);
      });
    }
  }
}

Deno.test("Lcce hands each side what the other requires (v3)", () => {
  const settings = testSettings({ version: 3 });
  const { net, a, b } = pair(settings, {
    answer: testCall({ cookie: Uint8Array.of(9, 8, 7, 6), l2spec: "none", sequencing: false }),
  });
  const connection = a.lcce.dial(settings, net.path(A, B), 0);
  const asked = testCall({ pseudowireType: PseudowireType.EthernetVlan, sequencing: true });
  a.lcce.placeCall(connection, "incoming-caller", asked, 0);
  net.run(1000);
  const [[ours], [theirs]] = [sessions(a), sessions(b)];
  for (const session of [ours!, theirs!]) {
    assert.equal(session.pseudowireType, PseudowireType.EthernetVlan);
  }
  assert.deepEqual(ours!.sendCookie, Uint8Array.of(9, 8, 7, 6));
  assert.deepEqual(ours!.receiveCookie, asked.cookie);
  assert.deepEqual([ours!.receiveL2spec, ours!.sendL2spec], ["default", "none"]);
  assert.deepEqual([theirs!.receiveL2spec, theirs!.sendL2spec], ["none", "default"]);
  assert.deepEqual([ours!.receiveSequence, ours!.sendSequence], [true, false]);
  assert.deepEqual([theirs!.receiveSequence, theirs!.sendSequence], [false, true]);
});

Deno.test("Lcce carries 200 calls at once on one tunnel", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const conditions = { loss: 0.05, duplication: 0.05, delayMs: [5, 50] as const };
    const { net, a, b } = pair(settings, { seed: 7, conditions });
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    for (let i = 0; i < 200; i++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `${i}` }), 0);
    }
    net.run(600_000, () => sessions(a).length === 200 && sessions(b).length === 200);
    const ids = (node: typeof a) => new Set(sessions(node).map((one) => one.localSessionId));
    assert.equal(ids(a).size, 200);
    assert.equal(ids(b).size, 200);
  }
});

Deno.test("Lcce carries 1,000 calls on a tunnel without loss in a few seconds", () => {
  for (const version of versions) {
    const settings = testSettings({ version, receiveWindow: 64 });
    const { net, a, b } = pair(settings);
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    for (let i = 0; i < 1000; i++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `${i}` }), 0);
    }
    net.run(5_000);
    assert.equal(sessions(b).length, 1000);
    assert.equal(sessions(a).length, 1000);
    assert.equal(up(a)[0]!.counters.retransmitted, 0);
  }
});

Deno.test("Lcce takes the answer of a responder that picks another port, and stays with it", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a, b } = pair(settings);
    b.port = 40_000;
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(1000);
    assert.equal(up(a)[0]?.path.remote.port, 40_000);
    assert.equal(up(b).length, 1);
    b.port = 40_001;
    const before = drops(a)["wrong-source"] ?? 0;
    b.lcce.closeConnection(up(b)[0]!.handle, { result: 1 }, net.now);
    net.run(net.now + 500);
    assert.ok(drops(a)["wrong-source"]! > before, "a port that was never agreed on");
    assert.equal(up(a).length, 1);
  }
});

Deno.test("Lcce tells several peers behind one address apart", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, b } = pair(settings);
    const NAT = "10.9.9.9";
    const policy = () => ({ kind: "accept", settings }) as const;
    const many = Array.from({ length: 20 }, (_, i) => {
      const node = net.add(NAT, { policy, limits: generous }, 30_000 + i);
      acceptEverything(node);
      const connection = node.lcce.dial(settings, net.path(NAT, B), net.now);
      node.lcce.placeCall(connection, "incoming-caller", testCall({ name: `${i}` }), net.now);
      return node;
    });
    net.run(net.now + 5000);
    for (const node of many) assert.equal(sessions(node).length, 1);
    assert.equal(up(b).length, 20);
    assert.equal(new Set(up(b).map(({ path }) => path.remote.port)).size, 20);
  }
});

Deno.test("Lcce answers an SCCRQ that comes again after its SCCRP with an acknowledgement, not with a second connection", () => {
  for (const version of versions) {
    for (const hideAvps of [false, true]) {
      const settings = testSettings({ version, hideAvps, secret: secretOf("s") });
      const { net, a, b } = pair(settings);
      let request: Uint8Array | undefined;
      net.tap = (from, _to, data) => {
        if (from === A) request ??= data;
        return from === A;
      };
      a.lcce.dial(settings, net.path(A, B), 0);
      net.run(9_000);
      assert.ok(request);
      assert.equal([...b.lcce.connections()].length, 1, "one connection, however often it comes");
      net.tap = undefined;
      net.run(60_000);
      assert.equal(up(a).length, 1);
      assert.equal(up(b).length, 1);
    }
  }
});

Deno.test("Lcce gives ids that do not repeat soon and cannot be guessed", () => {
  const settings = testSettings({ version: 2 });
  const { net, a } = pair(settings);
  const ids: number[] = [];
  for (let i = 0; i < 200; i++) {
    const handle = a.lcce.dial(settings, net.path(A, "10.1.1.1"), net.now);
    const connection = a.lcce.connection(handle)!;
    ids.push(connection.localId);
    connection.discard({ by: "local", result: { result: 1 } }, net.now);
  }
  assert.equal(new Set(ids).size, 200);
  const steps = ids.slice(1).map((id, i) => id - ids[i]!);
  assert.ok(new Set(steps).size > 190, "no pattern");
});

Deno.test("an LNS whose LAC does not say Sequencing Required numbers, and takes frames without (v2)", () => {
  const settings = testSettings({ version: 2 });
  for (const required of [false, true]) {
    const { net, a, b } = pair(settings, { answer: testCall({ sequencing: true }) });
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    a.lcce.placeCall(connection, "incoming-caller", testCall({ sequencing: required }), 0);
    net.run(1_000);
    const [lac, lns] = [sessions(a)[0]!, sessions(b)[0]!];
    assert.deepEqual([lns.receiveSequence, lns.sendSequence], [required, true]);
    assert.deepEqual([lac.receiveSequence, lac.sendSequence], [required, required]);
  }
});
