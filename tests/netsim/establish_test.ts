import assert from "node:assert/strict";
import type { LcceEvent } from "../../core/events.ts";
import type { ProtoVersion } from "../../core/pseudowire.ts";
import type { PeerSettings } from "../../core/settings.ts";
import {
  type Conditions,
  Netsim,
  type Node,
  perfect,
  testCall,
  testSettings,
} from "../../core/testing.ts";

const A = "10.0.0.1";
const B = "10.0.0.2";
const limits = { halfOpen: 1000, halfOpenPerAddress: 1000, requestsPerSecond: 1e6 };

interface Pair {
  readonly net: Netsim;
  readonly a: Node;
  readonly b: Node;
}

/** Two LCCEs; both accept each other, and every call. */
function pair(seed: number, conditions: Conditions, settings: PeerSettings): Pair {
  const net = new Netsim(seed, conditions);
  const policy = () => ({ kind: "accept" as const, settings });
  const a = net.add(A, { policy, limits });
  const b = net.add(B, { policy, limits });
  for (const node of [a, b]) {
    node.onEvent = (event, now) => {
      if (event.type === "call-requested") node.lcce.acceptCall(event.call, testCall(), now);
    };
  }
  return { net, a, b };
}

function established(events: readonly LcceEvent[]): number {
  return events.filter((event) => event.type === "call-state" && event.state === "established")
    .length;
}

function connectionStates(node: Node): string[] {
  return node.events.flatMap((event) => event.type === "connection-state" ? [event.state] : []);
}

for (const version of [2, 3] as ProtoVersion[]) {
  for (const secret of [undefined, new TextEncoder().encode("secret")]) {
    for (const hideAvps of secret ? [false, true] : [false]) {
      const label = `v${version}, ${secret ? "a" : "no"} secret${hideAvps ? ", AVPs hidden" : ""}`;
      Deno.test(`Lcce brings a tunnel and a session up and down (${label})`, () => {
        const settings = testSettings({ version, hideAvps, ...(secret && { secret }) });
        const { net, a, b } = pair(1, perfect, settings);
        const connection = a.lcce.dial(settings, net.path(A, B), net.now);
        const call = a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
        net.run(1000);
        assert.deepEqual(connectionStates(a), ["wait-ctl-reply", "established"]);
        assert.deepEqual(connectionStates(b), ["wait-ctl-conn", "established"]);
        const [ours, theirs] = [a, b].map((node) =>
          node.events.flatMap((event) =>
            event.type === "call-state" && event.session ? [event.session] : []
          )
        );
        assert.equal(ours!.length, 1);
        assert.equal(theirs!.length, 1);
        assert.equal(ours![0]!.localSessionId, theirs![0]!.remoteSessionId);
        assert.equal(ours![0]!.remoteSessionId, theirs![0]!.localSessionId);
        assert.deepEqual(ours![0]!.sendCookie, theirs![0]!.receiveCookie);
        assert.equal(theirs![0]!.lns, true);
        a.lcce.closeCall(call, { result: 3 }, net.now);
        net.run(2000);
        const closed = b.events.findLast((event) =>
          event.type === "call-state" && event.state === "closed"
        );
        assert.deepEqual(closed?.type === "call-state" && closed.cause, {
          by: "peer",
          result: { result: 3 },
        });
        b.lcce.closeConnection([...b.lcce.connections()][0]!.handle, {
          result: 6,
          error: 0,
          message: "bye",
        }, net.now);
        net.run(200_000);
        assert.deepEqual(connectionStates(a).slice(2), ["closed"]);
        assert.deepEqual(connectionStates(b).slice(2), ["stopping", "closed"]);
        assertIdle({ net, a, b });
      });
    }
  }
}

Deno.test("Lcce agrees with its peer on the outcome under loss, duplication, reordering and delay (1,000 seeds)", () => {
  let failures = 0;
  for (let seed = 0; seed < 1000; seed++) {
    const version: ProtoVersion = seed % 2 === 0 ? 2 : 3;
    const conditions: Conditions = {
      loss: 0.4 * (seed % 11) / 10,
      duplication: seed % 3 === 0 ? 0.3 : 0,
      delayMs: [1, 1 + (seed % 7) * 150],
    };
    const secret = seed % 5 === 0 ? {} : { secret: new TextEncoder().encode("secret") };
    const settings = testSettings({ version, ...secret, helloMs: 20_000 });
    const { net, a, b } = pair(seed, conditions, settings);
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    const calls = 5;
    for (let i = 0; i < calls; i++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `call-${i}` }), 0);
    }
    net.run(300_000, () => established(a.events) + established(b.events) >= 2 * calls);
    // From here the network is good: what is left must come to the same end on both sides.
    net.conditions = perfect;
    net.run(net.now + 300_000);
    const ends = [a, b].map((node) =>
      [...node.lcce.connections()].filter(({ state }) => state === "established")
        .map(({ calls }) =>
          [...calls.values()].filter(({ state }) => state === "established").length
        )
    );
    assert.deepEqual(ends[0], ends[1], `seed ${seed}`);
    if (ends[0]!.length === 0) failures++;
    else assert.deepEqual(ends[0], [calls], `seed ${seed}`);
    for (const node of [a, b]) {
      const up = node.events.flatMap((event) =>
        event.type === "call-state" && event.state === "established"
          ? [event.call.localSessionId]
          : []
      );
      assert.equal(new Set(up).size, up.length, `seed ${seed}: established twice`);
    }
    for (const { handle } of [...a.lcce.connections()]) {
      a.lcce.closeConnection(handle, { result: 1 }, net.now);
    }
    net.run(net.now + 400_000);
    assertIdle({ net, a, b });
  }
  assert.ok(failures < 50, `${failures} of 1,000 never came up`);
});

