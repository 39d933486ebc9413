/** The ways down: StopCCN and CDN with their results, in every state, and what comes after. */

import assert from "node:assert/strict";
import { CdnResult, type Result, StopResult } from "../../core/errors.ts";
import { emitMessage, parseHeader } from "../../core/wire/header.ts";
import { emitBody } from "../../core/wire/message.ts";
import { dialects, messageOf } from "../../core/dialect.ts";
import { perfect, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  assertIdle,
  B,
  callCauses,
  callsUp,
  connected,
  connectionCauses,
  connectionStates,
  drops,
  eventsOf,
  pair,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

const details: readonly Partial<Result>[] = [
  {},
  { error: 0 },
  { error: 4, message: "no more memory" },
  { error: 9, message: "10.0.0.7, 10.0.0.8" },
];

Deno.test("Lcce.closeConnection() tells the peer every result, error code and message", () => {
  for (const version of versions) {
    for (const code of Object.values(StopResult)) {
      for (const detail of details) {
        for (const byA of [true, false]) {
          const settings = testSettings({ version });
          const { net, a, b } = connected(settings);
          const [self, other] = byA ? [a, b] : [b, a];
          const result = { result: code, ...detail };
          self.lcce.closeConnection(up(self)[0]!.handle, result, net.now);
          net.run(net.now + 1000);
          assert.deepEqual(connectionCauses(self), [{ by: "local", result }]);
          assert.deepEqual(connectionCauses(other), [{ by: "peer", result }]);
          assert.deepEqual(callCauses(self), [{ by: "connection", result }]);
          assert.deepEqual(callCauses(other), [{ by: "connection", result }]);
          assertIdle({ net, a, b });
        }
      }
    }
  }
});

Deno.test("Lcce.closeCall() tells the peer every result, error code and message, and leaves the tunnel up", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a, b, connection } = connected(settings);
    for (const code of Object.values(CdnResult)) {
      for (const detail of details) {
        for (const byA of [true, false]) {
          const fresh = a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
          net.run(net.now + 500);
          const [self, other] = byA ? [a, b] : [b, a];
          const theirs = eventsOf(b, "call-requested").at(-1)!.call;
          const result = { result: code, ...detail };
          self.lcce.closeCall(byA ? fresh : theirs, result, net.now);
          net.run(net.now + 500);
          assert.deepEqual(callCauses(self).at(-1), { by: "local", result });
          assert.deepEqual(callCauses(other).at(-1), { by: "peer", result });
        }
      }
    }
    assert.equal(callsUp(a).length, 1, "the first call is still up");
    assert.equal(callsUp(b).length, 1);
  }
});

Deno.test("Lcce.closeCall() ends a call at each step of its way, and the peer's end with it", () => {
  for (const version of versions) {
    for (const answer of ["never", "late"] as const) {
      for (let delay = 0; delay <= 60; delay += 5) {
        const settings = testSettings({ version });
        const { net, a, b } = pair(settings);
        b.onEvent = (event, now) => {
          if (event.type === "call-requested" && answer === "late") {
            b.lcce.acceptCall(event.call, testCall(), now);
            b.lcce.proceed(event.call, now);
          }
        };
        const connection = a.lcce.dial(settings, net.path(A, B), 0);
        net.run(1000);
        const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
        net.run(net.now + delay);
        a.lcce.closeCall(call, { result: CdnResult.Administrative }, net.now);
        net.run(net.now + 1000);
        assert.deepEqual(callsUp(a), []);
        assert.deepEqual([...up(b)[0]!.calls.values()], [], `${delay} ms`);
        assert.equal(up(a).length, 1);
      }
    }
  }
});

Deno.test("Lcce rejects a call that its owner does not want, and counts nothing as an error", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a, b } = pair(settings);
    const busy = { result: version === 2 ? CdnResult.Busy : CdnResult.NoFacilitiesEver };
    b.onEvent = (event, now) => {
      if (event.type === "call-requested") b.lcce.closeCall(event.call, busy, now);
    };
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
    net.run(1000);
    assert.deepEqual(callCauses(a), [{ by: "peer", result: busy }]);
    assert.equal(up(a).length, 1);
    assert.deepEqual([drops(a), drops(b)], [{}, {}]);
  }
});

