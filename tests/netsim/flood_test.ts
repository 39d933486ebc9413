/** SCCRQs that nobody means: state stays bounded, a tunnel that is up stays so, and a real peer still comes up. */

import assert from "node:assert/strict";
import { dialects, messageOf } from "../../core/dialect.ts";
import { emitMessage } from "../../core/wire/header.ts";
import { emitBody } from "../../core/wire/message.ts";
import { Netsim, seeded, testCall, testSettings } from "../../core/testing.ts";
import {
  A,
  acceptEverything,
  B,
  callsUp,
  connectionCauses,
  drops,
  secretOf,
  sessions,
  up,
  versions,
} from "./support.ts";

const limits = { halfOpen: 200, halfOpenPerAddress: 10, requestsPerSecond: 2_000 };

for (const version of versions) {
  for (const secret of [undefined, secretOf("s")]) {
    const label = `v${version}, ${secret ? "a" : "no"} secret`;
    Deno.test(`Lcce outlives 60 s of SCCRQs from many addresses, and a new peer still comes up (${label})`, () => {
      const settings = testSettings({ version, helloMs: 5_000, ...(secret && { secret }) });
      const net = new Netsim(1);
      const policy = () => ({ kind: "accept", settings }) as const;
      const [old, target, fresh] = [A, B, "10.0.0.3"].map((address) =>
        net.add(address, { policy, limits })
      );
      for (const node of [old!, target!, fresh!]) acceptEverything(node);
      const first = old!.lcce.dial(settings, net.path(A, B), 0);
      old!.lcce.placeCall(first, "incoming-caller", testCall(), 0);
      net.run(1_000);
      assert.equal(callsUp(target!).length, 1);

      const random = seeded(5);
      let most = 0;
      const until = net.now + 60_000;
      let dialed = false;
      while (net.now < until) {
        for (let i = 0; i < 5; i++) {
          const id = 1 + Math.floor(random.fraction() * 0xfffe);
          const introduction = dialects[version].introduce({ settings, localId: id });
          const body = emitBody(messageOf(version, "SCCRQ", introduction));
          const header = { version, connectionId: 0, sessionId: 0, ns: 0, nr: 0 };
          const address = `172.${[...random.bytes(3)].join(".")}`;
          net.inject(target!, emitMessage(header, body), { address, port: 1701 });
        }
        most = Math.max(most, [...target!.lcce.connections()].length);
        if (!dialed && net.now > 30_000) {
          dialed = true;
          const second = fresh!.lcce.dial(settings, net.path("10.0.0.3", B), net.now);
          fresh!.lcce.placeCall(second, "incoming-caller", testCall({ name: "new" }), net.now);
        }
        net.run(net.now + 20);
      }
      assert.ok(most <= limits.halfOpen + 2, `${most} connections at once`);
      assert.equal(sessions(fresh!).length, 1, "a new peer came up in the flood");
      assert.equal(callsUp(old!).length, 1, "the tunnel that was up stayed so");
      assert.deepEqual(connectionCauses(old!), []);
      if (secret && version === 3) {
        assert.ok(drops(target!)["digest-missing"]! > 10_000);
        assert.equal(most, 2, "what is not signed makes no state at all");
      } else assert.ok(drops(target!)["half-open-limit"]! > 10_000);
      net.run(net.now + 400_000);
      assert.equal(up(target!).length, 2, "and all that was half open is gone");
      assert.equal([...target!.lcce.connections()].length, 2);
    });
  }
}

Deno.test("Lcce lets one address have so many half-open connections, and no more", () => {
  const settings = testSettings();
  const net = new Netsim(1);
  const target = net.add(B, { policy: () => ({ kind: "accept", settings }), limits });
  const flood = (address: string, ids: readonly number[]) => {
    for (const id of ids) {
      const introduction = dialects[2].introduce({ settings, localId: id });
      const body = emitBody(messageOf(2, "SCCRQ", introduction));
      const header = { version: 2, connectionId: 0, sessionId: 0, ns: 0, nr: 0 } as const;
      net.inject(target, emitMessage(header, body), { address, port: 1701 });
    }
  };
  const ids = Array.from({ length: 30 }, (_, i) => i + 1);
  flood("10.7.7.7", ids);
  assert.equal([...target.lcce.connections()].length, 10);
  assert.equal(drops(target)["half-open-limit"], 20);
  flood("10.7.7.8", ids);
  assert.equal([...target.lcce.connections()].length, 20);
  // An IPv6 site has as many addresses as it likes.
  for (const id of ids) flood(`fd77::${id.toString(16)}`, [id]);
  assert.equal([...target.lcce.connections()].length, 30);
});

Deno.test("Lcce answers no more SCCRQs a second than it may, whoever sends them", () => {
  const settings = testSettings();
  const net = new Netsim(1);
  const target = net.add(B, {
    policy: () => ({ kind: "refuse", result: { result: 4 } }),
    limits: { ...limits, requestsPerSecond: 50 },
  });
  let answers = 0;
  net.tap = () => (answers++, true);
  for (let second = 0; second < 10; second++) {
    for (let i = 0; i < 500; i++) {
      const introduction = dialects[2].introduce({ settings, localId: i + 1 });
      const body = emitBody(messageOf(2, "SCCRQ", introduction));
      const header = { version: 2, connectionId: 0, sessionId: 0, ns: 0, nr: 0 } as const;
      const address = `172.16.${second}.${i % 250}`;
      net.inject(target, emitMessage(header, body), { address, port: 1701 });
    }
    net.run(net.now + 1_000);
  }
  assert.equal(answers, 500);
  assert.equal(drops(target)["request-limit"], 4_500);
  assert.equal([...target.lcce.connections()].length, 0);
});
