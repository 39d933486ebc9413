/** A peer that dies, comes back, or cannot be reached for a while. */

import assert from "node:assert/strict";
import { dialects, messageOf } from "../../core/dialect.ts";
import { emitMessage } from "../../core/wire/header.ts";
import { emitBody } from "../../core/wire/message.ts";
import { type Netsim, type Node, perfect, testCall, testSettings } from "../../core/testing.ts";
import type { PeerSettings } from "../../core/settings.ts";
import {
  A,
  acceptEverything,
  assertIdle,
  B,
  callCauses,
  callsUp,
  connected,
  connectionCauses,
  connectionStates,
  firstIs,
  generous,
  pair,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

/** The peer at A's address again, with nothing of what it knew. */
function restart(net: Netsim, node: Node, settings: PeerSettings): Node {
  net.remove(node);
  const fresh = net.add(node.address, {
    policy: () => ({ kind: "accept", settings }),
    limits: generous,
  });
  acceptEverything(fresh);
  return fresh;
}

Deno.test("Lcce finds out by HELLO that its peer is gone, and when it was reachable again in time, that it is not", () => {
  for (const version of versions) {
    for (const [seconds, survives] of [[30, true], [200, false]] as const) {
      const settings = testSettings({ version, helloMs: 10_000 });
      const { net, a, b } = connected(settings);
      b.unreachable = true;
      net.run(net.now + seconds * 1000);
      b.unreachable = false;
      net.run(net.now + 200_000);
      assert.equal(up(a).length, Number(survives), `${seconds} s`);
      assert.equal(up(b).length, Number(survives), `${seconds} s`);
      assert.equal(callsUp(a).length, Number(survives));
      if (survives) continue;
      for (const node of [a, b]) {
        assert.equal(connectionCauses(node)[0]?.by, "timeout");
        assert.equal(callCauses(node)[0]?.by, "connection");
      }
      assertIdle({ net, a, b });
    }
  }
});

Deno.test("Lcce comes up again with a peer that was killed and restarted, and drops what it had before", () => {
  for (const version of versions) {
    for (const secret of [undefined, secretOf("s")]) {
      const settings = testSettings({ version, helloMs: 10_000, ...(secret && { secret }) });
      const { net, a, b } = connected(settings);
      const again = restart(net, a, settings);
      const connection = again.lcce.dial(settings, net.path(A, B), net.now);
      again.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
      net.run(net.now + 2_000);
      assert.equal(sessions(again).length, 1, "up without waiting for the old one to time out");
      net.run(net.now + 200_000);
      assert.equal(up(b).length, 1, "the old one is gone");
      assert.deepEqual(connectionCauses(b).map(({ by }) => by), ["timeout"]);
      assert.equal(callsUp(b).length, 1);
      assert.equal(callsUp(again).length, 1);
    }
  }
});

Deno.test("Lcce comes up at once with a restarted peer that uses the same ids and ports as before", () => {
  for (const version of versions) {
    // Without a secret nor a tie breaker the new SCCRQ is the old one, octet by octet.
    for (const secret of [undefined, secretOf("s")]) {
      const tieBreaker = secret !== undefined;
      const settings = testSettings({ version, tieBreaker, ...(secret && { secret }) });
      const { net, a, b } = connected(settings);
      net.run(net.now + 20_000);
      const old = up(a)[0]!.localId;
      const again = restartWithId(net, a, settings, old);
      const connection = again.lcce.dial(settings, net.path(A, B), net.now);
      assert.equal(again.lcce.connection(connection)!.localId, old);
      again.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
      net.run(net.now + 5_000);
      assert.equal(sessions(again).length, 1);
      assert.equal(up(b).length, 1);
      assert.equal(up(again).length, 1, "nothing was said to the new one in the old one's name");
      assert.deepEqual(connectionCauses(b).map(({ by }) => by), ["peer"]);
      assert.match(connectionCauses(b)[0]!.result.message!, /anew/);
      net.run(net.now + 300_000);
      assert.equal(callsUp(again).length, 1);
    }
  }
});

/** A restarted peer whose first connection has the id of old: random octets are such. */
function restartWithId(net: Netsim, node: Node, settings: PeerSettings, id: number): Node {
  net.remove(node);
  const fresh = net.add(node.address, {
    policy: () => ({ kind: "accept", settings }),
    limits: generous,
    random: firstIs(id),
  });
  acceptEverything(fresh);
  return fresh;
}

Deno.test("Lcce comes up with a peer that dials again with the same id soon after it hung up", () => {
  for (const version of versions) {
    const settings = testSettings({ version, tieBreaker: false });
    const { net, a, b } = connected(settings);
    const id = up(a)[0]!.localId;
    a.lcce.closeConnection(up(a)[0]!.handle, { result: 1 }, net.now);
    net.run(net.now + 6_000);
    assert.equal([...b.lcce.connections()].length, 1, "the old one still acknowledges");
    const again = restartWithId(net, a, settings, id);
    again.lcce.dial(settings, net.path(A, B), net.now);
    net.run(net.now + 1_000);
    assert.equal(up(again).length, 1);
    assert.equal(up(b).length, 1);
  }
});

Deno.test("Lcce takes a client with a constant tunnel id again at once after StopCCN, whoever said it", () => {
  for (const version of versions) {
    for (const byPeer of [true, false]) {
      // Without a tie breaker the new SCCRQ is the old one, octet by octet.
      const settings = testSettings({ version, tieBreaker: false, retransmitMs: 60_000 });
      const { net, a, b } = connected(settings);
      const id = up(a)[0]!.localId;
      const [node, other] = byPeer ? [a, b] : [b, a];
      node.lcce.closeConnection(up(node)[0]!.handle, { result: 1 }, net.now);
      net.run(net.now + 100, () => up(other).length === 0);
      const again = restartWithId(net, a, settings, id);
      again.lcce.dial(settings, net.path(A, B), net.now);
      net.run(net.now + 100);
      assert.equal(up(again).length, 1, `v${version}, ${byPeer ? "its" : "our"} StopCCN`);
      assert.equal(up(b).length, 1);
    }
  }
});

Deno.test("Lcce takes a client with a constant tunnel id again that died half-way, with what it said before or not", () => {
  for (const version of versions) {
    for (const secret of [undefined, secretOf("s")]) {
      const shared = { version, tieBreaker: false, retransmitMs: 60_000 };
      const settings = testSettings({ ...shared, ...(secret && { secret }) });
      const { net, a, b } = pair(settings);
      const first = restartWithId(net, a, settings, 77);
      first.lcce.dial(settings, net.path(A, B), net.now);
      net.run(net.now + 15);
      assert.deepEqual(connectionStates(b), ["wait-ctl-conn"]);
      const again = restartWithId(net, first, settings, 77);
      // What was under way to the dead one is lost.
      net.run(net.now + 15);
      again.lcce.dial(settings, net.path(A, B), net.now);
      net.run(net.now + 1_000);
      assert.equal(up(again).length, 1, `v${version}, ${secret ? "a" : "no"} secret`);
      assert.equal(up(b).length, 1);
    }
  }
});

Deno.test("Lcce ends no tunnel that is proven for an SCCRQ alone, however often it comes", () => {
  for (const version of versions) {
    const settings = testSettings({ version, tieBreaker: false });
    const { net, b } = connected(settings, {});
    const tunnel = up(b)[0]!;
    const body = emitBody(
      messageOf(
        version,
        "SCCRQ",
        dialects[version].introduce({ settings, localId: tunnel.peerId }),
      ),
    );
    const header = { version, connectionId: 0, sessionId: 0, ns: 0, nr: 0 } as const;
    net.tap = (from) => from !== B;
    for (let i = 0; i < 20; i++) {
      net.inject(b, emitMessage(header, body), { address: A, port: 1701 });
      net.run(net.now + 700);
    }
    assert.deepEqual(up(b), [tunnel]);
    assert.equal(callsUp(b).length, 1);
  }
});

Deno.test("Lcce does not let a forged SCCRQ with a peer's id end that peer's tunnel", () => {
  for (const version of versions) {
    const settings = testSettings({ version });
    const { net, a, b } = connected(settings);
    net.run(net.now + 60_000);
    const id = up(a)[0]!.localId;
    const forger = net.add("10.6.6.6", {
      policy: () => ({ kind: "ignore" }),
      limits: generous,
      random: firstIs(id),
    });
    let forged: Uint8Array | undefined;
    net.tap = (from, _to, data) => {
      if (from === "10.6.6.6") forged ??= data;
      return from !== "10.6.6.6";
    };
    forger.lcce.dial({ ...settings, hostName: "forged" }, net.path("10.6.6.6", B), net.now);
    net.run(net.now + 1);
    net.inject(b, forged!, { address: A, port: 1701 });
    net.run(net.now + 120_000);
    assert.equal(callsUp(a).length, 1);
    assert.equal(callsUp(b).length, 1);
  }
});

Deno.test("Lcce that was cut off while dialing says that it timed out, and leaves nothing", () => {
  for (const version of versions) {
    const settings = testSettings({ version, attempts: 5 });
    const { net, a, b } = connected(settings);
    const before = net.now;
    b.unreachable = true;
    const dialed = a.lcce.dial({ ...settings, tieBreaker: false }, net.path(A, B), before);
    a.lcce.placeCall(dialed, "incoming-caller", testCall(), before);
    net.run(before + 100_000, () => a.lcce.connection(dialed) === undefined);
    const seconds = (net.now - before) / 1000;
    assert.ok(seconds > 20 && seconds < 32, `given up after ${seconds} s`);
    assert.equal(connectionStates(a).at(-1), "closed");
    assert.equal(connectionCauses(a).at(-1)?.by, "timeout");
    assert.equal(callCauses(a).at(-1)?.by, "connection");
    net.conditions = perfect;
  }
});