Deno.test("Lcce repeats its StopCCN until it is acknowledged, and the other side repeats the acknowledgement", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a, b } = connected(settings);
    let deaf = true;
    net.tap = (from) => !(deaf && from === B);
    a.lcce.closeConnection(up(a)[0]!.handle, { result: 1 }, net.now);
    net.run(net.now + 10_000);
    assert.equal(connectionStates(b).at(-1), "closed");
    assert.equal(connectionStates(a).at(-1), "stopping", "not acknowledged yet");
    deaf = false;
    net.run(net.now + 10_000);
    assert.equal(connectionStates(a).at(-1), "closed");
    assert.equal(connectionCauses(a).length, 1, "one cause");
    assertIdle({ net, a, b });
  }
});

Deno.test("Lcce sends its StopCCN ahead of what still waits, and nothing after it", () => {
  for (const version of versions) {
    for (const byA of [true, false]) {
      const settings = testSettings({ version, receiveWindow: 4 });
      const { net, a, b } = pair(settings);
      const connection = a.lcce.dial(settings, net.path(A, B), 0);
      net.run(1000);
      const types: number[] = [];
      net.tap = (from, _to, data) => {
        const { body } = parseHeader(data);
        if (from === A && body.length > 0) types.push(body[7]!);
        return true;
      };
      // More than are set up at once: ending the first of them must not start the others.
      for (let i = 0; i < 600; i++) {
        a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `${i}` }), net.now);
      }
      net.run(net.now + 50);
      const self = byA ? a : b;
      self.lcce.closeConnection(up(self)[0]!.handle, { result: 6 }, net.now);
      net.run(net.now + 30);
      const sent = types.length;
      net.run(net.now + 10_000);
      const later = types.slice(sent).filter((type) => type !== 20);
      assert.deepEqual(later, [], "nothing goes once both have stopped");
      if (byA) assert.equal(types.filter((type) => type !== 20).at(-1), 4);
      assert.equal(callCauses(a).length, 600);
      assertIdle({ net, a, b });
    }
  }
});

Deno.test("Lcce lets both sides stop at the same time", () => {
  for (const version of versions) {
    const { net, a, b } = connected(testSettings({ version }));
    a.lcce.closeConnection(up(a)[0]!.handle, { result: 6 }, net.now);
    b.lcce.closeConnection(up(b)[0]!.handle, { result: 6 }, net.now);
    net.run(net.now + 1000);
    for (const node of [a, b]) {
      assert.deepEqual(connectionStates(node).slice(2), ["stopping", "closed"]);
    }
    assertIdle({ net, a, b });
  }
});

Deno.test("Lcce gives up a StopCCN that nobody acknowledges after a full retransmission cycle", () => {
  for (const version of versions) {
    const { net, a, b } = connected(testSettings({ version, attempts: 5 }));
    b.unreachable = true;
    a.lcce.closeConnection(up(a)[0]!.handle, { result: 1 }, net.now);
    const since = net.now;
    net.run(since + 400_000, () => connectionStates(a).at(-1) === "closed");
    assert.ok(net.now - since >= 22_000 && net.now - since <= 32_000, `${net.now - since} ms`);
    b.unreachable = false;
    assertIdle({ net, a, b });
    assert.equal(connectionCauses(b)[0]?.by, "timeout");
  }
});

Deno.test("Lcce drops a dialed connection at once when told to, and refuses an answer that comes late", () => {
  for (const version of versions) {
    for (const secret of [undefined, secretOf("s")]) {
      const settings = testSettings({ version, ...(secret && { secret }) });
      const { net, a, b } = pair(settings, { conditions: { ...perfect, delayMs: [500, 500] } });
      const connection = a.lcce.dial(settings, net.path(A, B), 0);
      net.run(600);
      a.lcce.closeConnection(connection, { result: 1 }, net.now);
      net.run(700);
      assert.deepEqual(connectionStates(a), ["wait-ctl-reply", "closed"]);
      net.run(5_000);
      assert.deepEqual(connectionStates(b), ["wait-ctl-conn", "closed"]);
      assert.deepEqual(connectionCauses(b), [{ by: "peer", result: { result: 1 } }]);
      assertIdle({ net, a, b });
    }
  }
});

