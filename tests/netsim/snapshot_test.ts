/** A second LCCE takes over what a first one held: tunnels and calls go on, and the peer notices nothing. */

import assert from "node:assert/strict";
import { Lcce } from "../../core/lcce.ts";
import { type LcceSnapshot, readSnapshot, writeSnapshot } from "../../core/snapshot.ts";
import { type Netsim, type Node, seeded, testCall, testSettings } from "../../core/testing.ts";
import type { PeerSettings } from "../../core/settings.ts";
import {
  A,
  acceptEverything,
  callCauses,
  callsUp,
  connectionCauses,
  eventsOf,
  generous,
  pair,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

const secret = secretOf("correct horse");

/** A's process ends without a word, and another one goes on with what it wrote down. */
function takeOver(net: Netsim, a: Node, settings: PeerSettings, snapshot: LcceSnapshot): Node {
  net.remove(a);
  const next = net.add(A, { policy: () => ({ kind: "accept", settings }), limits: generous });
  acceptEverything(next);
  const left = next.lcce.restore(
    readSnapshot(writeSnapshot(snapshot)),
    () => settings.secret ? { secret: settings.secret } : {},
    ({ path }) => ({ ...path, socket: 7 }),
    net.now,
  );
  assert.deepStrictEqual(left, []);
  return next;
}

/** What is known of Ns and Nr when a snapshot is read. */
const knowledge: Readonly<Record<string, (snapshot: LcceSnapshot) => LcceSnapshot>> = {
  "as they are": (snapshot) => snapshot,
  "old": (snapshot) => withNumbers(snapshot, ({ ns, nr }) => ({ ns: ns - 20, nr: nr - 5 })),
  "not at all": (snapshot) => withNumbers(snapshot, () => undefined),
};

type Numbers = { readonly ns: number; readonly nr: number };

function withNumbers(
  { version, connections }: LcceSnapshot,
  change: (numbers: Numbers) => Numbers | undefined,
): LcceSnapshot {
  return {
    version,
    connections: connections.map(({ numbers, ...others }) => {
      const changed = change(numbers!);
      return { ...others, ...(changed && { numbers: changed }) };
    }),
  };
}

for (const version of versions) {
  for (const dialer of [true, false]) {
    for (const [known, read] of Object.entries(knowledge)) {
      Deno.test(`Lcce.restore() goes on with 100 calls, v${version}, as the ${dialer ? "dialer" : "answerer"}, Ns and Nr known ${known}`, () => {
        const settings = testSettings({ version, secret, hideAvps: true, helloMs: 20_000 });
        const { net, a, b } = pair(settings, { seed: version });
        const [caller, path] = dialer
          ? [a, net.path(a.address, b.address)] as const
          : [b, net.path(b.address, a.address)] as const;
        const connection = caller.lcce.dial(settings, path, 0);
        for (let i = 0; i < 100; i++) {
          caller.lcce.placeCall(
            connection,
            "incoming-caller",
            testCall({ name: `line-${i}` }),
            net.now,
          );
        }
        net.run(30_000);
        assert.equal(callsUp(b).length, 100);
        const before = sessions(a);
        const next = takeOver(net, a, settings, read(a.lcce.snapshot(net.now)));
        net.run(net.now + 10_000);
        assert.deepStrictEqual(sessions(next), before, "the same sessions");
        assert.deepStrictEqual([connectionCauses(b), callCauses(b)], [[], []]);

        // Both ways: a call ends, another comes up.
        const [mine] = callsUp(next), [, theirs] = callsUp(b);
        const here = up(next)[0]!.handle, there = up(b)[0]!.handle;
        next.lcce.closeCall(
          { connection: here, localSessionId: mine!.localId },
          { result: 3 },
          net.now,
        );
        b.lcce.closeCall(
          { connection: there, localSessionId: theirs!.localId },
          { result: 3 },
          net.now,
        );
        next.lcce.placeCall(here, "incoming-caller", testCall({ name: "new" }), net.now);
        b.lcce.placeCall(there, "incoming-caller", testCall({ name: "newer" }), net.now);
        net.run(net.now + 5_000);
        assert.deepStrictEqual([callsUp(next).length, callsUp(b).length], [100, 100]);
        const serials = callsUp(next).map(({ role, serial }) => `${role} ${serial}`);
        assert.equal(new Set(serials).size, serials.length, "Call Serial Numbers go on");

        // HELLOs go both ways, and nobody is lost.
        net.run(net.now + 120_000);
        assert.deepStrictEqual([connectionCauses(next), connectionCauses(b)], [[], []]);
      });
    }
  }
}

Deno.test("Lcce.restore() goes on while the peer's own messages wait for their acknowledgement", () => {
  for (const version of versions) {
    const settings = testSettings({ version, secret });
    const { net, a, b } = pair(settings);
    b.lcce.dial(settings, net.path(b.address, a.address), 0);
    net.run(1_000);
    const snapshot = a.lcce.snapshot(net.now);
    a.unreachable = true;
    b.lcce.placeCall(up(b)[0]!.handle, "incoming-caller", testCall(), net.now);
    net.run(net.now + 500);
    const next = takeOver(net, a, settings, snapshot);
    net.run(net.now + 10_000);
    assert.deepStrictEqual([callsUp(next).length, callsUp(b).length], [1, 1], `v${version}`);
  }
});

Deno.test("Lcce.restore() finds its place on a bad network", () => {
  for (const version of versions) {
    for (let seed = 1; seed <= 20; seed++) {
      const settings = testSettings({ version, secret, attempts: 20 });
      const { net, a, b } = pair(settings, { seed });
      a.lcce.dial(settings, net.path(a.address, b.address), 0);
      net.run(1_000);
      const old = withNumbers(a.lcce.snapshot(net.now), () => undefined);
      net.conditions = { loss: 0.3, duplication: 0.1, delayMs: [5, 200] };
      const next = takeOver(net, a, settings, old);
      next.lcce.placeCall(up(next)[0]!.handle, "incoming-caller", testCall(), net.now);
      net.run(net.now + 110_000);
      assert.equal(callsUp(b).length, 1, `v${version}, seed ${seed}`);
    }
  }
});

Deno.test("Lcce.restore() ends a connection whose peer is gone as any other", () => {
  const settings = testSettings({ attempts: 4 });
  const { net, a, b } = pair(settings);
  a.lcce.dial(settings, net.path(a.address, b.address), 0);
  net.run(1_000);
  const snapshot = a.lcce.snapshot(net.now);
  net.remove(b);
  const next = takeOver(net, a, settings, snapshot);
  net.run(net.now + 60_000);
  assert.deepStrictEqual(connectionCauses(next).map(({ by }) => by), ["timeout"]);
});

Deno.test("Lcce.restore() leaves out whom nobody knows any more, and whose id is in use", () => {
  const settings = testSettings();
  const { net, a, b } = pair(settings);
  a.lcce.dial(settings, net.path(a.address, b.address), 0);
  net.run(1_000);
  const snapshot = a.lcce.snapshot(net.now);
  const other = new Lcce({
    policy: () => ({ kind: "accept", settings }),
    limits: generous,
    random: seeded(3).bytes,
  });
  const { connections } = snapshot;
  assert.deepStrictEqual(
    other.restore(snapshot, () => undefined, ({ path }) => path, 0),
    connections,
  );
  assert.deepStrictEqual(other.restore(snapshot, () => ({}), ({ path }) => path, 0), []);
  assert.deepStrictEqual(other.restore(snapshot, () => ({}), ({ path }) => path, 0), connections);
});

Deno.test("Lcce.snapshot() holds no secret, and nothing that is not up", () => {
  const settings = testSettings({ version: 3, secret, otherSecret: secretOf("battery staple") });
  const { net, a, b } = pair(settings);
  a.lcce.dial(settings, net.path(a.address, b.address), 0);
  assert.deepStrictEqual(a.lcce.snapshot(0).connections, []);
  net.run(1_000);
  const text = writeSnapshot(a.lcce.snapshot(net.now));
  for (const each of [secret, settings.otherSecret!]) {
    assert.ok(!text.includes(each.toBase64()) && !text.includes(each.toHex()));
  }
  assert.throws(() => readSnapshot('{"version":2,"connections":[]}'), SyntaxError);
  assert.equal(eventsOf(b, "connection-state").length, 2);
});
