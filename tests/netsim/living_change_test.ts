/** A peer that is configured anew while its connections are up. */

import assert from "node:assert/strict";
import type { PeerSettings } from "../../core/settings.ts";
import { type Node, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  assertIdle,
  callCauses,
  callsUp,
  connected,
  connectionCauses,
  drops,
  secretOf,
  up,
  versions,
} from "./support.ts";

const [one, two] = [secretOf("one"), secretOf("two")];

/** Hands new settings to all connections of a node. */
function reconfigure({ lcce }: Node, settings: PeerSettings, now: number): void {
  for (const { handle } of lcce.connections()) lcce.reconfigure(handle, settings, now);
}

for (const version of versions) {
  Deno.test(`HELLOs, limits and retransmission change in a living connection (v${version})`, () => {
    const before = testSettings({ version, helloMs: 0, callLimit: 1 });
    const { net, a, b, connection } = connected(before);
    let hellos = 0;
    const tap = (from: string) => from === A ? (hellos++, true) : true;
    net.tap = tap;
    net.run(net.now + 600_000);
    assert.equal(hellos, 0, "no HELLO at first");
    const after = { ...before, helloMs: 10_000, callLimit: 2, retransmitMs: 200, attempts: 2 };
    reconfigure(a, after, net.now);
    reconfigure(b, after, net.now);
    net.run(net.now + 60_000);
    // Either a HELLO of ours every 10 s, or an answer to one of the peer's.
    assert.ok(hellos >= 4 && hellos <= 16, `${hellos} messages in a minute`);
    a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
    net.run(net.now + 2_000);
    assert.equal(callsUp(a).length, 2);
    net.tap = undefined;
    b.unreachable = true;
    net.run(net.now + 10_000 * 1.1 + 3 * 200 + 1000);
    assert.deepEqual(up(a), [], "two attempts, 200 ms and 400 ms, and not five of seconds");
    net.run(net.now + 200_000);
    assertIdle({ net, a, b });
  });
}

Deno.test("v3 signs with a new secret from the next message on, and takes the former one as other-secret", () => {
  const before = testSettings({ version: 3, secret: one, helloMs: 5_000 });
  const { net, a, b, connection } = connected(before);
  reconfigure(b, { ...before, secret: one, otherSecret: two }, net.now);
  reconfigure(a, { ...before, secret: two, otherSecret: one }, net.now);
  net.run(net.now + 30_000);
  reconfigure(b, { ...before, secret: two }, net.now);
  reconfigure(a, { ...before, secret: two }, net.now);
  a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
  net.run(net.now + 60_000);
  assert.deepEqual([connectionCauses(a), connectionCauses(b), callCauses(a)], [[], [], []]);
  assert.deepEqual([callsUp(a).length, callsUp(b).length], [2, 2]);
  assert.deepEqual([drops(a), drops(b)], [{}, {}]);
});

Deno.test("a v3 peer that does not follow to the new secret is not believed any more", () => {
  const before = testSettings({ version: 3, secret: one, helloMs: 5_000, attempts: 3 });
  const { net, a, b } = connected(before);
  reconfigure(a, { ...before, secret: two }, net.now);
  net.run(net.now + 120_000);
  assert.deepEqual(up(a), []);
  assert.ok(Object.keys(drops(b)).length > 0, JSON.stringify(drops(b)));
});

Deno.test("v2's secret, and v3's where authentication begins or ends, count from the next connection on", () => {
  const cases: (readonly [2 | 3, Uint8Array | undefined, Uint8Array | undefined])[] = [
    [2, one, two],
    [2, undefined, two],
    [2, one, undefined],
    [3, undefined, two],
    [3, one, undefined],
  ];
  for (const [version, former, later] of cases) {
    const secret = (value: Uint8Array | undefined) => value ? { secret: value } : {};
    const { net, a, b, connection } = connected(
      testSettings({ version, helloMs: 5_000, ...secret(former) }),
    );
    reconfigure(a, testSettings({ version, helloMs: 5_000, ...secret(later) }), net.now);
    a.lcce.placeCall(connection, "incoming-caller", testCall(), net.now);
    net.run(net.now + 60_000);
    assert.equal(callsUp(a).length, 2, `v${version}`);
    assert.deepEqual([connectionCauses(a), connectionCauses(b)], [[], []], `v${version}`);
  }
});