Deno.test("Lcce takes a StopCCN to tunnel id 0 by the sender's own id, where nobody shares a secret", () => {
  for (const version of versions) {
    for (const secret of [undefined, secretOf("s")]) {
      const settings = testSettings({ version, attempts: 3, ...(secret && { secret }) });
      const { net, a, b } = connected(settings);
      const stop = messageOf(
        version,
        "StopCCN",
        dialects[version].stop(up(a)[0]!.localId, { result: 6 }),
      );
      const header = { version, connectionId: 0, sessionId: 0, ns: 4, nr: 3 };
      net.inject(b, emitMessage(header, emitBody(stop)), { address: A, port: 1701 });
      net.run(net.now + 1000);
      if (!secret) {
        assert.deepEqual(connectionCauses(b), [{ by: "peer", result: { result: 6 } }]);
        continue;
      }
      // Anybody can say that: v3's has no digest, and v2's nothing that could be right.
      assert.equal(callsUp(b).length, 1);
      assert.deepEqual(drops(b), { [version === 2 ? "unproven-stop" : "digest-missing"]: 1 });
    }
  }
});

Deno.test("Lcce lets who began something take it back by a StopCCN to tunnel id 0, its own id hidden or not (v2)", () => {
  for (const hideAvps of [false, true]) {
    const settings = testSettings({ version: 2, secret: secretOf("s"), hideAvps });
    const { net, a, b } = pair(settings);
    a.lcce.dial(settings, net.path(A, B), net.now);
    const said: Uint8Array[] = [];
    net.tap = (from, _to, data) => (from === A && said.push(data.slice()), from === A);
    net.run(15);
    assert.deepEqual(connectionStates(b), ["wait-ctl-conn"]);
    // The Message Type of what it said first, changed to StopCCN, with the Result Code that this needs.
    const { body } = parseHeader(said[0]!);
    const stop = Uint8Array.of(...body, 0x80, 8, 0, 0, 0, 1, 0, 1);
    stop[7] = 4;
    const header = { version: 2, connectionId: 0, sessionId: 0, ns: 1, nr: 0 } as const;
    net.inject(b, emitMessage(header, stop), { address: A, port: 1701 });
    assert.deepEqual(connectionStates(b), ["wait-ctl-conn", "closed"]);
    assert.deepEqual([...b.lcce.connections()], []);
  }
});

Deno.test("Lcce takes a StopCCN to tunnel id 0 as the answer to its SCCRQ", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a } = pair(settings);
    net.tap = () => false;
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(100);
    const stop = messageOf(version, "StopCCN", dialects[version].stop(77, { result: 4 }));
    const header = { version, connectionId: 0, sessionId: 0, ns: 0, nr: 1 };
    net.inject(a, emitMessage(header, emitBody(stop)), { address: B, port: 1701 });
    assert.deepEqual(connectionCauses(a), [{ by: "peer", result: { result: 4 } }]);
    net.inject(a, emitMessage(header, emitBody(stop)), { address: "10.3.3.3", port: 1701 });
    assert.equal(drops(a)["unknown-connection"], 1, "from elsewhere it is nobody's");
  }
});

Deno.test("Lcce takes a v2 CDN with session id 0 in its header by the sender's session id", () => {
  const { net, a, b } = connected(testSettings());
  const session = sessions(a)[0]!;
  const tunnel = up(b)[0]!;
  const body = emitBody(messageOf(2, "CDN", {
    resultCode: { result: 3 },
    assignedSessionId: session.localSessionId,
  }));
  const { ns, nr } = lastNumbers(net, () => {
    a.lcce.placeCall(up(a)[0]!.handle, "incoming-caller", testCall(), net.now);
    net.run(net.now + 1000);
  });
  const header = { version: 2, connectionId: tunnel.localId, sessionId: 0, ns, nr } as const;
  net.inject(b, emitMessage(header, body), { address: A, port: 1701 });
  assert.deepEqual(callCauses(b), [{ by: "peer", result: { result: 3 } }]);
  assert.equal(callsUp(b).length, 1, "the other call stays");
});