Deno.test("Lcce carries 200 calls at once on one tunnel", () => {
  for (const version of [2, 3] as ProtoVersion[]) {
    const settings = testSettings({ version });
    const { net, a, b } = pair(7, { loss: 0.05, duplication: 0.05, delayMs: [5, 50] }, settings);
    const connection = a.lcce.dial(settings, net.path(A, B), 0);
    for (let i = 0; i < 200; i++) {
      a.lcce.placeCall(connection, "incoming-caller", testCall({ name: `${i}` }), 0);
    }
    net.run(600_000, () => established(a.events) === 200 && established(b.events) === 200);
    assert.equal(established(a.events), 200);
    assert.equal(established(b.events), 200);
  }
});

Deno.test("Lcce breaks the tie when both sides dial at once", () => {
  for (const version of [2, 3] as ProtoVersion[]) {
    for (let seed = 0; seed < 50; seed++) {
      const settings = testSettings({ version });
      const { net, a, b } = pair(seed, perfect, settings);
      a.lcce.dial(settings, net.path(A, B), 0);
      b.lcce.dial(settings, net.path(B, A), 0);
      net.run(100_000);
      for (const node of [a, b]) {
        assert.equal(
          [...node.lcce.connections()].filter(({ state }) => state === "established").length,
          1,
        );
      }
    }
  }
});

Deno.test("Lcce finds out that its peer is gone, by HELLO", () => {
  for (const version of [2, 3] as ProtoVersion[]) {
    const settings = testSettings({ version, attempts: 5 });
    const { net, a, b } = pair(3, perfect, settings);
    a.lcce.dial(settings, net.path(A, B), 0);
    net.run(1000);
    net.run(400_000);
    assert.deepEqual(connectionStates(a).at(-1), "established", "kept up by HELLO");
    b.unreachable = true;
    net.run(600_000);
    const last = a.events.at(-1);
    assert.equal(last?.type === "connection-state" && last.state, "closed");
    assert.equal(last?.type === "connection-state" && last.cause?.by, "timeout");
  }
});

Deno.test("Lcce refuses a wrong secret, a changed octet, a replayed message and a missing digest (v3)", () => {
  const right = testSettings({ version: 3, secret: new TextEncoder().encode("right") });
  const wrong = { ...right, secret: new TextEncoder().encode("wrong") };
  const dropsOf = (node: Node) => Object.fromEntries(node.lcce.drops());
  {
    const { net, a, b } = pair(1, perfect, right);
    a.lcce.dial(wrong, net.path(A, B), 0);
    net.run(200_000);
    assert.ok(dropsOf(b)["digest-wrong"]! > 0);
    assert.equal([...b.lcce.connections()].length, 0, "no state was made");
  }
  {
    const { net, a, b } = pair(1, perfect, right);
    const { secret: _secret, ...open } = right;
    a.lcce.dial(open, net.path(A, B), 0);
    net.run(200_000);
    assert.ok(dropsOf(b)["digest-missing"]! > 0);
  }
  {
    const { net, a, b } = pair(1, perfect, right);
    const seen: Uint8Array[] = [];
    net.tap = (from, _to, data) => (from === A && seen.push(data), true);
    a.lcce.dial(right, net.path(A, B), 0);
    net.run(5000);
    const before = b.events.length;
    const back = net.path(B, A);
    for (const data of seen) b.lcce.receive(data, back, net.now);
    net.run(6000);
    assert.equal(b.events.length, before, "a replay changes nothing");
    const changed = seen.at(-1)!.slice();
    changed[changed.length - 1]! ^= 1;
    b.lcce.receive(changed, back, net.now);
    assert.ok(dropsOf(b)["digest-wrong"]! > 0);
  }
});

Deno.test("Lcce refuses a wrong secret with StopCCN 4 (v2)", () => {
  const right = testSettings({ secret: new TextEncoder().encode("right") });
  const { net, a, b } = pair(1, perfect, right);
  a.lcce.dial({ ...right, secret: new TextEncoder().encode("wrong") }, net.path(A, B), 0);
  net.run(200_000);
  const last = b.events.findLast((event) =>
    event.type === "connection-state" && event.cause !== undefined
  );
  assert.equal(last?.type === "connection-state" && last.cause?.result.result, 4);
  assertIdle({ net, a, b });
});

/** Nothing is left: no connection, no deadline. */
function assertIdle({ net, a, b }: Pair): void {
  net.run(net.now + 200_000);
  for (const node of [a, b]) {
    assert.deepEqual([...node.lcce.connections()], []);
    assert.equal(node.lcce.deadline(), undefined);
  }
}