/** Ns and Nr of the next message from A, after something was done. */
function lastNumbers(net: ReturnType<typeof pair>["net"], act: () => void) {
  let ns = 0, nr = 0;
  net.tap = (from, _to, data) => {
    const { header, body } = parseHeader(data);
    if (from === A) [ns, nr] = [header.ns + (body.length > 0 ? 1 : 0), header.nr];
    return true;
  };
  act();
  net.tap = undefined;
  return { ns, nr };
}

Deno.test("Lcce.placeCall() ends the call at once where the connection has ended or is full", () => {
  for (const version of versions) {
    const settings = testSettings({ version, callLimit: 1 });
    const { net, a, connection } = connected(settings);
    const second = a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
    net.run(net.now);
    assert.deepEqual(callCauses(a), [{ by: "local", result: { result: 4 } }]);
    assert.equal(a.lcce.call(second), undefined);
    a.lcce.closeConnection(connection, { result: 1 }, net.now);
    a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
    net.run(net.now);
    assert.equal(callCauses(a).at(-1)?.by, "connection");
    net.run(net.now + 400_000);
    assert.deepEqual([...a.lcce.connections()], []);
    const gone = a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
    net.run(net.now);
    const last = eventsOf(a, "call-state").at(-1)!;
    assert.deepEqual(last.call, gone);
    assert.equal(last.cause?.by, "connection");
    assert.throws(() => a.lcce.placeCall(99, "incoming-caller", testCall(), net.now), /never/);
  }
});

Deno.test("Lcce refuses a call beyond the limit with CDN 4", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a, b, connection } = connected(settings, {
      theirs: testSettings({ version, callLimit: 1 }),
    });
    a.lcce.placeCall(connection, "incoming-caller", testCall({ name: "2" }), net.now);
    net.run(net.now + 1000);
    assert.deepEqual(callCauses(a), [{ by: "peer", result: { result: 4 } }]);
    assert.equal(callsUp(b).length, 1);
  }
});

Deno.test("Lcce ends a connection whose queue is full with a result, and loses no message silently", () => {
  for (const version of versions) {
    // A queue of 4 × 1 + 64 messages, and a peer that acknowledges nothing from some time on.
    const settings = testSettings({ version, callLimit: 1, receiveWindow: 200, attempts: 30 });
    const { net, a, connection } = connected(settings);
    net.tap = (from) => from === A;
    for (let i = 0; i < 100; i++) {
      a.lcce.setCircuitStatus(handleOf(a), i % 2 === 0, net.now);
      if (version === 2) {
        a.lcce.tell(handleOf(a), "SLI", { accm: { send: i, receive: i } }, net.now);
      }
    }
    net.run(net.now + 100);
    assert.deepEqual(
      connectionCauses(a).map(({ by, result }) => [by, result.result, result.error]),
      [
        ["local", StopResult.GeneralError, 4],
      ],
    );
    assert.match(connectionCauses(a)[0]!.result.message!, /acknowledgement/);
    assert.equal(callCauses(a).length, 1);
    assert.ok(a.lcce.connection(connection), "and its StopCCN is on the way");
  }
});

function handleOf(node: ReturnType<typeof pair>["a"]) {
  const [connection] = [...node.lcce.connections()];
  const localSessionId = sessions(node)[0]!.localSessionId;
  return { connection: connection!.handle, localSessionId };
}

Deno.test("Lcce gives up a call that is not answered in time, on both sides", () => {
  for (const version of versions) {
    const settings = testSettings({ version, callMs: 20_000 });
    const { net, a, b } = pair(settings, { theirs: testSettings({ version, callMs: 30_000 }) });
    b.onEvent = undefined;
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    a.lcce.placeCall(connection, "incoming-caller", testCall(), 0);
    net.run(60_000);
    const result = version === 2 ? CdnResult.TimedOut : CdnResult.FsmError;
    assert.deepEqual(callCauses(a).map((one) => [one.by, one.result.result]), [[
      "timeout",
      result,
    ]]);
    assert.deepEqual(callCauses(b).map((one) => [one.by, one.result.result]), [["peer", result]]);
    assert.equal(up(a).length, 1);
  }
});
